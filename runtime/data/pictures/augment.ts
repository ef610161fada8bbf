/**
 * Random changes to training pictures:
 * `augment = [shift(3), flip(), scale(0.8), color_jitter(0.2)]`, in that order.
 *
 * They work on the fitted picture's bytes, so that decoding stays cached. Each draws a fixed number
 * of random values from the sample's own stream: what one sample gets depends on (seed, epoch,
 * sample) and on nothing else.
 */
import { z } from 'zod';
import type { StaticCall } from '../../../compiler/model/types.ts';
import { didYouMean } from '../../../compiler/model/values/suggest.ts';
import { failAt, parseOptions } from '../options.ts';
import { type RandomKey, randomBelow, randomUnit } from '../random.ts';
import { crop, resizeBicubic } from './resize.ts';
import { shifted } from './shift.ts';

/** RGB bytes [size, size, 3] to the same; `key` is this sample's stream. */
export type Augmentation = (bytes: Uint8Array, size: number, key: RandomKey) => Uint8Array;

function shift(pixels: number): Augmentation {
  return (bytes, size, key) => shifted(bytes, size, pixels, key);
}

/** Mirrors left and right with this probability. */
function flip(probability: number): Augmentation {
  return (bytes, size, key) => {
    if (randomUnit(key, 0) >= probability) return bytes;
    const out = new Uint8Array(bytes.length);
    for (let i = 0; i < size * size; i++) {
      const x = i % size;
      const from = (i - x + size - 1 - x) * 3;
      out.set(bytes.subarray(from, from + 3), i * 3);
    }
    return out;
  };
}

/**
 * Cuts out a square whose side is drawn from [smallest, 1] of the picture's, anywhere, and enlarges it again.
 */
function scale(smallest: number): Augmentation {
  return (bytes, size, key) => {
    const side = Math.max(1, Math.round(size * (smallest + (1 - smallest) * randomUnit(key, 0))));
    const left = randomBelow(key, 1, size - side + 1);
    const top = randomBelow(key, 2, size - side + 1);
    if (side === size) return bytes;
    const part = crop({ width: size, height: size, channels: 3, data: bytes }, left, top, side, side);
    return resizeBicubic(part, { width: size, height: size, left: 0, top: 0, columns: size, rows: size })
      .data;
  };
}

/** Luma of ITU-R BT.601, as for a grey picture. */
function luma(bytes: Uint8Array, at: number): number {
  return 0.299 * bytes[at]! + 0.587 * bytes[at + 1]! + 0.114 * bytes[at + 2]!;
}

/** Brightness, contrast and saturation each times a factor drawn from [1 - strength, 1 + strength]. */
function colorJitter(strength: number): Augmentation {
  return (bytes, _, key) => {
    const factor = (i: number) => 1 + strength * (2 * randomUnit(key, i) - 1);
    const brightness = factor(0);
    const contrast = factor(1);
    const saturation = factor(2);
    let mean = 0;
    for (let i = 0; i < bytes.length; i += 3) mean += luma(bytes, i);
    mean = (mean / (bytes.length / 3)) * brightness;
    const out = new Uint8ClampedArray(bytes.length);
    for (let i = 0; i < bytes.length; i += 3) {
      const grey = luma(bytes, i);
      for (let c = 0; c < 3; c++) {
        const coloured = (grey + (bytes[i + c]! - grey) * saturation) * brightness;
        out[i + c] = mean + (coloured - mean) * contrast;
      }
    }
    return new Uint8Array(out.buffer);
  };
}

const makers: Readonly<Record<string, (call: StaticCall) => Augmentation>> = {
  shift: (call) =>
    shift(parseOptions(call, z.object({ pixels: z.int().nonnegative().max(1024) }), ['pixels']).pixels),
  flip: (call) =>
    flip(
      parseOptions(call, z.object({ probability: z.number().min(0).max(1).default(0.5) }), ['probability'])
        .probability,
    ),
  scale: (call) =>
    scale(parseOptions(call, z.object({ smallest: z.number().gt(0).max(1) }), ['smallest']).smallest),
  color_jitter: (call) =>
    colorJitter(parseOptions(call, z.object({ strength: z.number().min(0).max(1) }), ['strength']).strength),
};

/**
 * The augmentation that a call of the recipe names.
 * @throws DiagnosticError Z520 (unknown), Z521, Z522 (its options)
 */
export function makeAugmentation(call: StaticCall): Augmentation {
  const names = Object.keys(makers);
  if (!Object.hasOwn(makers, call.name))
    failAt(
      call,
      'Z520',
      `there is no augmentation \`${call.name}\`${didYouMean(call.name, names)}`,
      `use one of ${names.map((n) => `${n}(...)`).join(', ')}`,
    );
  return makers[call.name]!(call);
}
