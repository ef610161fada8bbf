/**
 * Whether a plan fits a device, and if not, which batch would.
 *
 * Everything is known before a byte is allocated: the plan's buffers against the memory of the device (where it is
 * known: software adapters use the host's), and each binding against the device's limit.
 */
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import { type Graph, numericShape, sizeOf } from '../graph/types.ts';
import type { DeviceProfile } from '../profile.ts';
import type { MemoryTable, Plan } from './types.ts';

/** The code of everything that a smaller batch may cure. */
const tooLarge = 'Z605';

const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

/** The parts of a plan's memory that there are, largest first. */
function largest(memory: MemoryTable): string {
  const { weights, gradients, optimizer, workspace, features, io, derived } = memory;
  const parts = Object.entries({
    weights,
    gradients,
    optimizer,
    workspace,
    features,
    'inputs and outputs': io,
    derived,
  });
  return parts
    .filter(([, bytes]) => bytes > 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3)
    .map(([name, bytes]) => `${name} ${gibibytes(bytes)}`)
    .join(', ');
}

/** @throws DiagnosticError Z605 when the device is known to have less memory than the plan needs */
export function checkMemory(plan: Plan, { memory, name }: DeviceProfile): void {
  if (memory === undefined || plan.memory.total <= memory) return;
  fail(
    tooLarge,
    `${plan.model} ${plan.entry} at batch ${plan.batch} needs ${gibibytes(plan.memory.total)} (${largest(plan.memory)}), ${name} has ${gibibytes(memory)}`,
    'use a smaller batch',
  );
}

/**
 * Refuses at once, before hours are spent on a plan of millions of slices, what comes from or goes to the host and fits
 * no buffer of the device.
 * @throws DiagnosticError Z605
 */
export function checkInputsAndResults(graph: Graph, { limits }: DeviceProfile): void {
  const inputs = graph.nodes.flatMap((n) => (n.op === 'input' ? [{ name: n.attrs.name, node: n.id }] : []));
  for (const { name, node } of [...inputs, ...graph.outputs]) {
    const bytes = 4 * sizeOf(numericShape(graph.nodes[node]!.type));
    if (bytes > limits.maxBufferSize)
      fail(
        tooLarge,
        `${name} takes ${gibibytes(bytes)}, more than one buffer of this device may (${gibibytes(limits.maxBufferSize)})`,
        'use a smaller batch',
      );
  }
}

/** What is made smaller until a plan fits. */
export interface FittingSize {
  readonly noun: 'batch' | 'chunk';
  /** Sizes must divide this. */
  readonly multiple?: number;
}

/**
 * Plans for `size`; where that is too large for the device, finds the largest one that is not and names it.
 * @param plan makes the plan for a size
 * @throws DiagnosticError Z605 whose help says what would fit
 */
export function planFitting<P>(
  size: number,
  plan: (size: number) => P,
  { noun, multiple }: FittingSize = { noun: 'batch' },
): P {
  try {
    return plan(size);
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    const fitting =
      multiple === undefined
        ? largestFitting(size - 1, (n) => n, plan)
        : largestDivisor(divisorsBelow(multiple, size), plan);
    const help =
      fitting === undefined
        ? `not even a ${noun} of 1 fits; use a smaller model or another device`
        : `a ${noun} of ${fitting} fits`;
    throw new DiagnosticError(error.diagnostics.map((d) => ({ ...d, help })));
  }
}

function isTooLarge(error: unknown): error is DiagnosticError {
  return error instanceof DiagnosticError && error.diagnostics.every((d) => d.code === tooLarge);
}

/** Divisors of `n` below `limit`, ascending. */
function divisorsBelow(n: number, limit: number): number[] {
  const divisors: number[] = [];
  for (let d = 1; d * d <= n; d++) if (n % d === 0) divisors.push(...(d * d === n ? [d] : [d, n / d]));
  return divisors.filter((d) => d < limit).sort((a, b) => a - b);
}

function largestDivisor(divisors: readonly number[], plan: (size: number) => unknown): number | undefined {
  return largestFitting(divisors.length, (i) => divisors[i - 1]!, plan);
}

/** The largest of the ascending sizes `nth(1)` to `nth(count)` that can be planned. */
function largestFitting(
  count: number,
  nth: (i: number) => number,
  plan: (size: number) => unknown,
): number | undefined {
  let [fits, fails] = [0, count + 1];
  while (fails - fits > 1) {
    // Doubled until one fails: plans far above what fits, of very many slices, take long.
    const doubled = Math.max(1, 2 * fits);
    const middle = fails > count && doubled < fails ? doubled : Math.floor((fits + fails) / 2);
    try {
      plan(nth(middle));
      fits = middle;
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      fails = middle;
    }
  }
  return fits === 0 ? undefined : nth(fits);
}
