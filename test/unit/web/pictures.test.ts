/** The playground's data set: what is held out, and batches that depend on seed and number alone. */
import { describe, expect, it } from 'vitest';
import { Batches, splitOf } from '../../../web/worker/train/pictures.ts';
import type * as zooc from '../../../zoo/api/node.ts';

const side = 4;
const count = 40;
/** Every concept in two styles; a picture's pixels are its number. */
const captions = Array.from({ length: count }, (_, i) => ({
  title: `c${i >> 1}`,
  tags: i % 4 < 2 ? ['tag'] : [],
}));
const pixels = Uint8Array.from({ length: count * side * side * 4 }, (_, i) =>
  i % 4 === 3 ? 255 : Math.floor(i / (side * side * 4)),
);
const split = splitOf(captions);

/** A model that takes pixels as they are and texts by their characters. */
const model = {
  model: { normalization: { mean: [0, 0, 0], std: [1, 1, 1] } },
  tokens: async (texts: readonly string[]) =>
    Int32Array.from({ length: 24 }, (_, i) => texts[0]!.charCodeAt(i) || 0),
} as unknown as zooc.ZooModel;
const inputs = [
  { name: 'images', dtype: 'f32', shape: [8, 3, side, side] },
  { name: 'tokens', dtype: 'i32', shape: [8, 24] },
] as const;

function batches(settings: { readonly seed?: number; readonly shift?: number } = {}): Batches {
  const wanted = { batch: 8, seed: 1, shift: 0, ...settings };
  const runInputs = inputs.map((input) => ({ ...input, shape: [...input.shape] }));
  return new Batches({ side, pixels, captions }, split, model, runInputs, wanted);
}

/** Numbers of the pictures in a batch, and their captions. */
async function pairs(made: Batches, step: number): Promise<{ picture: number; text: string }[]> {
  const { images, tokens } = await made.at(step);
  return Array.from({ length: 8 }, (_, row) => ({
    picture: Math.round(images![row * 3 * side * side]! * 255),
    text: String.fromCharCode(...tokens!.slice(row * 24, (row + 1) * 24)).replaceAll('\0', ''),
  }));
}

describe('the pictures of the page', () => {
  it('hold out one picture of every fifth concept, of each style in turn, whose other one is learnt from', () => {
    expect(split.held).toEqual([0, 11, 20, 31]);
    expect([...split.held, ...split.learnt].sort((a, b) => a - b)).toEqual(captions.map((_, i) => i));
  });

  it('are all seen once an epoch, each with a caption of its own, and none that is held out', async () => {
    const made = batches();
    // 36 pictures: four and a half batches of eight.
    const drawn = (await Promise.all([0, 1, 2, 3, 4, 5, 6, 7, 8].map((step) => pairs(made, step)))).flat();
    const learnt = [...split.learnt].sort((a, b) => a - b);
    for (const epoch of [drawn.slice(0, 36), drawn.slice(36)])
      expect(epoch.map(({ picture }) => picture).sort((a, b) => a - b)).toEqual(learnt);
    for (const { picture, text } of drawn) {
      const { title, tags } = captions[picture]!;
      expect(
        [title, ...tags].some((words) => text.includes(words)),
        text,
      ).toBe(true);
    }
    expect(new Set(drawn.slice(0, 36).map(({ picture }) => picture)).size).toBe(36);
    expect(drawn.slice(0, 36)).not.toEqual(drawn.slice(36));
  });

  it('come in batches that depend on seed and number alone', async () => {
    expect(await batches().at(5)).toEqual(await batches().at(5));
    const made = batches();
    await made.at(0);
    expect(await made.at(5)).toEqual(await batches().at(5));
    expect(await batches({ seed: 2 }).at(5)).not.toEqual(await batches().at(5));
  });
});
