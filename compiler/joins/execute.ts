/**
 * The reference executor of a graph with its joins: what joined kernels compute, in f64.
 *
 * Differs from `executeReference` of the graph alone exactly where a join is wrong; and, where results are
 * stored as f16, by the rounding that a result which is not stored escapes.
 */

import { asStored, evaluateNode, type Feeds } from '../graph/reference.ts';
import type { Graph, Node } from '../graph/types.ts';
import { nodeAt } from '../graph/types.ts';
import type { RefTensor } from '../ops/op.ts';
import { joinRules } from './rules.ts';
import type { VerifiedJoins } from './types.ts';

/** Values of all outputs by name. */
export function executeJoined(graph: Graph, { joins }: VerifiedJoins, feeds: Feeds): Map<string, RefTensor> {
  const makers = new Map(joins.map((join) => [join.consumer, join]));
  const passing = new Set(joins.filter((j) => !joinRules[j.kind].keepsProducer).map((j) => j.producer));
  const values: RefTensor[] = [];
  const read = (id: number) => values[id]!;
  const evaluate = (node: Node): RefTensor => {
    const join = makers.get(node.id);
    if (join === undefined) {
      const exact: Node = passing.has(node.id) ? { ...node, type: { ...node.type, dtype: 'f32' } } : node;
      return evaluateNode(exact, node.inputs.map(read), feeds);
    }
    const value = joinRules[join.kind].meaning(nodeAt(graph, join.producer), node, read);
    return asStored(node.type, { ...value, shape: node.type.shape as number[] });
  };
  for (const node of graph.nodes) values.push(evaluate(node));
  return new Map(graph.outputs.map(({ name, node }) => [name, values[node]!]));
}
