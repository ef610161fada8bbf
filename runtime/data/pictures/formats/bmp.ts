/**
 * BMP, which sharp does not read: uncompressed in 1 to 32 bits, bit fields, run lengths.
 *
 * As Pillow takes it: a table of colours that is the ramp of greys makes a grey picture, 32 bits have alpha
 * only by a bit field, 5 and 6 bits become 8 by truncation.
 */
import type { Decoded, Opened } from '../decoded.ts';
import { isGreyRamp, paletteColours } from './palette.ts';

/** A picture but for its size. */
type Painted = Pick<Decoded, 'channels' | 'data' | 'mode'>;

interface Header {
  readonly width: number;
  readonly height: number;
  /** The first row in the file is the lowest. */
  readonly bottomUp: boolean;
  readonly bits: number;
  readonly compression: number;
  /** Where the samples begin. */
  readonly start: number;
  /** Red, green, blue and alpha of a pixel of more than 8 bits. */
  readonly masks: readonly number[];
  /** Red, green, blue of each colour. */
  readonly palette: Uint8Array;
}

const [plain, runs8, runs4, fields] = [0, 1, 2, 3];

const tooShort = 'the file ends too early';

/** Masks of pixels without bit fields. */
function usualMasks(bits: number): readonly number[] {
  return bits === 16 ? [0x7c00, 0x3e0, 0x1f, 0] : [0xff0000, 0xff00, 0xff, 0];
}

function readHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 26) throw new Error(tooShort);
  const length = view.getUint32(14, true);
  const old = length === 12;
  if (!old && (length < 40 || length > 1024)) throw new Error(`it has a header of ${length} bytes`);
  if (bytes.length < 14 + length) throw new Error(tooShort);
  const width = old ? view.getUint16(18, true) : view.getInt32(18, true);
  const signed = old ? view.getUint16(20, true) : view.getInt32(22, true);
  const bits = view.getUint16(old ? 24 : 28, true);
  const compression = old ? plain : view.getUint32(30, true);
  if (width <= 0 || signed === 0) throw new Error(`it has ${width} x ${Math.abs(signed)} pixels`);
  if (![1, 4, 8, 16, 24, 32].includes(bits)) throw new Error(`it has ${bits} bits a pixel`);
  const runs = (compression === runs8 && bits === 8) || (compression === runs4 && bits === 4);
  if (compression !== plain && !runs && !(compression === fields && bits >= 16))
    throw new Error(`its compression ${compression} of ${bits} bits is not read`);
  let masks = usualMasks(bits);
  let at = 14 + length;
  if (compression === fields) {
    // Behind a header of 40 bytes, else inside; alpha has one from 56 bytes on.
    const count = length >= 56 ? 4 : 3;
    if (bytes.length < 54 + 4 * count) throw new Error(tooShort);
    masks = Array.from({ length: 4 }, (_, c) => (c < count ? view.getUint32(54 + 4 * c, true) : 0));
    if (masks.every((mask) => mask === 0)) masks = [0xff0000, 0xff00, 0xff, 0xff000000];
    if (length === 40) at += 12;
  }
  let palette = new Uint8Array();
  if (bits <= 8) {
    const count = (old ? 0 : view.getUint32(46, true)) || 1 << bits;
    const stride = old ? 3 : 4;
    if (count > 1 << bits || bytes.length < at + count * stride)
      throw new Error('its table of colours is damaged');
    palette = Uint8Array.from(
      { length: 3 * count },
      (_, i) => bytes[at + Math.floor(i / 3) * stride + 2 - (i % 3)]!,
    );
  }
  const start = view.getUint32(10, true);
  return { width, height: Math.abs(signed), bottomUp: signed > 0, bits, compression, start, masks, palette };
}

/** Indices of runs; a jump and what an early end leaves are index 0. */
function readRuns(bytes: Uint8Array, { width, height, start, compression }: Header): Uint8Array {
  const out = new Uint8Array(width * height);
  const four = compression === runs4;
  let at = start;
  let to = 0;
  const put = (index: number) => {
    if (to < out.length) out[to++] = index;
  };
  while (to < out.length) {
    if (at + 2 > bytes.length) throw new Error(tooShort);
    const [count, value] = [bytes[at]!, bytes[at + 1]!];
    at += 2;
    if (count > 0) {
      // A run ends with its row.
      const room = width - (to % width);
      for (let i = 0; i < Math.min(count, room); i++)
        put(four ? (i % 2 === 0 ? value >> 4 : value & 15) : value);
    } else if (value === 0) {
      to = Math.ceil(to / width) * width;
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      if (at + 2 > bytes.length) throw new Error(tooShort);
      to += bytes[at]! + bytes[at + 1]! * width;
      at += 2;
    } else {
      const length = four ? Math.ceil(value / 2) : value;
      if (at + length > bytes.length) throw new Error(tooShort);
      for (let i = 0; i < value; i++) {
        const byte = bytes[at + (four ? i >> 1 : i)]!;
        put(four ? (i % 2 === 0 ? byte >> 4 : byte & 15) : byte);
      }
      at += length + (length % 2);
    }
  }
  return out;
}

/** Where each row begins in the file, from the top. @throws Error when the file ends before the last one */
function rowStarts(bytes: Uint8Array, { width, height, start, bits, bottomUp }: Header): number[] {
  const stride = Math.ceil((width * bits) / 32) * 4;
  // Some writers leave out the padding of the last row.
  if (start + stride * (height - 1) + Math.ceil((width * bits) / 8) > bytes.length) throw new Error(tooShort);
  return Array.from({ length: height }, (_, y) => start + (bottomUp ? height - 1 - y : y) * stride);
}

function readIndices(bytes: Uint8Array, header: Header): Uint8Array {
  const { width, height, bits } = header;
  const out = new Uint8Array(width * height);
  const mask = (1 << bits) - 1;
  let to = 0;
  for (const row of rowStarts(bytes, header))
    for (let bit = 0; bit < width * bits; bit += bits)
      out[to++] = (bytes[row + (bit >> 3)]! >> (8 - bits - (bit & 7))) & mask;
  return out;
}

/** Bytes of one channel under its mask. */
function channelOf(mask: number): (value: number) => number {
  const shift = Math.clz32(mask & -mask) ^ 31;
  const most = mask >>> shift;
  return (value) => Math.trunc((((value & mask) >>> shift) * 255) / most);
}

function readColours(bytes: Uint8Array, header: Header): Painted {
  const { width, height, bits, masks } = header;
  if (masks.slice(0, 3).includes(0)) throw new Error('a colour has no bits');
  const channels = masks[3] === 0 ? 3 : 4;
  const of = masks.slice(0, channels).map(channelOf);
  const data = new Uint8Array(width * height * channels);
  let to = 0;
  for (const row of rowStarts(bytes, header)) {
    for (let at = row; at < row + (width * bits) / 8; at += bits / 8) {
      let value = 0;
      for (let b = bits / 8 - 1; b >= 0; b--) value = (value << 8) | bytes[at + b]!;
      for (let c = 0; c < channels; c++) data[to++] = of[c]!(value);
    }
  }
  return { channels, data, mode: channels === 4 ? 'alpha' : 'colours' };
}

/** Black and white stay a table of colours. */
function indexed(indices: Uint8Array, palette: Uint8Array): Painted {
  if (palette.length !== 6 && isGreyRamp(palette)) return { channels: 1, data: indices, mode: 'colours' };
  return { ...paletteColours(indices, palette, undefined), mode: 'nearest' };
}

/** Exchanges the rows of above and below, in place. */
function turnOver(indices: Uint8Array, width: number): void {
  for (let from = 0, to = indices.length - width; from < to; from += width, to -= width) {
    const upper = indices.slice(from, from + width);
    indices.copyWithin(from, to, to + width);
    indices.set(upper, to);
  }
}

function decode(bytes: Uint8Array, header: Header): Painted {
  const { width, bits, bottomUp, compression, palette } = header;
  if (bits > 8) return readColours(bytes, header);
  if (compression === plain) return indexed(readIndices(bytes, header), palette);
  const indices = readRuns(bytes, header);
  if (bottomUp) turnOver(indices, width);
  return indexed(indices, palette);
}

/** @throws Error with the reason */
export function openBmp(bytes: Uint8Array): Opened {
  const header = readHeader(bytes);
  const { width, height } = header;
  return {
    width,
    height,
    bytes: width * height * 4,
    decode: () => ({ width, height, ...decode(bytes, header) }),
  };
}
