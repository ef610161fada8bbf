/**
 * The first frame of a GIF, by colour: what lies under a transparent index keeps its colour, which decoders
 * that give RGBA drop. The frame's surroundings have the transparent index, or 0.
 *
 * A table of colours that is the ramp of greys is none: the frame is then a grey picture, and is resized as one.
 */
import type { Decoded, Opened } from '../decoded.ts';
import { isGreyRamp, paletteColours } from './palette.ts';

interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly interlaced: boolean;
  /** Undefined for greys. */
  readonly palette: Uint8Array | undefined;
  readonly transparent: number | undefined;
  /** Where the compressed data begins: the size of the first codes, then blocks. */
  readonly data: number;
}

class Bytes {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  /** @throws Error at the end of the file */
  take(count: number): Uint8Array {
    const part = this.#bytes.subarray(this.at, this.at + count);
    if (part.length < count) throw new Error('the file ends too early');
    this.at += count;
    return part;
  }

  byte(): number {
    return this.take(1)[0]!;
  }

  word(): number {
    const [low, high] = this.take(2);
    return low! + 256 * high!;
  }

  /** The blocks up to the empty one. */
  *blocks(): Generator<Uint8Array> {
    for (let length = this.byte(); length > 0; length = this.byte()) yield this.take(length);
  }
}

/** A table of colours; undefined if it is the ramp of greys. */
function readPalette(file: Bytes, flags: number): Uint8Array | undefined {
  const palette = file.take(3 << ((flags & 7) + 1));
  return isGreyRamp(palette) ? undefined : palette;
}

function readFrame(file: Bytes, common: Uint8Array | undefined): Frame {
  let transparent: number | undefined;
  for (;;) {
    const kind = file.byte();
    if (kind === 0x3b) throw new Error('it has no frame');
    if (kind === 0x21) {
      const label = file.byte();
      for (const block of file.blocks())
        if (label === 0xf9 && block.length >= 4) transparent = block[0]! & 1 ? block[3]! : undefined;
    }
    if (kind === 0x2c) {
      const [left, top, width, height] = [file.word(), file.word(), file.word(), file.word()];
      const flags = file.byte();
      const palette = flags & 0x80 ? readPalette(file, flags) : common;
      return {
        left,
        top,
        width,
        height,
        interlaced: (flags & 0x40) !== 0,
        palette,
        transparent,
        data: file.at,
      };
    }
  }
}

/** Rows in the order in which they stand in the file. */
function* rowOrder({ height, interlaced }: Frame): Generator<number> {
  const passes = interlaced
    ? ([
        [0, 8],
        [4, 8],
        [2, 4],
        [1, 2],
      ] as const)
    : ([[0, 1]] as const);
  for (const [start, step] of passes) for (let y = start; y < height; y += step) yield y;
}

const mostCodes = 4096;

/** LZW with codes of growing length; `size` bits are an index. Ends at the end code. */
function* unpack(file: Bytes, size: number): Generator<Uint8Array> {
  if (size < 1 || size > 11) throw new Error(`it has codes of ${size} bits`);
  const clear = 1 << size;
  const prefix = new Uint16Array(mostCodes);
  const last = new Uint8Array(mostCodes);
  const out = new Uint8Array(mostCodes);
  let next = clear + 2;
  let width = size + 1;
  let previous = -1;
  let first = 0;
  let bits = 0;
  let count = 0;
  for (const block of file.blocks()) {
    for (const byte of block) {
      bits |= byte << count;
      count += 8;
      while (count >= width) {
        const code = bits & ((1 << width) - 1);
        bits >>>= width;
        count -= width;
        if (code === clear + 1) return;
        if (code === clear) {
          next = clear + 2;
          width = size + 1;
          previous = -1;
          continue;
        }
        if (code > next || (code === next && previous < 0) || (code >= clear && previous < 0))
          throw new Error('its compressed data is damaged');
        // From the last index to the first; a code not yet known is the previous text and its first index.
        let at = mostCodes;
        let rest = code;
        if (code === next) {
          out[--at] = first;
          rest = previous;
        }
        while (rest >= clear) {
          out[--at] = last[rest]!;
          rest = prefix[rest]!;
        }
        out[--at] = rest;
        first = rest;
        yield out.subarray(at);
        if (previous >= 0 && next < mostCodes) {
          prefix[next] = previous;
          last[next] = first;
          next++;
          if (next === 1 << width && width < 12) width++;
        }
        previous = code;
      }
    }
  }
}

function readIndices(file: Bytes, frame: Frame, screen: readonly [number, number]): Uint8Array {
  const indices = new Uint8Array(screen[0] * screen[1]).fill(frame.transparent ?? 0);
  const rows = rowOrder(frame);
  let row = rows.next();
  let x = 0;
  if (frame.width === 0) return indices;
  for (const text of unpack(file, file.byte())) {
    for (let i = 0; i < text.length && row.done !== true; ) {
      const part = text.subarray(i, i + frame.width - x);
      indices.set(part, (frame.top + row.value) * screen[0] + frame.left + x);
      i += part.length;
      x += part.length;
      if (x < frame.width) continue;
      x = 0;
      row = rows.next();
    }
    if (row.done === true) break;
  }
  return indices;
}

function decode(bytes: Uint8Array, frame: Frame, width: number, height: number): Decoded {
  const { palette, transparent } = frame;
  const indices = readIndices(new Bytes(bytes, frame.data), frame, [width, height]);
  if (palette !== undefined)
    return { width, height, mode: 'nearest', ...paletteColours(indices, palette, transparent) };
  if (transparent === undefined) return { width, height, mode: 'colours', channels: 1, data: indices };
  const data = new Uint8Array(indices.length * 2);
  for (const [i, index] of indices.entries()) {
    data[2 * i] = index;
    data[2 * i + 1] = index === transparent ? 0 : 255;
  }
  return { width, height, mode: 'colours', channels: 2, data };
}

/** @throws Error with the reason */
export function openGif(bytes: Uint8Array): Opened {
  const file = new Bytes(bytes, 6);
  const screen = [file.word(), file.word()] as const;
  const flags = file.byte();
  file.take(2);
  const frame = readFrame(file, flags & 0x80 ? readPalette(file, flags) : undefined);
  const width = Math.max(screen[0], frame.left + frame.width);
  const height = Math.max(screen[1], frame.top + frame.height);
  return { width, height, bytes: width * height * 5, decode: () => decode(bytes, frame, width, height) };
}
