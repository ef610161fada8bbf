/** What a file is, by its first bytes: the picture formats that are read, and the names of others. */

export type Format = 'JPEG' | 'PNG' | 'GIF' | 'WebP' | 'TIFF' | 'BMP' | 'AVIF' | 'SVG';

/** Bytes of a file's head that `recognise` looks at. */
export const headBytes = 1024;

/** Beginnings of files: bytes in hexadecimal digits, or what their text must match. */
type Signature<Name> = readonly [start: string | RegExp, name: Name];

const svgStart = /^(\u00ef\u00bb\u00bf)?\s*(<\?xml|<!--|<!DOCTYPE svg|<svg[\s>]|<[a-z]+:svg[\s>])/i;

const read: readonly Signature<Format>[] = [
  ['ff d8 ff', 'JPEG'],
  ['89 50 4e 47 0d 0a 1a 0a', 'PNG'],
  [/^GIF8[79]a/, 'GIF'],
  [/^RIFF.{4}WEBP/s, 'WebP'],
  ['49 49 2a 00', 'TIFF'],
  ['4d 4d 00 2a', 'TIFF'],
  ['49 49 2b 00', 'TIFF'],
  ['4d 4d 00 2b', 'TIFF'],
  [/^BM/, 'BMP'],
  [/^.{4}ftypavi[fs]/s, 'AVIF'],
  // A general brand may come first, with AVIF's among those that follow in its box.
  [/^.{4}ftypmi[af][f1].{4}(.{4}){0,8}avif/s, 'AVIF'],
  [svgStart, 'SVG'],
  // Compressed with gzip.
  ['1f 8b', 'SVG'],
];

const others: readonly Signature<string>[] = [
  [/^.{4}ftyp(hei[cxms]|hevc|mif1|msf1)/s, 'HEIC'],
  ['00 00 00 0c 6a 50 20 20', 'JPEG 2000'],
  ['ff 4f ff 51', 'JPEG 2000'],
  ['00 00 00 0c 4a 58 4c 20', 'JPEG XL'],
  ['ff 0a', 'JPEG XL'],
  ['00 00 01 00', 'Windows icon'],
  ['00 00 02 00', 'Windows cursor'],
  ['76 2f 31 01', 'OpenEXR'],
  ['c5 d0 d3 c6', 'PostScript'],
  [/^%!PS/, 'PostScript'],
  [/^%PDF/, 'PDF'],
  [/^8BPS/, 'Photoshop'],
  [/^P[1-7]\s/, 'PNM'],
  [/^#\?RADIANCE/, 'Radiance HDR'],
  [/^DDS /, 'DirectDraw Surface'],
  [/^\s*<(!DOCTYPE )?html/i, 'HTML'],
  ['50 4b 03 04', 'zip'],
];

function matches(head: Uint8Array, pattern: string | RegExp): boolean {
  if (typeof pattern !== 'string') return pattern.test(Buffer.from(head).toString('latin1'));
  return pattern.split(' ').every((byte, i) => head[i] === Number.parseInt(byte, 16));
}

/**
 * The format of a picture file.
 * @throws Error that names what it is instead
 */
export function recognise(bytes: Uint8Array): Format {
  if (bytes.length === 0) throw new Error('the file is empty');
  const head = bytes.subarray(0, headBytes);
  const format = read.find(([pattern]) => matches(head, pattern))?.[1];
  if (format !== undefined) return format;
  const other = others.find(([pattern]) => matches(head, pattern))?.[1];
  const formats = 'JPEG, PNG, GIF, WebP, TIFF, BMP, AVIF and SVG are read';
  if (other !== undefined) throw new Error(`it is a ${other} file; ${formats}`);
  const start = Array.from(bytes.subarray(0, 8), (b) => b.toString(16).padStart(2, '0')).join(' ');
  throw new Error(`unsupported image format (it begins with ${start}); ${formats}`);
}
