/**
 * Gradients of biases behind those of weights: one product makes both (the join `left-sum`), and a node comes with one
 * that stands before it.
 *
 * Gradients are found from the loss backwards, a bias is added behind the product, so its gradient comes first.
 */
import { readersOf } from '../graph/readers.ts';
import type { Node, NodeOf } from '../graph/types.ts';
import { summedOperand, summedRows, sumsLeft } from '../graph/views.ts';
import type { Pass } from './pass.ts';

export const sumsBehindProducts: Pass = (graph, { kind }) => {
  if (kind === 'cpu') return graph;
  const readers = readersOf(graph);
  /** Sums that may wait, by what they sum. */
  const waiting = new Map<number, NodeOf<'sum'>[]>();
  const behind = new Map<number, NodeOf<'sum'>[]>();
  for (const node of graph.nodes) {
    if (node.op === 'sum') {
      const value = summedRows(graph, node);
      if (value !== undefined) waiting.set(value, [...(waiting.get(value) ?? []), node]);
    } else if (node.op === 'matmul') {
      const value = summedOperand(graph, node);
      const moved = (value === undefined ? [] : (waiting.get(value) ?? [])).filter(
        (sum) => sumsLeft(graph, sum, node) && readers[sum.id]!.every((id) => id > node.id),
      );
      if (value === undefined || moved.length === 0) continue;
      behind.set(node.id, moved);
      waiting.set(
        value,
        waiting.get(value)!.filter((sum) => !moved.includes(sum)),
      );
    }
  }
  if (behind.size === 0) return graph;
  const late = new Set([...behind.values()].flat().map(({ id }) => id));
  const order = graph.nodes.flatMap((node): Node[] =>
    late.has(node.id) ? [] : [node, ...(behind.get(node.id) ?? [])],
  );
  const renamed = new Map(order.map(({ id }, place) => [id, place]));
  const name = (id: number) => renamed.get(id)!;
  return {
    nodes: order.map((node) => ({ ...node, id: name(node.id), inputs: node.inputs.map(name) }) as Node),
    outputs: graph.outputs.map((output) => ({ ...output, node: name(output.node) })),
  };
};
