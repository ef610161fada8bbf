/** Names for what results depend on, so that what was made before is found again, and nothing else. */
import { createHash } from 'node:crypto';
import { printGraph } from '../../compiler/graph/print.ts';
import { traceEntry } from '../../compiler/model/index.ts';
import type { EntryName, Model } from '../../compiler/model/types.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import type { Executor } from '../run/devices.ts';

/** SHA-256 of a value as JSON. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
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
  const traced = traceEntry(model, entry, { batch: 1 });
  if (!traced.ok) throw new DiagnosticError(traced.diagnostics);
  return digestOf([printGraph(traced.value), model.normalization, weights, kind]);
}
