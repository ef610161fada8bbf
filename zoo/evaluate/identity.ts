/** Names for what results depend on, so that what was made before is found again, and nothing else. */
import { createHash } from 'node:crypto';
import { printGraph } from '../../compiler/graph/print.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import { traceEntry } from '../../compiler/model/index.ts';
import type { EntryName, Model } from '../../compiler/model/types.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import type { Executor } from '../run/devices.ts';
import { weightsRead } from '../run/entry.ts';
import { digestWeights } from '../weights/adapter-file.ts';
import type { WeightSource } from '../weights/source.ts';

/** SHA-256 of a value as JSON. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

function trace(model: Model, entry: EntryName): Graph {
  const traced = traceEntry(model, entry, { batch: 1 });
  if (!traced.ok) throw new DiagnosticError(traced.diagnostics);
  return traced.value;
}

/**
 * Of what an entry computes, with which weights, and whether in single or double precision.
 * @param weights digest of them
 */
export function entryIdentity(
  model: Model,
  entry: EntryName,
  weights: string,
  { kind }: Pick<Executor, 'kind'>,
): string {
  return digestOf([printGraph(trace(model, entry)), model.normalization, weights, kind]);
}

/** An entry apart from the model around it, and wherever it is computed. */
export interface EntryDigests {
  /** Of what it computes. */
  readonly graph: string;
  /** Of the weights that it reads. */
  readonly weights: string;
}

export async function digestEntry(
  model: Model,
  entry: EntryName,
  source: WeightSource,
): Promise<EntryDigests> {
  const graph = trace(model, entry);
  return {
    graph: digestOf([printGraph(graph), model.normalization]),
    weights: await digestWeights(weightsRead(model, graph), source),
  };
}
