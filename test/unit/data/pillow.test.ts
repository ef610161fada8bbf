/**
 * Pictures in every mode that a file can have, against what CLIP's transform makes of them on Pillow 9.4 (Debian 12)
 * and 12.3: the same bytes. `test/fixtures/generate/pictures.py` makes the files and the expected sums.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { fitImage } from '../../../runtime/data/pictures/images.ts';
import { decodeImage } from '../../../runtime/data/pictures/open-picture.ts';

const folder = fileURLToPath(new URL('../../fixtures/pictures/', import.meta.url));
/** Of a file on one Pillow: CRC-32 by resolution, or the error. */
type Reading = Readonly<Record<string, string>>;

/** By version and file. */
const expected: Record<string, Record<string, Reading>> = JSON.parse(
  readFileSync(`${folder}expected.json`, 'utf8'),
);
const debian = expected['9.4.0']!;
const newest = expected['12.3.0']!;
const resolutions = [7, 32, 48, 224];

/** Files that the two read differently: which is followed, and why. */
const disputed: readonly (readonly [
  why: string,
  right: Readonly<Record<string, Reading>>,
  files: string[],
])[] = [
  [
    '16 bits of grey, which 9.4 resizes as 32 bits, or not at all',
    newest,
    ['grey16_40x67.png', 'grey16_48x48.png', 'grey16_61x40.png', 'grey16le.tif', 'white_is_zero16.tif'],
  ],
  [
    'the samples of grey16le.tif in the other byte order, whose bytes 12.3 swaps in between',
    { 'grey16be.tif': newest['grey16le.tif']! },
    ['grey16be.tif'],
  ],
  ['indices behind the last colour, which are greys in 9.4', newest, ['palette4_short.png', 'short.gif']],
  ['a BMP with a literal run, behind which 9.4 loses its place', newest, ['rle8_sparse.bmp']],
  [
    'turned by a quarter, where 12.3 takes rows for columns',
    debian,
    ['turned5.tif', 'turned6.tif', 'turned6_rgba.tif', 'turned7.tif', 'turned8.tif'],
  ],
];
const ruling = new Map(disputed.flatMap(([, right, files]) => files.map((file) => [file, right[file]!])));

/** The sums without the mode, which the two call by different names. */
function sumsOf(reading: Reading): Reading {
  return Object.fromEntries(resolutions.map((size) => [size, reading[size]!]));
}

async function sums(file: string): Promise<Record<string, string>> {
  const image = await decodeImage(folder + file);
  return Object.fromEntries(
    resolutions.map((size) => [size, crc32(fitImage(image, size)).toString(16).padStart(8, '0')]),
  );
}

const files = Object.keys(newest).filter((file) => !file.endsWith('.avif') && file !== 'lab.tif');

describe('as Pillow sees it', () => {
  it.each(files)('%s', async (file) => {
    const right = ruling.get(file);
    if (right === undefined) expect(sumsOf(debian[file]!)).toEqual(sumsOf(newest[file]!));
    expect(await sums(file)).toEqual(sumsOf(right ?? newest[file]!));
  });

  it('rules on no file that both read alike', () => {
    const alike = [...ruling.keys()].filter((file) =>
      resolutions.every((size) => debian[file]![size] === newest[file]![size]),
    );
    expect(alike).toEqual([]);
  });
});

describe('AVIF', () => {
  // libheif and Pillow's libavif convert colours in other steps: up to 2 levels, and alpha below 64 makes more of them.
  it.each([
    ['grey.avif', 0],
    ['rgb420.avif', 0],
    ['rgb_40x67.avif', 2],
    ['rgb_61x40.avif', 2],
    ['rgba.avif', 4],
    ...[2, 4, 5, 6, 7, 8].map((turn): [string, number] => [`turned${turn}.avif`, 0]),
  ])('%s is as Pillow reads it within %d levels', async (file, tolerance) => {
    const found = fitImage(await decodeImage(folder + file), 7);
    const right = Buffer.from(newest[file]!.rgb!, 'hex');
    expect(Math.max(...found.map((value, i) => Math.abs(value - right[i]!)))).toBeLessThanOrEqual(tolerance);
  });
});

describe('CIELAB', () => {
  it('is refused', async () => {
    await expect(decodeImage(`${folder}lab.tif`)).rejects.toThrow(
      'the TIFF picture cannot be decoded: it has 29 x 23 pixels of CIELAB, which is not read',
    );
  });
});

describe('a background', () => {
  it.each([
    // The corner is the key, 29 x 23; grey 63 with alpha 1; the transparent index.
    ['rgb_key.png', 29, [1, 2, 3]],
    ['greyalpha_48x48.png', 48, [1, 2, 3]],
    ['part_clear.gif', 29, [1, 2, 3]],
  ])('shows through the corner of %s', async (file, width, colour) => {
    const image = await decodeImage(folder + file);
    const { channels } = image;
    // The upper left 9 x 9 pixels, which no resize changes.
    const rows = Array.from({ length: 9 }, (_, y) => y * width * channels);
    const data = Uint8Array.from(rows.flatMap((at) => [...image.data.subarray(at, at + 9 * channels)]));
    const corner = fitImage({ ...image, width: 9, height: 9, data }, 9, [1, 2, 3]);
    expect([...corner.subarray(0, 3)]).toEqual(colour);
  });
});
