/** Tunes a plan on an open adapter and keeps what was found in the user's cache. */

import type { OpenedGpu } from '../../runtime/node/gpu.ts';
import type { CompileFor } from '../../runtime/tune/contest.ts';
import { identityOf, storeTuned } from '../../runtime/tune/node/cache.ts';
import { type TunedWork, type TuneOptions, tune } from '../../runtime/tune/tuner.ts';

interface Tuned {
  readonly results: readonly TunedWork[];
  /** The cache file; absent where nothing needed a measurement. */
  readonly path?: string;
}

/** @throws DiagnosticError Z413 when the cache cannot be written */
export async function tuneAndStore(
  { device, report }: OpenedGpu,
  compile: CompileFor,
  options: TuneOptions,
): Promise<Tuned> {
  const results = await tune(device, compile, options);
  if (results.length === 0) return { results };
  const path = await storeTuned(identityOf(report), results, options.notify);
  return { results, path };
}
