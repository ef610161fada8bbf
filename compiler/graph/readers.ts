/**
 * The edges of a graph turned round: which nodes read each node.
 *
 * Nodes name their inputs only; fusion, layouts and folding ask the other way, whether a value serves one
 * reader alone.
 */
import type { Graph } from './types.ts';

/**
 * For each node the ids of the nodes that read it, ascending, each once however often it reads; outputs count
 * for nothing.
 */
export function readersOf({ nodes }: Graph): readonly (readonly number[])[] {
  const readers: number[][] = nodes.map(() => []);
  for (const { id, inputs } of nodes) for (const input of new Set(inputs)) readers[input]!.push(id);
  return readers;
}
