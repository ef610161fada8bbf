/**
 * JPEG, PNG, WebP, TIFF and AVIF by sharp, in the samples of the file: no colour profile, no conversion of CMYK,
 * no scaling of 16 or 32 bits, no turning by an orientation but of TIFF, as in Pillow.
 */
import sharp from 'sharp';
import { unpremultiplied } from '../alpha.ts';
import type { Decoded, Mode, Opened } from '../decoded.ts';
import { avifTurn, turnedBack } from './avif-turn.ts';
import { type Header, quickHeader } from './quick-header.ts';
import type { Format } from './recognise.ts';
import { readTiffTags, type TiffTags } from './tiff-tags.ts';
import { turned } from './turn.ts';

interface Reading {
  readonly mode: Mode;
  /** The space of the samples: sharp converts to it, so it must be the file's own where samples are to stay. */
  readonly space: 'srgb' | 'cmyk' | 'grey16' | 'b-w';
  readonly depth: 'uchar' | 'ushort' | 'int' | 'float';
}

const asBytes = (mode: Mode): Reading => ({ mode, space: 'srgb', depth: 'uchar' });

/** How wide greys are read; undefined for what has bytes. */
function wideReading({ channels, depth, space }: Header): Reading | undefined {
  if (space === 'grey16' && depth === 'ushort') return { mode: 'wide', space: 'grey16', depth: 'ushort' };
  if (space !== 'b-w' || channels !== 1) return undefined;
  if (depth === 'int' || depth === 'uint') return { mode: 'wide', space: 'b-w', depth: 'int' };
  if (depth === 'float') return { mode: 'wide', space: 'b-w', depth: 'float' };
  return undefined;
}

function pngReading(bytes: Uint8Array, header: Header): Reading {
  const [bits, kind] = [bytes[24]!, bytes[25]!];
  const [grey, indexed, greyAlpha, colourAlpha] = [0, 3, 4, 6];
  if (kind === indexed || (kind === grey && bits === 1)) return asBytes('nearest');
  if (kind === greyAlpha || kind === colourAlpha) return asBytes('alpha');
  // What else has alpha has it by a colour key.
  return (kind === grey ? wideReading(header) : undefined) ?? asBytes('colours');
}

function tiffReading(tags: TiffTags, header: Header): Reading {
  const { photometric, bits, extra } = tags;
  const palette = 3;
  if (photometric === palette || (bits === 1 && header.channels === 1)) return asBytes('nearest');
  const wide = wideReading(header);
  if (wide !== undefined) return wide;
  return asBytes(header.hasAlpha === true && extra !== 0 ? 'alpha' : 'colours');
}

function readingOf(bytes: Uint8Array, format: Format, header: Header, tags: TiffTags | undefined): Reading {
  if (header.space === 'cmyk')
    return { mode: 'cmyk', space: 'cmyk', depth: header.depth === 'ushort' ? 'ushort' : 'uchar' };
  if (format === 'PNG') return pngReading(bytes, header);
  if (tags !== undefined) return tiffReading(tags, header);
  return asBytes(header.hasAlpha === true ? 'alpha' : 'colours');
}

/** Premultiplied alpha, whose division sharp would do in other steps. */
const isPremultiplied = (tags: TiffTags) => tags.extra === 1;
/** Signed samples of 16 bits, of which sharp cuts off the negative ones. */
const isShort = (tags: TiffTags) => tags.sampleFormat === 2 && tags.bits === 16;

/** The file with tags that make sharp leave the bits of the samples as they are. */
function withPlainTags(bytes: Uint8Array, tags: TiffTags): Uint8Array {
  if (!isPremultiplied(tags) && !isShort(tags)) return bytes;
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  if (isPremultiplied(tags)) view.setUint16(tags.extraAt!, 2, tags.littleEndian);
  if (isShort(tags)) view.setUint16(tags.sampleFormatAt!, 1, tags.littleEndian);
  return copy;
}

const arrays = { uchar: Uint8Array, ushort: Uint16Array, int: Int32Array, float: Float32Array } as const;

/** A view of sharp's bytes, or a copy where they do not lie on the samples' bounds. */
function samplesOf(bytes: Buffer, depth: Reading['depth']): Decoded['data'] {
  const Kind = arrays[depth];
  const size = Kind.BYTES_PER_ELEMENT;
  const even = bytes.byteOffset % size === 0 ? bytes : Buffer.from(new Uint8Array(bytes).buffer);
  return new Kind(even.buffer as ArrayBuffer, even.byteOffset, bytes.byteLength / size);
}

export async function openWithSharp(file: Uint8Array, format: Format, maxPixels: number): Promise<Opened> {
  const tags = format === 'TIFF' ? readTiffTags(file) : undefined;
  if (tags !== undefined && (tags.photometric === 8 || tags.photometric === 9)) {
    const { width, height } = tags;
    throw new Error(`it has ${width} x ${height} pixels of CIELAB, which is not read`);
  }
  const bytes = tags === undefined ? file : withPlainTags(file, tags);
  // Own limits come first, with words of their own.
  const open = () => sharp(bytes, { ignoreIcc: true, limitInputPixels: maxPixels, failOn: 'error' });
  const header = quickHeader(bytes, format) ?? (await sharp(bytes, { limitInputPixels: false }).metadata());
  const reading = readingOf(bytes, format, header, tags);
  const { width, height } = header;
  const samples = arrays[reading.depth].BYTES_PER_ELEMENT * Math.max(3, header.channels);
  const decode = async (): Promise<Decoded> => {
    const { mode, space, depth } = reading;
    const { data, info } = await (space === 'srgb' ? open() : open().pipelineColourspace(space))
      .toColourspace(space)
      .raw({ depth })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    const image: Decoded = { width, height, channels, mode, data: samplesOf(data, depth) };
    const plain = adapted(image);
    if (format === 'AVIF') return turnedBack(plain, avifTurn(file));
    return tags === undefined ? plain : turned(adaptedTiff(plain, tags), tags.orientation);
  };
  return { width, height, bytes: width * height * samples, decode };
}

/** The first channels of each pixel. */
function firstChannels(image: Decoded, wanted: number): Decoded {
  const { channels, data } = image;
  if (channels <= wanted) return image;
  return { ...image, channels: wanted, data: data.filter((_, i) => i % channels < wanted) };
}

/** In the mode's channels and type: no key beside wide greys, no further channel, ink in bytes. */
function adapted(image: Decoded): Decoded {
  const kept = firstChannels(image, image.mode === 'wide' ? 1 : 4);
  if (kept.mode !== 'cmyk' || !(kept.data instanceof Uint16Array)) return kept;
  return { ...kept, data: Uint8Array.from(kept.data, (value) => value >> 8) };
}

function adaptedTiff(image: Decoded, tags: TiffTags): Decoded {
  const { mode, data } = image;
  if (mode === 'wide' && isShort(tags))
    return { ...image, data: Int32Array.from(data, (value) => (value << 16) >> 16) };
  // Pillow takes white for zero in bytes only.
  if (mode === 'wide' && data instanceof Uint16Array && tags.photometric === 0)
    return { ...image, data: data.map((value) => 65535 - value) };
  if (mode !== 'alpha' || !isPremultiplied(tags)) return image;
  const colours = unpremultiplied(data as Uint8Array);
  for (let i = 0; i < colours.length; i += 4) if (colours[i + 3] === 0) colours.fill(0, i, i + 3);
  return { ...image, data: colours };
}
