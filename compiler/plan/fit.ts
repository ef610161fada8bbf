/**
 * Whether a plan fits a device, and if not, which batch would.
 *
 * Everything is known before a byte is allocated: the plan's buffers against the memory of the device (where
 * it is known: software adapters use the host's), and each binding against the device's limit.
 */
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import { type Graph, nodeAt, numericShape, sizeOf } from '../graph/types.ts';
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
 * Refuses at once, before hours are spent on a plan of millions of slices, what comes from or goes to the
 * host and fits no buffer of the device.
 * @throws DiagnosticError Z605
 */
export function checkInputsAndResults(graph: Graph, { limits }: DeviceProfile): void {
  const inputs = graph.nodes.flatMap((n) => (n.op === 'input' ? [{ name: n.attrs.name, node: n.id }] : []));
  for (const { name, node } of [...inputs, ...graph.outputs]) {
    const bytes = 4 * sizeOf(numericShape(nodeAt(graph, node).type));
    if (bytes > limits.maxBufferSize)
      fail(
        tooLarge,
        `${name} takes ${gibibytes(bytes)}, more than one buffer of this device may (${gibibytes(limits.maxBufferSize)})`,
        'use a smaller batch',
      );
  }
}

/** What is made smaller until a plan fits. */
interface FittingSize {
  readonly noun: 'batch' | 'chunk';
  /** Sizes must divide this. */
  readonly multiple?: number;
}

/**
 * Plans for `size`; where that is too large for the device, finds the largest round one that is not and names it.
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
    const sizes = multiple === undefined ? roundNumbers(size) : divisorsOf(multiple);
    const fitting = largestFitting(
      sizes.filter((n) => n < size),
      plan,
    );
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

/**
 * Numbers up to `limit` with at most five binary digits in front of zeros, ascending. Batches between them fit a device
 * as well, but tensors above its binding limit come out even in few slices only where the batch is divisible.
 */
function roundNumbers(limit: number): number[] {
  const numbers: number[] = [];
  for (let n = 1, step = 1; n <= limit; n += step) {
    numbers.push(n);
    if (n === 32 * step) step *= 2;
  }
  return numbers;
}

/** Ascending. */
function divisorsOf(n: number): number[] {
  const divisors: number[] = [];
  for (let d = 1; d * d <= n; d++) if (n % d === 0) divisors.push(d, n / d);
  return [...new Set(divisors)].sort((a, b) => a - b);
}

/** The largest of ascending sizes that can be planned. */
function largestFitting(sizes: readonly number[], plan: (size: number) => unknown): number | undefined {
  let [fits, fails] = [-1, sizes.length];
  while (fails - fits > 1) {
    // Upwards until one fails: plans far above what fits, of very many slices, take long.
    const ahead = fits + 16;
    const middle = fails === sizes.length && ahead < fails ? ahead : Math.floor((fits + fails) / 2);
    try {
      plan(sizes[middle]!);
      fits = middle;
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      fails = middle;
    }
  }
  return sizes[fits];
}
