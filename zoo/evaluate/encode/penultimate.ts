/** What a picture's feature is before its projection: what CLIP's paper probes of vision transformers. */
import { builderFrom } from '../../../compiler/graph/create-builder.ts';
import { type Graph, nodeAt } from '../../../compiler/graph/types.ts';

export const penultimate = 'penultimate';

/**
 * The graph with one more output where its result is `x @ weight` of a matrix x [B, W]: x. Where it is not (a ResNet
 * projects within its attention pooling), the same graph: there the feature itself is probed.
 */
export function withPenultimate(graph: Graph): Graph {
  const [output] = graph.outputs;
  const result = nodeAt(graph, output!.node);
  if (result.op !== 'matmul') return graph;
  const [x, weight] = result.inputs;
  const rows = nodeAt(graph, x!);
  const isWeight = nodeAt(graph, weight!).op === 'param';
  if (!isWeight || rows.type.shape.length !== 2) return graph;
  return builderFrom(graph).finish([...graph.outputs, { name: penultimate, node: x! }]);
}
