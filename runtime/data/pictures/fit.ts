/**
 * What CLIP's own transform does with a decoded picture: fitted bytes, then normalised pixels. Nothing here is Node's.
 *
 * The short side to the model's resolution (bicubic; black-and-white and palette pictures nearest), centre crop,
 * RGB, mean and deviation. Colour profiles are ignored, as there. Transparency is dropped after a resize with
 * premultiplied alpha, as there, unless a background is given to put the picture on.
 */
import type { Normalization } from '../../../compiler/model/types.ts';
import { premultiplied, times255, unpremultiplied } from './alpha.ts';
import type { Decoded } from './decoded.ts';
import { type Pixels, resizeBicubic, resizeNearest, resizeWide } from './resize.ts';

/** Red, green, blue, 0 to 255. */
export type Colour = readonly [number, number, number];

export interface FitSettings {
  /** Side of the result in pixels. */
  readonly size: number;
  /** What transparent pictures are put on; without it alpha is dropped. */
  readonly background?: Colour;
  /** Larger pictures are refused. */
  readonly maxPixels?: number;
}

/** Composites a picture whose last channel is alpha on a plain colour: three channels. */
function flatten(image: Pixels, background: Colour): Pixels {
  const { channels } = image;
  const data = new Uint8Array(image.width * image.height * 3);
  for (let i = 0, o = 0; o < data.length; i += channels, o += 3) {
    const alpha = image.data[i + channels - 1]!;
    for (let c = 0; c < 3; c++) {
      const value = image.data[channels === 2 ? i : i + c]!;
      data[o + c] = Math.round((value * alpha + background[c]! * (255 - alpha)) / 255);
    }
  }
  return { ...image, channels: 3, data };
}

/** Colours of ink, four bytes a pixel, as Pillow converts them. */
function inkToRgb(image: Pixels): Pixels {
  const data = new Uint8Array((image.data.length / 4) * 3);
  for (let i = 0, o = 0; o < data.length; i += 4, o += 3) {
    const light = 255 - image.data[i + 3]!;
    for (let c = 0; c < 3; c++) data[o + c] = Math.max(0, light - times255(image.data[i + c]!, light));
  }
  return { ...image, channels: 3, data };
}

/** Rounded to the type of the samples; Pillow's halves go away from 0. */
function rounding(data: Decoded['data']): (value: number) => number {
  if (data instanceof Float32Array) return Math.fround;
  const round = (value: number) => Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
  if (data instanceof Uint16Array) return (value) => Math.max(0, Math.min(round(value), 65535));
  return round;
}

/** Python's round: halves go to the even neighbour. */
function roundHalfEven(value: number): number {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

/** Width and height after the short side became `size`. */
export function shortSideSize(width: number, height: number, size: number): readonly [number, number] {
  return width <= height
    ? [size, Math.trunc((size * height) / width)]
    : [Math.trunc((size * width) / height), size];
}

/** Resize of the short side and centre crop: RGB bytes [size, size, 3]. */
export function fitImage(image: Decoded, size: number, background?: Colour): Uint8Array {
  const [width, height] = shortSideSize(image.width, image.height, size);
  const left = roundHalfEven((width - size) / 2);
  const top = roundHalfEven((height - size) / 2);
  const target = { width, height, left, top, columns: size, rows: size };
  const { data, mode } = image;
  if (mode === 'wide') {
    const wide = resizeWide(image, target, rounding(data));
    const bytes = Uint8Array.from(wide.data, (value) => Math.max(0, Math.min(Math.trunc(value), 255)));
    return toRgb({ ...wide, data: bytes }).data;
  }
  const pixels = image as Pixels;
  if (mode === 'cmyk') return inkToRgb(resizeBicubic(pixels, target)).data;
  const solid = background !== undefined && image.channels % 2 === 0 ? flatten(pixels, background) : pixels;
  if (mode === 'nearest') return toRgb(resizeNearest(solid, target)).data;
  // Pillow premultiplies for a resize, so a picture of the right size keeps its colours.
  const same = width === image.width && height === image.height;
  if (mode === 'colours' || same || solid.channels !== 4) return toRgb(resizeBicubic(solid, target)).data;
  const resized = resizeBicubic(solid, target, premultiplied);
  return toRgb({ ...resized, data: unpremultiplied(resized.data) }).data;
}

/** Three channels: grey three times, alpha dropped. */
function toRgb(image: Pixels): Pixels {
  const { channels } = image;
  if (channels === 3) return image;
  const data = new Uint8Array(image.width * image.height * 3);
  for (let i = 0, o = 0; o < data.length; i += channels, o += 3)
    for (let c = 0; c < 3; c++) data[o + c] = image.data[channels < 3 ? i : i + c]!;
  return { ...image, channels: 3, data };
}

/** Writes RGB bytes [size, size, 3] as 3 * size * size values in NCHW order, from `offset` on. */
export type Normalizer = (out: Float32Array, offset: number, bytes: Uint8Array) => void;

export function makeNormalizer({ mean, std }: Normalization): Normalizer {
  const normalised = mean.map((value, c) => {
    // Float32 arithmetic step by step, as the original's tensors do it.
    const m = Math.fround(value);
    const s = Math.fround(std[c]!);
    return Float32Array.from({ length: 256 }, (_, v) =>
      Math.fround(Math.fround(Math.fround(v / 255) - m) / s),
    );
  });
  return (out, offset, bytes) => {
    const plane = bytes.length / 3;
    for (let c = 0; c < 3; c++) {
      const values = normalised[c]!;
      for (let i = 0; i < plane; i++) out[offset + c * plane + i] = values[bytes[i * 3 + c]!]!;
    }
  };
}

/** The way back: the RGB bytes that normalise to these values [3, size, size]; what lies between two bytes is rounded. */
export function denormalized(values: Float32Array, { mean, std }: Normalization): Uint8Array {
  const plane = values.length / 3;
  const bytes = new Uint8Array(values.length);
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < plane; i++) {
      const value = 255 * (values[c * plane + i]! * std[c]! + mean[c]!);
      bytes[i * 3 + c] = Math.max(0, Math.min(Math.round(value), 255));
    }
  return bytes;
}
