/**
 * Pictures by the browser's own decoders, then fitted as everywhere: samples come from a canvas, so that colour profiles are
 * ignored, and an orientation in EXIF is taken off before (no option of `createImageBitmap` keeps Chromium from turning).
 */

import type { Decoded } from '../../../runtime/data/pictures/decoded.ts';
import { joinedBytes } from '../../../runtime/joined.ts';
import type { BitmapInput } from '../types.ts';
import { page } from './globals.ts';

const exif = [0x45, 0x78, 0x69, 0x66, 0];

/** A JPEG without its EXIF; anything else as it is. */
export function withoutExif(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return bytes;
  const kept: Uint8Array[] = [bytes.subarray(0, 2)];
  let at = 2;
  // Segments up to the start of the scan, each 0xff, its kind and its length with itself.
  while (at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    const end = at + 2 + bytes[at + 2]! * 256 + bytes[at + 3]!;
    const isExif = bytes[at + 1] === 0xe1 && exif.every((byte, i) => bytes[at + 4 + i] === byte);
    if (!isExif) kept.push(bytes.subarray(at, end));
    at = end;
  }
  kept.push(bytes.subarray(at));
  return joinedBytes(kept);
}

/** A PNG of a palette or of black and white, which Pillow resizes by the nearest pixel. */
export function isPalette(bytes: Uint8Array): boolean {
  const isPng = [0x89, 0x50, 0x4e, 0x47].every((byte, i) => bytes[i] === byte);
  return isPng && (bytes[25] === 3 || (bytes[25] === 0 && bytes[24] === 1));
}

/** Samples RGBA as a decoded picture. */
function decodedSamples(
  { width, height }: { readonly width: number; readonly height: number },
  data: Uint8ClampedArray,
  nearest: boolean,
): Decoded {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return { width, height, channels: 4, mode: nearest ? 'nearest' : 'alpha', data: bytes };
}

function samplesOf(bitmap: BitmapInput, nearest: boolean): Decoded {
  const { width, height } = bitmap;
  const context = new page.OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height, { colorSpace: 'srgb' });
  return decodedSamples(bitmap, data, nearest);
}

/** @throws Error of the browser for what it cannot decode */
export async function decodePicture(picture: Uint8Array | BitmapInput): Promise<Decoded> {
  if (!(picture instanceof Uint8Array)) return samplesOf(picture, false);
  const blob = new Blob([withoutExif(picture) as Uint8Array<ArrayBuffer>]);
  const options = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' };
  const bitmap = await page.createImageBitmap(blob, options);
  try {
    return samplesOf(bitmap, isPalette(picture));
  } finally {
    bitmap.close();
  }
}
