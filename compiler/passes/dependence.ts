/**
 * Which values of a graph depend on weights alone: with fixed weights they are computed once, before the
 * first run.
 */
import type { Graph } from '../graph/types.ts';

/** For each node whether it is computed from weights and constants alone. */
export function fromWeights(graph: Graph): boolean[] {
  const known: boolean[] = [];
  for (const { op, inputs } of graph.nodes) known.push(op !== 'input' && inputs.every((id) => known[id]));
  return known;
}
