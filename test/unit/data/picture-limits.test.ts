/** Pictures that would cost too much, or are none, are refused in words, before anything is decoded. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { openSvg } from '../../../runtime/data/pictures/formats/svg.ts';
import { decodeImage, withPicture } from '../../../runtime/data/pictures/open-picture.ts';
import { Room } from '../../../runtime/data/pictures/room.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-picture-limits-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fixture = (name: string) => new URL(`../../fixtures/pictures/${name}`, import.meta.url).pathname;
const latin1 = (text: string) => Buffer.from(text, 'latin1');
const svg = (side: number, body: string) =>
  latin1(`<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}">${body}</svg>`);
const turbulence =
  '<filter id="f"><feTurbulence baseFrequency="0.01" numOctaves="50"/></filter><rect width="100%" height="100%" filter="url(#f)"/>';

describe('a picture', () => {
  it.each([
    'rgb_61x40.png',
    'rgb_61x40.jpg',
    'palette_61x40.gif',
    'rgb_61x40.webp',
    'rgba_61x40.tif',
    'rgb_61x40.avif',
  ])('of more pixels than the limit is refused by its header: %s', async (name) => {
    await expect(decodeImage(fixture(name), 2439)).rejects.toThrow(
      /^the \w+ picture of 61 x 40 pixels is above the limit of 2439 pixels$/,
    );
    expect(await decodeImage(fixture(name), 2440)).toMatchObject({ width: 61, height: 40 });
  });

  it('is not decoded to be refused', async () => {
    // 46340 x 46340 pixels, of which the file has none.
    const bmp = new DataView(new ArrayBuffer(60));
    for (const [at, value] of [
      [0, 0x4d42],
      [10, 54],
      [14, 40],
      [18, 46340],
      [22, 46340],
      [26, 24 * 65536 + 1],
    ] as const)
      bmp.setUint32(at, value, true);
    await expect(decodeImage(new Uint8Array(bmp.buffer))).rejects.toThrow(
      'the BMP picture of 46340 x 46340 pixels is above the limit of 178956970 pixels',
    );
    const gif = latin1('GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\0;');
    await expect(decodeImage(gif)).rejects.toThrow('the GIF picture of 65535 x 65535 pixels is above');
  });

  it('that is cut short is refused with its format and size', async () => {
    for (const name of ['palette_61x40.gif', 'rgb24.bmp', 'rgb_61x40.png', 'rgb_61x40.jpg', 'rgb_raw.tif']) {
      const whole = readFileSync(fixture(name));
      await expect(decodeImage(whole.subarray(0, whole.length * 0.7))).rejects.toThrow(
        /^the \w+ picture of \d+ x \d+ pixels cannot be decoded: /,
      );
    }
  });
});

describe('a damaged file', () => {
  const names = [
    'palette_61x40.gif',
    'part.gif',
    'rle4.bmp',
    'rgba32.bmp',
    'palette4.bmp',
    'rgb_lzw.tif',
    'palette4.tif',
    'turned6.tif',
  ];

  it.each(names)('is read or refused in words: %s', async (name) => {
    const whole = readFileSync(fixture(name));
    // Headers decide most: half of the changes fall into the first 64 bytes.
    const at = fc.oneof(fc.nat(63), fc.nat(whole.length - 1));
    const changes = fc.array(fc.tuple(at, fc.nat(255)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(changes, fc.integer({ min: 0, max: whole.length }), async (list, length) => {
        const bytes = Uint8Array.from(whole);
        for (const [place, value] of list) bytes[place] = value;
        const part = bytes.subarray(0, length % 3 === 0 ? length : whole.length);
        const outcome = await decodeImage(part, 1e5).catch((error: Error) => error);
        if (outcome instanceof Error) {
          expect(outcome.message).toMatch(
            /^(the (\w+) picture|it is a|the file is empty|unsupported image format)/,
          );
          // What JavaScript says of a mistake of ours.
          expect(outcome.message).not.toMatch(/array length|of bounds|the bounds|undefined|not a function/);
        } else {
          const { width, height, channels, data } = outcome;
          expect(data.length).toBe(width * height * channels);
        }
      }),
      { seed: 12, numRuns: 150 },
    );
  });
});

describe('what is no picture', () => {
  it.each([
    ['', 'the file is empty'],
    ['\0\0\0\x18ftypheic', 'it is a HEIC file; JPEG, PNG, '],
    ['%PDF-1.7', 'it is a PDF file; '],
    ['<!DOCTYPE html><html>', 'it is a HTML file; '],
    ['\0\0\0\x0cjP  \r\n', 'it is a JPEG 2000 file; '],
    ['P6 3 3 255', 'it is a PNM file; '],
    ['hello', 'unsupported image format (it begins with 68 65 6c 6c 6f); JPEG, '],
  ])('is told by its beginning: %j', async (start, message) => {
    const path = join(folder, 'file');
    writeFileSync(path, latin1(start));
    await expect(decodeImage(path)).rejects.toThrow(message);
    await expect(decodeImage(latin1(start))).rejects.toThrow(message);
  });
});

describe('SVG', () => {
  it('is rendered at its own size, one after the other', async () => {
    const red = await decodeImage(svg(3, '<rect width="3" height="3" fill="red"/>'));
    expect(red).toMatchObject({ width: 3, height: 3, channels: 4, mode: 'alpha' });
    expect([...red.data.subarray(0, 4)]).toEqual([255, 0, 0, 255]);
    await expect(decodeImage(latin1('<svg>'))).rejects.toThrow('the SVG picture cannot be decoded: ');
  });

  it('has a limit of pixels of its own', async () => {
    await expect(decodeImage(svg(4900, turbulence))).rejects.toThrow(
      'it has 4900 x 4900 pixels, above the limit of 4194304 pixels of an SVG',
    );
    await expect(decodeImage(svg(20, turbulence), 399)).rejects.toThrow('above the limit of 399 pixels');
  });

  it('ends when it takes too much time or memory, and the next one is rendered', async () => {
    const open = (limits: object) =>
      openSvg(svg(1000, turbulence), 1e6, { cpuSeconds: 60, bytes: 2 ** 30, ...limits });
    await expect(open({ cpuSeconds: 0.1 })).rejects.toThrow('rendering takes more than 0.1 s of CPU time');
    await expect(open({ bytes: 2 ** 20 })).rejects.toThrow('rendering takes more than 1 MiB of memory');
    expect(await decodeImage(svg(3, ''))).toMatchObject({ width: 3, height: 3 });
  });
});

describe('memory', () => {
  it('is given out as far as there is, in the order of asking', async () => {
    const room = new Room(10);
    const log: string[] = [];
    let used = 0;
    const work = (name: string, amount: number) =>
      room.use(amount, async () => {
        used += Math.min(amount, 10);
        expect(used).toBeLessThanOrEqual(10);
        log.push(name);
        await new Promise((resolve) => setTimeout(resolve, 1));
        used -= Math.min(amount, 10);
        if (name === 'broken') throw new Error(name);
      });
    const all = [work('a', 6), work('b', 4), work('broken', 5), work('all', 99), work('small', 1)];
    const results = await Promise.allSettled(all);
    expect(log).toEqual(['a', 'b', 'broken', 'all', 'small']);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
  });

  it('holds a few pictures at a time, however many are asked for', async () => {
    let open = 0;
    let most = 0;
    const files = Array.from({ length: 32 }, () => fixture('rgb_48x48.png'));
    await Promise.all(
      files.map(async (file) => {
        await withPicture(file, undefined, () => {
          open++;
        });
        most = Math.max(most, open);
        open--;
      }),
    );
    expect(most).toBeLessThanOrEqual(4);
  });
});
