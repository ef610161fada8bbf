/**
 * Image resampling with Pillow's results: bicubic with antialiasing in fixed point, and nearest neighbour.
 *
 * Preprocessing is part of a CLIP model: another resampler moves every feature. So the arithmetic here
 * is Pillow's (its `Resample.c`): a cubic kernel with a = -0.5, widened when shrinking, weights rounded
 * to 22 fractional bits, one rounding to 8 bits after the horizontal pass and one after the vertical.
 * Pixels are interleaved bytes. Samples of 16 and 32 bits have plain weights and are rounded to their own type.
 */

/** Interleaved samples, row by row. */
export interface Samples<T> {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: T;
}

export type Pixels = Samples<Uint8Array>;

/** The size to resample to, and the part of the result that is wanted. */
interface Target {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly top: number;
  readonly columns: number;
  readonly rows: number;
}

const fractionBits = 22;
const half = 1 << (fractionBits - 1);
const kernelRadius = 2;

function cubic(x: number): number {
  const a = -0.5;
  const t = Math.abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
  return 0;
}

/**
 * For each wanted output position: the first input position that contributes, and the
 * weights, whose sum is 1.
 */
export interface Taps<W = Float64Array> {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** `stride` weights an output position. */
  readonly weights: W;
  readonly stride: number;
}

/**
 * Taps of output positions `from .. from + wanted - 1` of `outSize`: the kernel is widened when shrinking.
 */
export function cubicTaps(inSize: number, outSize: number, from: number, wanted: number): Taps {
  const scale = inSize / outSize;
  const filterScale = Math.max(scale, 1);
  const support = kernelRadius * filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(wanted);
  const count = new Int32Array(wanted);
  const weights = new Float64Array(wanted * stride);
  for (let o = 0; o < wanted; o++) {
    const center = (o + from + 0.5) * scale;
    const low = Math.max(Math.trunc(center - support + 0.5), 0);
    const high = Math.min(Math.trunc(center + support + 0.5), inSize);
    const row = weights.subarray(o * stride, o * stride + high - low);
    let sum = 0;
    for (let i = 0; i < row.length; i++) {
      row[i] = cubic((i + low - center + 0.5) * (1 / filterScale));
      sum += row[i]!;
    }
    for (let i = 0; i < row.length; i++) row[i]! /= sum;
    first[o] = low;
    count[o] = high - low;
  }
  return { first, count, weights, stride };
}

/** The same with fixed-point weights. */
function fixedTaps(...sizes: Parameters<typeof cubicTaps>): Taps<Int32Array> {
  const taps = cubicTaps(...sizes);
  const weights = Int32Array.from(taps.weights, (weight) => {
    const fixed = weight * 2 ** fractionBits;
    return Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
  });
  return { ...taps, weights };
}

function clip8(fixed: number): number {
  return Math.max(0, Math.min(fixed >> fractionBits, 255));
}

/** Changes a row of samples before it is resized; what it is given stays as it is. */
type PrepareRow = (row: Uint8Array) => Uint8Array;

/** The horizontal pass, for input rows `top .. top + rows - 1`. */
function resizeRows(
  image: Pixels,
  taps: Taps<Int32Array>,
  top: number,
  rows: number,
  prepare: PrepareRow,
): Pixels {
  const { width, channels } = image;
  const columns = taps.first.length;
  const out = new Uint8Array(columns * rows * channels);
  for (let y = 0; y < rows; y++) {
    const row = (top + y) * width * channels;
    const data = prepare(image.data.subarray(row, row + width * channels));
    for (let x = 0; x < columns; x++) {
      const start = taps.first[x]! * channels;
      const at = (y * columns + x) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = half;
        for (let i = 0; i < taps.count[x]!; i++)
          sum += data[start + i * channels + c]! * taps.weights[x * taps.stride + i]!;
        out[at + c] = clip8(sum);
      }
    }
  }
  return { width: columns, height: rows, channels, data: out };
}

/** The vertical pass; the image's first row is row `top` of what the taps were made for. */
function resizeColumns(image: Pixels, taps: Taps<Int32Array>, top: number): Pixels {
  const { width, channels, data } = image;
  const rows = taps.first.length;
  const row = width * channels;
  const out = new Uint8Array(row * rows);
  const sums = new Int32Array(row);
  for (let y = 0; y < rows; y++) {
    sums.fill(half);
    for (let i = 0; i < taps.count[y]!; i++) {
      const weight = taps.weights[y * taps.stride + i]!;
      const start = (taps.first[y]! - top + i) * row;
      for (let x = 0; x < row; x++) sums[x]! += data[start + x]! * weight;
    }
    for (let x = 0; x < row; x++) out[y * row + x] = clip8(sums[x]!);
  }
  return { width, height: rows, channels, data: out };
}

/** Bicubic with antialiasing. Only the wanted part is computed. */
export function resizeBicubic(image: Pixels, target: Target, prepare: PrepareRow = (row) => row): Pixels {
  const across = fixedTaps(image.width, target.width, target.left, target.columns);
  const down = fixedTaps(image.height, target.height, target.top, target.rows);
  const last = target.rows - 1;
  const top = down.first[0]!;
  return resizeColumns(
    resizeRows(image, across, top, down.first[last]! + down.count[last]! - top, prepare),
    down,
    top,
  );
}

/**
 * The same of one channel of numbers.
 * @param round to what the samples' type can hold, after either pass
 */
export function resizeWide(
  image: Samples<ArrayLike<number>>,
  target: Target,
  round: (value: number) => number,
): Samples<Float64Array> {
  const { columns, rows } = target;
  const across = cubicTaps(image.width, target.width, target.left, columns);
  const down = cubicTaps(image.height, target.height, target.top, rows);
  const top = down.first[0]!;
  const narrow = new Float64Array(columns * (down.first[rows - 1]! + down.count[rows - 1]! - top));
  for (let at = 0; at < narrow.length; at++) {
    const x = at % columns;
    const start = (top + (at - x) / columns) * image.width + across.first[x]!;
    let sum = 0;
    for (let i = 0; i < across.count[x]!; i++)
      sum += image.data[start + i]! * across.weights[x * across.stride + i]!;
    narrow[at] = round(sum);
  }
  const data = new Float64Array(columns * rows);
  for (let at = 0; at < data.length; at++) {
    const x = at % columns;
    const y = (at - x) / columns;
    const start = (down.first[y]! - top) * columns + x;
    let sum = 0;
    for (let i = 0; i < down.count[y]!; i++)
      sum += narrow[start + i * columns]! * down.weights[y * down.stride + i]!;
    data[at] = round(sum);
  }
  return { width: columns, height: rows, channels: 1, data };
}

/**
 * Input positions under the centres of output positions `from .. from + wanted - 1`. The step is added up from
 * the edge, as Pillow does it: a product would round otherwise and take another pixel now and then.
 */
function nearestPlaces(inSize: number, outSize: number, from: number, wanted: number): Uint32Array {
  const step = inSize / outSize;
  const places = new Uint32Array(wanted);
  let place = step * 0.5;
  for (let o = 0; o < from + wanted; o++, place += step)
    if (o >= from) places[o - from] = Math.min(Math.trunc(place), inSize - 1);
  return places;
}

/** The input pixel under the centre of each output pixel. */
export function resizeNearest(image: Pixels, target: Target): Pixels {
  const { channels, data } = image;
  const { columns, rows } = target;
  const across = nearestPlaces(image.width, target.width, target.left, columns);
  const down = nearestPlaces(image.height, target.height, target.top, rows);
  const out = new Uint8Array(columns * rows * channels);
  for (let y = 0; y < rows; y++) {
    const sourceRow = down[y]! * image.width;
    for (let x = 0; x < columns; x++) {
      const from = (sourceRow + across[x]!) * channels;
      for (let c = 0; c < channels; c++) out[(y * columns + x) * channels + c] = data[from + c]!;
    }
  }
  return { width: columns, height: rows, channels, data: out };
}

/** A rectangle of an image; it must lie inside. */
export function crop(image: Pixels, left: number, top: number, width: number, height: number): Pixels {
  const { channels, data } = image;
  const out = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * channels;
    out.set(data.subarray(from, from + width * channels), y * width * channels);
  }
  return { width, height, channels, data: out };
}
