/**
 * Batches seen by batch norm: integers that no kernel touches, so the host counts along.
 *
 * PyTorch's state_dict has `num_batches_tracked` beside every pair of running statistics. An i64 buffer
 * counts when floating-point buffers of the same block are moved by the graph (its outputs `buffer.<name>`).
 */
import { type Graph, movedPrefix } from '../../compiler/graph/types.ts';
import type { Weight } from '../../compiler/model/types.ts';

/** Names of the buffers that a graph gives new values, in its order. */
export function movedBuffers(graph: Graph): string[] {
  return graph.outputs.flatMap(({ name }) =>
    name.startsWith(movedPrefix) ? [name.slice(movedPrefix.length)] : [],
  );
}

/** Names of the i64 buffers that grow by one with every batch that the graph sees. */
export function batchCounters(graph: Graph, weights: readonly Weight[]): Set<string> {
  const block = (name: string) => name.slice(0, name.lastIndexOf('.') + 1);
  const blocks = new Set(movedBuffers(graph).map(block));
  const counting = weights.filter(
    (w) => w.dtype === 'i64' && w.kind === 'buffer' && blocks.has(block(w.name)),
  );
  return new Set(counting.map((w) => w.name));
}
