/**
 * Products and convolutions over halves for the tests of subgroup matrices: what is computed, by which
 * schedule, and how far it is from the f64 reference over operands that were rounded to f16 before.
 *
 * Products of halves are exact in f32 and sums are f32, so the tolerance is that of f32 products (the op's
 * own, growing with the root of the number of terms); f16 results may be off by one rounding to 11 bits on
 * top.
 */
import { contractLowerings } from '../../../compiler/kernels/products/contract.ts';
import { convolutionLowerings } from '../../../compiler/kernels/products/convolution.ts';
import { scheduleIds, scheduleKey } from '../../../compiler/kernels/schedules/schedules.ts';
import type { OpName } from '../../../compiler/ops/attributes.ts';
import { slide } from '../../../compiler/ops/convolve.ts';
import { opOf } from '../../../compiler/ops/index.ts';
import type { DeviceProfile } from '../../../compiler/profile.ts';
import { narrowF16, widenF16 } from '../../../runtime/data/safetensors/half.ts';
import { randomNumbers } from '../../support/random.ts';
import { runKernelsByText, type TextRunner } from './by-text.ts';
import {
  gather,
  type Layout,
  type Lowered,
  lowerOne,
  runKernels,
  type TestGpu,
  type TestInput,
} from './harness.ts';
import { excessOf, randomInput } from './inputs.ts';

export interface MatrixCase {
  readonly name: string;
  readonly op: OpName;
  readonly attrs: unknown;
  readonly inputs: readonly TestInput[];
  readonly shape: readonly number[];
  readonly result: 'f32' | 'f16';
  /** Terms of a sum. */
  readonly terms: number;
}

export interface Outcome {
  /** The schedule that was used. */
  readonly schedule: string;
  /** Worst error in units of what is allowed. */
  readonly excess: number;
  readonly values: Float64Array;
}

/** The same values, rounded to f16, in f16 storage. */
function halved(input: TestInput): TestInput {
  return {
    ...input,
    dtype: 'f16',
    data: Float64Array.from(widenF16(narrowF16(Float32Array.from(input.data)))),
  };
}

/** `quick_gelu(x + bias) * scale + residual`, as an epilogue. */
const epilogue = {
  inputs: 4,
  instructions: [
    { op: 'add', args: [0, 1] },
    { op: 'constant', args: [], value: 1.702 },
    { op: 'mul', args: [4, 5] },
    { op: 'sigmoid', args: [6] },
    { op: 'mul', args: [4, 7] },
    { op: 'mul', args: [8, 2] },
    { op: 'add', args: [9, 3] },
  ],
} as const;

export interface ProductCase {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch?: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** Whether the right operand has the batch axis as well. */
  readonly batchedB?: boolean;
  readonly epilogue?: boolean;
  readonly result?: 'f32' | 'f16';
  readonly operands?: 'f16' | 'f32';
  /** Of the left operand. */
  readonly layout?: Layout;
  /** The left operand is the residual as well. */
  readonly shared?: boolean;
}

export function productCase(p: ProductCase, seed = 1): MatrixCase {
  const { m, n, k, batch = 1, transposeA = false, transposeB = false, batchedB = false } = p;
  const { result = 'f32', operands = 'f16', layout } = p;
  const prefix = batch === 1 ? [] : [batch];
  const typed = operands === 'f16' ? halved : (input: TestInput) => input;
  const a = randomInput(
    [...prefix, ...(transposeA ? [k, m] : [m, k])],
    seed,
    layout === undefined ? {} : { layout },
  );
  const b = randomInput([...(batchedB ? prefix : []), ...(transposeB ? [n, k] : [k, n])], seed + 1);
  const shape = [...prefix, m, n];
  const extras = p.epilogue
    ? [
        randomInput([n], seed + 2),
        randomInput([m, 1], seed + 3),
        typed(p.shared ? a : randomInput([m, n], seed + 4)),
      ]
    : [];
  const inputs = [typed(a), typed(b), ...extras].map((input, i) =>
    p.shared && (i === 0 || i === 4) ? { ...input, share: 'both' } : input,
  );
  const flags = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`;
  return {
    name: `${batch === 1 ? '' : `${batch}${batchedB ? '' : '(left)'}*`}${m}x${n}x${k} ${flags}${p.epilogue ? ' epilogue' : ''}${p.shared ? ' shared' : ''}${layout ? ' strided' : ''} ${operands}>${result}`,
    op: 'matmul',
    attrs: { transposeA, transposeB, ...(p.epilogue ? { epilogue } : {}) },
    inputs,
    shape,
    result,
    terms: k,
  };
}

/** Sizes around tile edges, primes and 1; every transpose; drawn by a fixed generator. */
function randomProducts(count: number, seed = 5): MatrixCase[] {
  const next = randomNumbers(seed);
  const sizes = [1, 2, 3, 5, 7, 8, 13, 16, 17, 31, 32, 33, 50, 64, 67, 77, 96, 131];
  const size = () => sizes[Math.floor(next() * sizes.length)]!;
  return Array.from({ length: count }, (_, i) =>
    productCase(
      {
        m: size(),
        n: size(),
        k: size(),
        batch: 1 + (i % 3),
        transposeA: (i & 1) === 1,
        transposeB: (i & 2) === 2,
        batchedB: next() < 0.5,
        epilogue: next() < 0.5,
        result: next() < 0.3 ? 'f16' : 'f32',
      },
      100 * seed + 10 * i,
    ),
  );
}

interface ConvolutionCase {
  readonly x: readonly [batch: number, channels: number, height: number, width: number];
  readonly filters: readonly [out: number, kh: number, kw: number];
  readonly stride?: number;
  readonly padding?: number;
  readonly groups?: number;
  readonly channelsLast?: boolean;
}

/** The forward pass and both gradients. */
export function convolutionCases(name: string, c: ConvolutionCase): MatrixCase[] {
  const { x, filters, stride = 1, padding = 0, groups = 1, channelsLast = true } = c;
  const [batch, channels, rows, columns] = x;
  const [out, kh, kw] = filters;
  const attrs = { stride, padding, groups, dilation: 1 };
  const y = [batch, out, slide(rows, kh, attrs)!, slide(columns, kw, attrs)!];
  const layout = channelsLast ? { order: [0, 2, 3, 1] } : {};
  const w = halved(randomInput([out, channels / groups, kh, kw], 2));
  const image = halved(randomInput(x, 1, { layout }));
  const dy = halved(randomInput(y, 3, { layout }));
  return [
    {
      name: `${name}: forward`,
      op: 'conv2d',
      attrs,
      inputs: [image, w],
      shape: y,
      result: 'f32',
      terms: (channels / groups) * kh * kw,
    },
    {
      name: `${name}: gradient of the image`,
      op: 'conv2d_grad_input',
      attrs: { ...attrs, rows, columns },
      inputs: [dy, w],
      shape: x,
      result: 'f32',
      terms: (out / groups) * kh * kw,
    },
    {
      name: `${name}: gradient of the filters`,
      op: 'conv2d_grad_weight',
      attrs: { ...attrs, kernel: [kh, kw] },
      inputs: [image, dy],
      shape: [out, channels / groups, kh, kw],
      result: 'f32',
      terms: batch * y[2]! * y[3]!,
    },
  ];
}

const lowerings = { ...contractLowerings, ...convolutionLowerings } as Record<string, unknown>;

/** Kernels of a case; with `forced`, by that schedule wherever it fits. */
export function lowerCase(c: MatrixCase, profile: DeviceProfile, forced?: string): Lowered {
  const lower = (target: DeviceProfile) =>
    lowerOne(
      lowerings[c.op] as Parameters<typeof lowerOne>[0],
      c.op,
      c.attrs as never,
      c.inputs,
      { dtype: c.result, shape: c.shape },
      target,
    );
  const lowered = lower(profile);
  if (forced === undefined) return lowered;
  const keys = lowered.kernels.flatMap(({ schedule }) => (schedule === undefined ? [] : [schedule.key]));
  const tuned = Object.fromEntries(keys.map((key) => [scheduleKey('contract', key), forced]));
  return lower({ ...profile, tuned });
}

export function matrixIds(profile: DeviceProfile): string[] {
  return scheduleIds(profile, 'contract').filter((id) => id.startsWith('m'));
}

/** Runs a case on a device, or by the text of its kernels; with `forced`, by that schedule wherever it fits. */
export async function runCase(
  gpu: TestGpu | TextRunner,
  c: MatrixCase,
  profile: DeviceProfile,
  forced?: string,
): Promise<Outcome> {
  const { kernels, memory, result } = lowerCase(c, profile, forced);
  const [stored] =
    'subgroup' in gpu
      ? runKernelsByText(gpu, kernels, memory, [result.storage])
      : await runKernels(gpu, kernels, memory, [result.storage]);
  const values = gather(result, stored!);
  const definition = opOf(c.op);
  const expected = definition.reference(c.inputs, c.attrs as never, c.shape as number[]).data;
  const { tolerance } = definition;
  const rounding = c.result === 'f16' ? 2 ** -11 : 0;
  const { worst } = excessOf(
    values,
    expected,
    { ...tolerance, rtol: tolerance.rtol + rounding, atol: tolerance.atol + rounding * 2 ** -3 },
    c.terms,
  );
  const schedule = kernels.find((k) => k.schedule?.family === 'contract')?.schedule?.id ?? '';
  return { schedule, excess: worst, values };
}

/** The fewest cases that reach every way through the kernels. */
export function chosenCases(): MatrixCase[] {
  return [
    productCase({ m: 1, n: 1, k: 1 }),
    productCase({ m: 67, n: 131, k: 100, epilogue: true, result: 'f16' }),
    productCase({ m: 36, n: 40, k: 44, batch: 3, transposeA: true, batchedB: true }),
    productCase({ m: 40, n: 24, k: 24, transposeB: true, epilogue: true, shared: true }),
    productCase({ m: 20, n: 28, k: 12, layout: { before: [1, 3], after: [0, 2] }, result: 'f16' }),
    // More than one tile of the largest default, so that it is the one that is taken.
    productCase({ m: 68, n: 132, k: 12, batch: 33, batchedB: true }),
    ...convolutionCases('3×3 of odd sizes', { x: [3, 7, 9, 5], filters: [13, 3, 3], padding: 1 }),
    ...convolutionCases('3×3 in vec4s, stride 2', {
      x: [2, 16, 9, 8],
      filters: [36, 3, 3],
      padding: 1,
      stride: 2,
    }),
  ];
}

/** Layouts, transposes and sizes that are like the chosen ones, for the text of kernels alone. */
export function furtherCases(): MatrixCase[] {
  return [
    productCase({ m: 8, n: 8, k: 8 }),
    productCase({ m: 36, n: 40, k: 44, transposeA: true, transposeB: true, epilogue: true }),
    productCase({ m: 20, n: 28, k: 12, layout: { before: [4, 8], after: [1, 4] } }),
    ...randomProducts(12),
    ...convolutionCases('two groups, row-major', {
      x: [2, 8, 6, 6],
      filters: [24, 3, 3],
      padding: 1,
      groups: 2,
      channelsLast: false,
    }),
    ...convolutionCases('1×1, stride 2', { x: [2, 8, 5, 7], filters: [12, 1, 1], stride: 2 }),
  ];
}

/** Run with one schedule after the other: operands in vec4s; odd sizes, batches and an epilogue. */
export const scheduledCases: readonly MatrixCase[] = [
  productCase({ m: 68, n: 72, k: 80, transposeB: true }),
  productCase({ m: 35, n: 69, k: 37, batch: 2, transposeA: true, batchedB: true, epilogue: true }),
];
