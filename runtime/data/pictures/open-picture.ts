/**
 * Picture files to samples in the mode that Pillow opens them in.
 *
 * What is too large is refused by its header. A few files at a time are in memory, and decoded samples only as
 * far as they fit a common room: what a caller asks for at once decides nothing about memory.
 */
import { isMainThread } from 'node:worker_threads';
import { Unusable } from '../../drops.ts';
import { reasonOf } from '../files/atomic.ts';
import { type DataFile, sizeOf, withBytes } from '../files/data-file.ts';
import { isTransient } from '../files/transient.ts';
import type { Decoded, Opened } from './decoded.ts';
import { openBmp } from './formats/bmp.ts';
import { openGif } from './formats/gif.ts';
import { type Format, headBytes, recognise } from './formats/recognise.ts';
import { openSvg } from './formats/svg.ts';
import { openWithSharp } from './formats/with-sharp.ts';
import { Room } from './room.ts';

/** Pillow's: more is an error there, "decompression bomb". */
const defaultMaxPixels = 178_956_970;

/** Compressed bytes; no picture within the limit of pixels needs as many. */
const mostFileBytes = 2 ** 31 - 1;

/** As many as libuv's threads, on which sharp works: more would only wait in memory. A large file takes several. */
const slots = new Room(4);
const slotBytes = 2 ** 26;

/** Bytes of decoded samples in memory at a time, or one picture. Of the workers there are several. */
const samples = new Room((isMainThread ? 256 : 64) * 2 ** 20);

/** The whole file if its head is one of a picture. */
function readPicture(file: DataFile, size: number): Promise<Uint8Array> {
  return withBytes(file, async (reader) => {
    const format = recognise(await reader.read(0, headBytes));
    if (size > mostFileBytes)
      throw new Unusable(
        'too_large',
        `it is a ${format} file of ${size} bytes; at most ${mostFileBytes} are read`,
      );
    return reader.read(0, size);
  });
}

function openAs(format: Format, bytes: Uint8Array, maxPixels: number): Opened | Promise<Opened> {
  if (format === 'GIF') return openGif(bytes);
  if (format === 'BMP') return openBmp(bytes);
  if (format === 'SVG') return openSvg(bytes, maxPixels);
  return openWithSharp(bytes, format, maxPixels);
}

/** What comes out of `work`; an error is told as that of `what`, but for those of the system. */
async function naming<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isTransient(error)) throw error;
    throw new Error(`${what} cannot be decoded: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * Decodes a picture file for `use`, whose result must not hold on to the samples.
 * @throws Error with the reason when it cannot be read: format and size, as far as they are known
 */
export async function withPicture<T>(
  file: DataFile | Uint8Array,
  maxPixels: number = defaultMaxPixels,
  use: (image: Decoded) => T,
): Promise<T> {
  const size = file instanceof Uint8Array ? file.byteLength : await sizeOf(file);
  return slots.use(Math.max(1, Math.ceil(size / slotBytes)), async () => {
    const bytes = file instanceof Uint8Array ? file : await readPicture(file, size);
    const format = recognise(bytes);
    const opened = await naming(`the ${format} picture`, () => openAs(format, bytes, maxPixels));
    const { width, height } = opened;
    const what = `the ${format} picture of ${width} x ${height} pixels`;
    if (width * height > maxPixels)
      throw new Unusable('too_large', `${what} is above the limit of ${maxPixels} pixels`);
    return samples.use(opened.bytes, async () => use(await naming(what, () => opened.decode())));
  });
}

/**
 * A decoded picture.
 * @throws Error with the reason when it cannot be read
 */
export function decodeImage(file: DataFile | Uint8Array, maxPixels?: number): Promise<Decoded> {
  return withPicture(file, maxPixels, (image) => image);
}
