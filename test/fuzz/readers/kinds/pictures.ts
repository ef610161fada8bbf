/** Pictures: our own decoders, libvips behind its openers, and SVG, whose renderer is a process of its own. */

import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { loadFitted } from '../../../../runtime/data/pictures/images.ts';
import { Unusable } from '../../../../runtime/drops.ts';
import { textTokens } from '../evil.ts';
import { bytesOf, type Reader } from '../reader.ts';

const folder = new URL('../../../fixtures/pictures/', import.meta.url);
const mostPixels = 100_000;

function fixtures(pattern: RegExp): Uint8Array[] {
  const names = readdirSync(folder).filter((name) => pattern.test(name));
  return names.sort().map((name) => readFileSync(new URL(name, folder)));
}

/** Why a picture cannot be read is said in an Error, which the callers make diagnostics and warnings of; a TypeError behind it is a mistake of ours. */
function refuses(error: unknown): boolean {
  if (error instanceof Unusable) return true;
  if (!(error instanceof Error) || error.constructor !== Error) return false;
  const ours = /^(the (\w+) picture|it is a|the file is empty|unsupported image format)/.test(error.message);
  const { cause } = error;
  return ours && (cause === undefined || (cause instanceof Error && cause.constructor === Error));
}

const open: Reader['open'] = () => (bytes) => loadFitted(bytes, { size: 8, maxPixels: mostPixels });

/** Samples of the most pixels that are allowed, several times. */
const memory = (bytes: number) => 128 * 2 ** 20 + 256 * bytes;

const u16 = (...values: number[]) => Uint8Array.from(values.flatMap((v) => [v & 255, v >> 8]));
const sizes = [u16(0, 0), u16(0xffff, 0xffff), u16(1, 0xffff), u16(300, 300)];

const svg = (body: string, attributes = 'width="8" height="8"') =>
  bytesOf(`<svg xmlns="http://www.w3.org/2000/svg" ${attributes}>${body}</svg>`);

export const pictureReaders: readonly Reader[] = [
  {
    name: 'GIF and BMP',
    share: 6,
    seeds: () => fixtures(/\.(gif|bmp)$/),
    tokens: [
      ...sizes,
      Uint8Array.of(0x2c),
      Uint8Array.of(0x3b),
      Uint8Array.of(0x21, 0xf9, 4),
      Uint8Array.of(0, 2, 255, 255),
    ],
    open,
    refuses,
    bounds: { ms: () => 2000, memory },
  },
  {
    name: 'picture',
    share: 5,
    seeds: () => fixtures(/\.(png|jpg|tif|webp|avif)$/),
    tokens: [
      ...sizes,
      'IHDR',
      'IDAT',
      'PLTE',
      'tRNS',
      'IEND',
      'acTL',
      'VP8X',
      'VP8L',
      'ALPH',
      'ispe',
      'irot',
      'imir',
      'iloc',
      'avif',
      'Exif\0\0',
      Uint8Array.of(0xff, 0xd8, 0xff),
      Uint8Array.of(0xff, 0xc0, 0, 17, 8, 255, 255, 255, 255, 3),
      Uint8Array.of(0xff, 0xda),
      Uint8Array.of(0x49, 0x49, 0x2b, 0),
    ],
    open,
    refuses,
    bounds: { ms: () => 5000, memory },
  },
  {
    name: 'SVG',
    share: 1.5,
    seeds: () => [
      svg('<rect width="4" height="4" fill="red"/>'),
      svg('<text x="1" y="6">a &amp; b</text>', 'viewBox="0 0 8 8"'),
      svg(
        '<defs><g id="a"><circle r="2"/></g></defs><use href="#a"/><use xlink:href="#a" xmlns:xlink="http://www.w3.org/1999/xlink"/>',
      ),
      svg('<image width="4" height="4" href="data:image/png;base64,iVBORw0KGgo="/>'),
      svg(
        '<filter id="f"><feGaussianBlur stdDeviation="2"/></filter><rect width="8" height="8" filter="url(#f)"/>',
      ),
      gzipSync(svg('<rect width="4" height="4"/>')),
    ],
    tokens: [
      ...textTokens,
      gzipSync(' '.repeat(2 ** 22)),
      '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
      '&b;',
      '<!ENTITY x SYSTEM "file:///etc/passwd">',
      '<g>'.repeat(2_000),
      '<use href="#a"/>',
      '<image href="file:///dev/zero"/>',
      '<?xml version="1.0" encoding="utf-16"?>',
      'width="1e9"',
      'viewBox="0 0 1e-9 1e-9"',
    ],
    open,
    refuses,
    // Its own limit is five seconds of processor time, after which a process has to be started.
    bounds: { ms: () => 20_000, memory },
  },
];
