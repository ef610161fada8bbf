import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { clipNormalization } from '../../../compiler/model/index.ts';
import { fitImage, loadImage, makeNormalizer, shortSideSize } from '../../../runtime/data/pictures/images.ts';
import { decodeImage } from '../../../runtime/data/pictures/open-picture.ts';
import { resizeBicubic, resizeNearest } from '../../../runtime/data/pictures/resize.ts';
import { readSafetensors } from '../../../runtime/data/safetensors/tensors.ts';

const folder = fileURLToPath(new URL('../../fixtures/preprocess/', import.meta.url));
/** Made by openai/CLIP's transform on Pillow 9.4. */
const expected = readSafetensors(readFileSync(`${folder}expected.safetensors`));
const files = [...expected.metadata].filter(([key]) => key.endsWith('.file'));

const normalize = makeNormalizer(clipNormalization);

function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);
}

describe.each(files.map(([key, file]) => [key.slice(0, -5), file]))(
  '%s as Pillow preprocesses it',
  (name, file) => {
    const of = (key: string) => expected.tensors.get(`${name}.${key}`)!.data as Uint8Array | Float32Array;
    // PNG pixels are exact, so the result is; JPEG decoders may differ by a few levels.
    const exact = file!.endsWith('.png');

    it('resizes and crops', async () => {
      const decoded = await decodeImage(folder + file);
      expect(difference(fitImage(decoded, 32), of('u8_32'))).toBeLessThanOrEqual(exact ? 0 : 4);
      const large = fitImage(decoded, 224);
      const crc = crc32(large).toString(16).padStart(8, '0');
      if (exact) expect(crc).toBe(expected.metadata.get(`${name}.u8_224.crc32`));
    });

    it('normalises', () => {
      const out = new Float32Array(3 * 32 * 32 + 2);
      normalize(out, 1, of('u8_32') as Uint8Array);
      expect([...out.subarray(1, -1)]).toEqual([...of('f32_32')]);
      expect([out[0], out.at(-1)]).toEqual([0, 0]);
    });
  },
);

it('takes the mean and deviation of a model', async () => {
  const own = makeNormalizer({ mean: [0.5, 0.4, 0.25], std: [0.5, 0.3, 0.125] });
  const pixels = await loadImage(`${folder}rgb_landscape_320x240.png`, { size: 32 }, own);
  // Of open_clip 3.3's image_transform_v2(PreprocessCfg(size=32, mean=..., std=...)) on Pillow 12.3, torchvision 0.28.
  expect(crc32(new Uint8Array(pixels.buffer)).toString(16)).toBe('9def5531');
});

describe('decoding', () => {
  const png = (channels: 3 | 4, background: object, size = 20) =>
    sharp({ create: { width: size, height: size, channels, background } })
      .png()
      .toBuffer();

  it('puts transparent pictures on a background, or drops alpha', async () => {
    const clear = await decodeImage(await png(4, { r: 255, g: 0, b: 0, alpha: 0 }));
    expect([...fitImage(clear, 4, [255, 255, 255]).subarray(0, 3)]).toEqual([255, 255, 255]);
    const half = await decodeImage(await png(4, { r: 255, g: 0, b: 0, alpha: 0.5 }));
    expect([...fitImage(half, 4, [0, 0, 0]).subarray(0, 3)]).toEqual([128, 0, 0]);
    expect(difference(fitImage(half, 4).subarray(0, 3), [255, 0, 0])).toBeLessThanOrEqual(1);
  });

  it('reads other formats, 16 bits and grey with alpha', async () => {
    const red = sharp({ create: { width: 9, height: 7, channels: 3, background: 'red' } });
    for (const bytes of [await red.webp({ lossless: true }).toBuffer(), await red.gif().toBuffer()])
      expect([...fitImage(await decodeImage(bytes), 3).subarray(0, 3)]).toEqual([255, 0, 0]);
    const deep = await red.toColourspace('rgb16').png().toBuffer();
    expect([...fitImage(await decodeImage(deep), 3).subarray(0, 3)]).toEqual([255, 0, 0]);
    const raw = { raw: { width: 2, height: 2, channels: 2 as const } };
    const grey = await sharp(Uint8Array.from([9, 255, 9, 255, 9, 255, 9, 255]), raw)
      .toColourspace('b-w')
      .png()
      .toBuffer();
    expect([...fitImage(await decodeImage(grey), 2).subarray(0, 3)]).toEqual([9, 9, 9]);
  });

  it('refuses what is no picture, or cut short', async () => {
    await expect(decodeImage(Uint8Array.of(1, 2, 3))).rejects.toThrow('unsupported image format');
    const whole = readFileSync(`${folder}rgb_landscape_320x240.png`);
    await expect(loadImage(whole.subarray(0, whole.length / 2), { size: 32 }, normalize)).rejects.toThrow();
  });

  it('handles extreme shapes without computing what is cut away', () => {
    const line = {
      width: 1_000_000,
      height: 1,
      channels: 3,
      data: new Uint8Array(3_000_000).fill(7),
      mode: 'colours' as const,
    };
    expect(fitImage(line, 224).every((v) => v === 7)).toBe(true);
    expect(
      fitImage({ ...line, width: 1, height: 1_000_000, mode: 'nearest' }, 224).every((v) => v === 7),
    ).toBe(true);
  });
});

describe('resampling', () => {
  const whole = (width: number, height: number) => ({
    width,
    height,
    left: 0,
    top: 0,
    columns: width,
    rows: height,
  });
  const size = fc.integer({ min: 1, max: 40 });

  it('keeps a picture of the same size and a plain colour of any size', () => {
    fc.assert(
      fc.property(size, size, size, size, fc.integer({ min: 0, max: 255 }), (w, h, ow, oh, v) => {
        const plain = { width: w, height: h, channels: 3, data: new Uint8Array(w * h * 3).fill(v) };
        const noise = { ...plain, data: plain.data.map((_, i) => (i * 7919) % 256) };
        expect(resizeBicubic(noise, whole(w, h)).data).toEqual(noise.data);
        expect(resizeNearest(noise, whole(w, h)).data).toEqual(noise.data);
        expect(resizeBicubic(plain, whole(ow, oh)).data.every((x) => x === v)).toBe(true);
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  it('computes any part as it is in the whole', () => {
    const image = {
      width: 31,
      height: 17,
      channels: 3,
      data: Uint8Array.from({ length: 31 * 17 * 3 }, (_, i) => (i * 7919) % 256),
    };
    const full = resizeBicubic(image, whole(20, 45));
    const part = resizeBicubic(image, { width: 20, height: 45, left: 3, top: 11, columns: 5, rows: 7 });
    for (let y = 0; y < 7; y++)
      for (let x = 0; x < 15; x++) expect(part.data[y * 15 + x]).toBe(full.data[((y + 11) * 20 + 3) * 3 + x]);
  });

  it('sizes the short side as torchvision does', () => {
    expect(shortSideSize(320, 240, 32)).toEqual([42, 32]);
    expect(shortSideSize(200, 300, 224)).toEqual([224, 336]);
    expect(shortSideSize(5, 7, 224)).toEqual([224, 313]);
  });
});
