/** What an entry of a model costs. */

import { DiagnosticError } from '../grammar/diagnostics.ts';
import type { Graph, Node } from './graph/types.ts';
import { traceEntry } from './model/index.ts';
import type { EntryName, Model } from './model/types.ts';
import type { OpName } from './ops/attributes.ts';
import { opOf } from './ops/index.ts';

/** FLOPs of one node: a product of [m, k] and [k, n] has 2 m n k, what moves or is fed has none. */
export function nodeFlops({ nodes }: Graph, node: Node): number {
  const inputs = node.inputs.map((i) => nodes[i]!.type);
  return opOf<OpName>(node.op).cost(inputs, node.attrs, node.type).flops;
}

/** FLOPs of one entry for so many samples. */
export function entryFlops(model: Model, entry: EntryName, batch = 1): number {
  const traced = traceEntry(model, entry, { batch });
  if (!traced.ok) throw new DiagnosticError(traced.diagnostics);
  const graph = traced.value;
  return graph.nodes.reduce((sum, node) => sum + nodeFlops(graph, node), 0);
}
