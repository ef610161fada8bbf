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
  const { weights, gradients, optimizer, workspace, features, io, derived, staging } = memory;
  const parts = Object.entries({
    weights,
    gradients,
    optimizer,
    workspace,
    features,
    'inputs and outputs': io,
    derived,
    staging,
  });
  return parts
    .filter(([, bytes]) => bytes > 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3)
    .map(([name, bytes]) => `${name} ${gibibytes(bytes)}`)
    .join(', ');
}

/** Bytes of all values of a graph in f32, as if none shared memory. */
function valueBytes({ nodes }: Graph): number {
  return nodes.reduce((bytes, { type }) => bytes + 4 * sizeOf(numericShape(type)), 0);
}

/**
 * The outlook of an entry whose values are so large that planning it may be in vain; undefined for all others.
 * @param graph as traced; with gradients most of its values are kept, without them few at a time
 */
export function outlookOf<P>(
  graph: Graph,
  {
    model,
    entry,
    gradients,
  }: { readonly model: string; readonly entry: string; readonly gradients: boolean },
  { memory, name }: DeviceProfile,
  total: (plan: P) => number,
): Outlook<P> | undefined {
  if (memory === undefined || valueBytes(graph) < (gradients ? 2 : 16) * memory) return undefined;
  return {
    memory,
    total,
    refuse: (size, bytes) =>
      fail(
        tooLarge,
        `${model} ${entry} at batch ${size} would need about ${gibibytes(bytes)}, ${name} has ${gibibytes(memory)}`,
        'use a smaller batch',
      ),
  };
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
interface FittingSize<P> {
  readonly noun: 'batch' | 'chunk';
  /** Sizes must divide this. */
  readonly multiple?: number;
  /** For sizes so large that a plan of them takes long, only to be refused. */
  readonly outlook?: Outlook<P> | undefined;
}

/** How to foresee what a plan takes. */
interface Outlook<P> {
  readonly memory: number;
  total(plan: P): number;
  /** @throws DiagnosticError Z605 for a size that takes about so many bytes */
  refuse(size: number, bytes: number): never;
}

/**
 * What plans take by size: a straight line through two small ones. Slices and alignment add little to it, so
 * twice the memory is surely too much. Undefined where not even the small ones fit.
 */
function foresee<P>(
  size: number,
  plan: (size: number) => P,
  { total }: Outlook<P>,
): ((n: number) => number) | undefined {
  const first = Math.max(1, Math.min(32, Math.floor(size / 64)));
  try {
    const [a, b] = [total(plan(first)), total(plan(2 * first))];
    return (n) => a + ((b - a) / first) * (n - first);
  } catch (error) {
    if (isTooLarge(error)) return undefined;
    throw error;
  }
}

/**
 * Plans for `size`; where that is too large for the device, finds the largest round one that is not and names it.
 * @param plan makes the plan for a size
 * @throws DiagnosticError Z605 whose help says what would fit
 */
export function planFitting<P>(
  size: number,
  plan: (size: number) => P,
  { noun, multiple, outlook }: FittingSize<P> = { noun: 'batch' },
): P {
  const expected = outlook && foresee(size, plan, outlook);
  try {
    if (outlook && expected && expected(size) > 2 * outlook.memory) outlook.refuse(size, expected(size));
    return plan(size);
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    const sizes = (multiple === undefined ? roundNumbers(size) : divisorsOf(multiple)).filter(
      (n) => n < size,
    );
    const guess = expected && sizes.findLastIndex((n) => expected(n) <= outlook!.memory);
    const fitting = largestFitting(sizes, plan, guess);
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

/**
 * The largest of ascending sizes that can be planned.
 * @param guess its index, perhaps: it and its neighbours are tried first
 */
function largestFitting(
  sizes: readonly number[],
  plan: (size: number) => unknown,
  guess?: number,
): number | undefined {
  let [fits, fails] = [-1, sizes.length];
  let next = guess;
  while (fails - fits > 1) {
    // Upwards until one fails: plans far above what fits, of very many slices, take long.
    const ahead = fits + 16;
    const blind = fails === sizes.length && ahead < fails ? ahead : Math.floor((fits + fails) / 2);
    const middle = next !== undefined && next > fits && next < fails ? next : blind;
    try {
      plan(sizes[middle]!);
      fits = middle;
      if (middle === next) next++;
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      fails = middle;
      if (middle === next) next--;
    }
  }
  return sizes[fits];
}
