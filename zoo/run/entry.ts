/**
 * One entry of a model, ready to run: traced, compiled for the executor, weights in place.
 *
 * The same call serves the command line, zero-shot evaluation and the benchmark, on a
 * device or on the reference.
 */
import { totalmem } from 'node:os';
import { type Graph, numericShape, sizeOf } from '../../compiler/graph/types.ts';
import type { Model } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import type { WeightSource } from '../weights/source.ts';
import { type EntryRequest, openOnDevice, type ReadyEntry } from './compiled.ts';
import type { Executor } from './devices.ts';
import { openOnReference } from './on-reference.ts';

export {
  compileEntry,
  compileFitting,
  compileTrainingStep,
  type EntryRequest,
  type ReadyEntry,
  unreadNames,
  weightsRead,
} from './compiled.ts';
export { checkIds, type NamedTensor } from './plan-entry.ts';

/**
 * Refuses a graph whose inputs, weights and largest value alone, in double precision, are more than the
 * machine has.
 * @throws DiagnosticError Z605
 */
function checkHostMemory({ nodes }: Graph): void {
  const bytes = (node: Graph['nodes'][number]) => 8 * sizeOf(numericShape(node.type));
  const given = nodes.filter((n) => n.inputs.length === 0).reduce((sum, n) => sum + bytes(n), 0);
  const needed = given + nodes.reduce((most, n) => Math.max(most, bytes(n)), 0);
  const gibibytes = (n: number) => `${(n / 2 ** 30).toFixed(1)} GiB`;
  if (needed > totalmem())
    fail(
      'Z605',
      `the reference needs at least ${gibibytes(needed)}, this machine has ${gibibytes(totalmem())}`,
      'use a smaller batch',
    );
}

/** Compiles one entry for `executor` and writes the weights. Close it when done. */
export function openEntry(
  executor: Executor,
  model: Model,
  weights: WeightSource,
  request: EntryRequest,
): Promise<ReadyEntry> {
  return executor.kind === 'device'
    ? openOnDevice(executor, model, weights, request)
    : openOnReference(model, weights, request, checkHostMemory);
}
