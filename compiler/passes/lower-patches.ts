/** Convolutions whose windows tile the image (ViT's patch embedding, 1×1 convolutions) become matrix products. */
import type { Graph } from '../graph/types.ts';
import { patchConvolution, patchGrid } from '../ops/patches.ts';
import { rewrite } from './rewrite.ts';

export function lowerPatches(graph: Graph): Graph {
  return rewrite(graph, (b, node, inputs) => {
    if (node.op !== 'conv2d') return undefined;
    const [x, w] = inputs as [number, number];
    const { stride, padding } = node.attrs;
    const grid = patchGrid(b.type(x).shape, b.type(w).shape, stride, padding);
    return grid && patchConvolution(b, x, w, grid);
  });
}
