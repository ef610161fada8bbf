/**
 * Rows of f32 as halves with a scale of the row's own, two in a word, and back: how gradients cross between ranks.
 *
 * The scale is the power of two that lifts the largest magnitude into [2^14, 2^15), so scaling is exact. A number loses
 * what 11 bits do not hold, 2^-11 of itself; below 2^-28 of the largest, where halves have fewer bits, it becomes
 * zero. Infinity and NaN become infinity. All of it is arithmetic on bits: devices may round a conversion to f16 either
 * way, flush small numbers, and take it that nothing is infinite.
 */
import { perElement } from './costs.ts';
import { refuseIndex } from './embedding.ts';
import { floats, integers } from './examples.ts';
import { defineOp } from './op.ts';
import { accept, firstOf, refuse, refuseIntegers, refuseRank, refuseShape } from './shapes.ts';
import { unsliced } from './slices.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** (f32 [R, 2n], the rows' largest magnitudes [R, 1]) -> i32 [R, n + 1]; the last word tells the scale. */
    pack_halves: None;
    /** i32 [R, n + 1] -> f32 [R, 2n] */
    unpack_halves: None;
  }
  interface OpArities {
    pack_halves: 2;
    unpack_halves: 1;
  }
}

const traits = {
  role: 'kernel',
  slices: unsliced,
  half: 'full',
  layout: 'dense',
  behind: false,
  strips: 'none',
} as const;

/** Of the smallest normal half, as f32. */
const leastNormal = 2 ** -14;

/** The exponent of a row's largest magnitude (f32 bits), as far as both scales are normal numbers. */
function exponentOf(peakBits: number): number {
  return Math.min(Math.max((peakBits >>> 23) & 255, 15), 254) - 127;
}

/** A half's bits of a number that is not finite, or below 2^15. */
function halfOf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (!Number.isFinite(size)) return sign | 0x7c00;
  if (size < leastNormal) return sign;
  const exponent = Math.floor(Math.log2(size));
  const unit = 2 ** (exponent - 10);
  // Ties go to the even one.
  const below = Math.floor(size / unit);
  const rest = size / unit - below;
  const digits = below + Number(rest > 0.5 || (rest === 0.5 && below % 2 === 1));
  return sign | ((exponent + 14) * 1024 + digits);
}

function numberOf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const size = half & 0x7fff;
  if (size === 0) return 0;
  return size >= 0x7c00
    ? sign * Number.POSITIVE_INFINITY
    : sign * 2 ** ((size >> 10) - 15) * (1 + (size % 1024) / 1024);
}

function bitsOf(value: number): number {
  return new Int32Array(Float32Array.of(value).buffer)[0]!;
}

export const packHalves = defineOp<'pack_halves'>({
  name: 'pack_halves',
  arity: 2,
  shape(inputs) {
    const refusal = firstOf(refuseIntegers('pack', inputs), refuseRank('pack_halves', inputs, 0, '[R, N]'));
    if (refusal) return refusal;
    const [rows, width] = inputs[0]!.shape;
    if (typeof width !== 'number' || width % 2 !== 0)
      return refuse('pack_halves needs rows of an even length');
    return (
      refuseShape('the largest magnitudes of pack_halves', inputs, 1, [rows!, 1]) ??
      accept({ dtype: 'i32', shape: [rows!, width / 2 + 1] })
    );
  },
  gradient: 'made by passes',
  reference([x, peaks], _attrs, shape) {
    const [rows, words] = shape as [number, number];
    const width = 2 * (words - 1);
    const data = new Float64Array(rows * words);
    for (let row = 0; row < rows; row++) {
      const peak = bitsOf(peaks.data[row]!);
      const factor = 2 ** (14 - exponentOf(peak));
      const half = (i: number) => halfOf(x.data[row * width + i]! * factor);
      for (let word = 0; word < words - 1; word++)
        data[row * words + word] = half(2 * word) | (half(2 * word + 1) << 16);
      data[row * words + words - 1] = peak;
    }
    return { shape, data };
  },
  traits,
  language: 'none',
  examples: [
    { name: 'rows of an odd number of words', inputs: [floats([3, 10]), floats([3, 1], 1, 3)], attrs: {} },
    { name: 'large numbers', inputs: [floats([2, 6], -9e30, 9e30), floats([2, 1], 9e30, 2e31)], attrs: {} },
  ],
  cost: perElement(16),
  tolerance: { rtol: 0, atol: 0 },
});

export const unpackHalves = defineOp<'unpack_halves'>({
  name: 'unpack_halves',
  arity: 1,
  shape(inputs) {
    const refusal = firstOf(
      refuseIndex('the words of unpack_halves', inputs, 0),
      refuseRank('unpack_halves', inputs, 0, '[R, N + 1]'),
    );
    if (refusal) return refusal;
    const [rows, words] = inputs[0]!.shape;
    if (typeof words !== 'number') return refuse('unpack_halves needs rows of a known length');
    return accept({ dtype: 'f32', shape: [rows!, 2 * (words - 1)] });
  },
  gradient: 'made by passes',
  reference([packed], _attrs, shape) {
    const [rows, width] = shape as [number, number];
    const words = width / 2 + 1;
    const data = new Float64Array(rows * width);
    for (let row = 0; row < rows; row++) {
      const scale = 2 ** (exponentOf(packed.data[row * words + words - 1]!) - 14);
      for (let i = 0; i < width; i++) {
        const word = packed.data[row * words + (i >> 1)]!;
        data[row * width + i] = numberOf((word >>> (16 * (i % 2))) & 0xffff) * scale;
      }
    }
    return { shape, data };
  },
  traits,
  language: 'none',
  examples: [{ name: 'rows', inputs: [integers([2, 3], 2 ** 30)], attrs: {} }],
  cost: perElement(8),
  tolerance: { rtol: 0, atol: 0 },
});
