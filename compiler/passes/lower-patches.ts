/** Convolutions whose windows tile the image (ViT's patch embedding) become matrix products. */
import type { Graph } from '../graph/types.ts';
import { patchConvolution, patchGrid } from '../ops/patches.ts';
import { rewrite } from './rewrite.ts';

export function lowerPatches(graph: Graph): Graph {
  return rewrite(graph, (b, node, inputs) => {
    if (node.op !== 'conv2d') return undefined;
    const [x, w] = inputs as [number, number];
    const grid = patchGrid(b.type(x).shape, b.type(w).shape, node.attrs);
    return grid && patchConvolution(b, x, w, grid);
  });
}
