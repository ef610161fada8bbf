/** Views: ops whose result is their first input's memory, seen otherwise. */

import type { OpName } from '../ops/attributes.ts';
import { opsOf } from '../ops/index.ts';
import type { Graph } from './types.ts';
import { nodeAt } from './types.ts';

export const viewOps: ReadonlySet<OpName> = new Set<OpName>(opsOf('view'));

/** The node whose memory a chain of views shows. */
export function rootOf(graph: Graph, id: number): number {
  const { op, inputs } = nodeAt(graph, id);
  return viewOps.has(op) ? rootOf(graph, inputs[0]) : id;
}
