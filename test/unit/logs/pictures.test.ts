/** The pictures that a run shows: which are taken, what is kept of them, and that a resume goes on with them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clipNormalization } from '../../../compiler/model/index.ts';
import { denormalized, makeNormalizer } from '../../../runtime/data/pictures/images.ts';
import type { Batch } from '../../../runtime/data/types.ts';
import { mostPictures, PictureBoard, type PictureJudge } from '../../../runtime/train/node/pictures/board.ts';
import { readPictures } from '../../../runtime/train/node/pictures/file.ts';
import { settings } from '../../support/training/fake-training.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-pictures-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const normalizeInto = makeNormalizer(clipNormalization);
const bytesOf = (values: Float32Array) => denormalized(values, clipNormalization);
const side = 2;
const context = 3;

/** Picture i is all `10 i`; its text is `texts[i]`. */
function batchOf(texts: readonly number[]): Batch {
  const images = new Float32Array(texts.length * 3 * side * side);
  const tokens = new Int32Array(texts.length * context);
  for (const [i, text] of texts.entries()) {
    normalizeInto(images, i * 3 * side * side, new Uint8Array(3 * side * side).fill(10 * i));
    tokens.set([9, text, 10], i * context);
  }
  const inputs = new Map<string, Float32Array | Int32Array>([
    ['images', images],
    ['tokens', tokens],
  ]);
  return { inputs, skipped: 0 };
}

/** Finds the caption best that stands behind a picture's own. */
function judge(asked: unknown[][] = []): PictureJudge {
  return {
    ...{ images: 'images', tokens: 'tokens', side, context, bytesOf },
    textOf: async (tokens) => `text ${tokens[1]}`,
    async judge(path, pictures, tokens) {
      asked.push([path, pictures.map((bytes) => bytes[0]), tokens.map((row) => row[1])]);
      const n = pictures.length;
      return Float32Array.from({ length: n * n }, (_, i) =>
        i % n === (Math.floor(i / n) + 1) % n ? 0.5 : 0.5 / (n - 1),
      );
    },
  };
}

const open = (by: PictureJudge, start = 0) =>
  PictureBoard.showing(by).open({
    ...{ out: folder, start, end: 9, compared: {}, updates: settings },
    schedule: { kind: 'constant', lr: 1, warmup: 0, total: 9 },
  });

describe('pictures of a run', () => {
  it('are those of the first batch whose texts differ, as they were fed', async () => {
    const asked: unknown[][] = [];
    const board = await open(judge(asked));
    board.fed!(0, batchOf([5, 6, 5, 7]));
    board.fed!(1, batchOf([1, 2, 3, 4]));
    await board.saved!(2, 'a checkpoint');
    expect(asked).toEqual([['a checkpoint', [0, 10, 30], [5, 6, 7]]]);
    const { pictures, rankings } = (await readPictures(folder))!;
    expect(pictures.map((p) => p.caption)).toEqual(['text 5', 'text 6', 'text 7']);
    expect(rankings.map((r) => [r.step, r.best.map((b) => b[0])])).toEqual([
      [2, [1, 2, 0].map((caption) => ({ caption, probability: 0.5 }))],
    ]);
  });

  it('are no more than fit a page', async () => {
    const asked: unknown[][] = [];
    const board = await open(judge(asked));
    board.fed!(0, batchOf(Array.from({ length: 3 * mostPictures }, (_, i) => i)));
    await board.saved!(2, '');
    expect(asked[0]![1]).toHaveLength(mostPictures);
  });

  it('are the same over a resume, without the rankings of steps that a kill took back', async () => {
    const first = await open(judge());
    first.fed!(0, batchOf([5, 6]));
    for (const step of [2, 4, 6]) await first.saved!(step, '');
    const asked: unknown[][] = [];
    const second = await open(judge(asked), 4);
    second.fed!(4, batchOf([7, 8, 9]));
    await second.saved!(8, 'later');
    expect(asked).toEqual([['later', [0, 10], [5, 6]]]);
    expect((await readPictures(folder))!.rankings.map((r) => r.step)).toEqual([2, 4, 8]);
  });

  it('are left out for inputs of other names, and where one caption is all there is', async () => {
    const other = await open({ ...judge(), images: 'photo' });
    other.fed!(0, batchOf([5, 6]));
    await other.saved!(2, '');
    const sole = await open(judge());
    sole.fed!(0, batchOf([5, 5]));
    await sole.saved!(2, '');
    expect(await readPictures(folder)).toBeUndefined();
  });

  it('are taken anew where pictures.json cannot be read', async () => {
    const board = await open(judge());
    board.fed!(0, batchOf([5, 6]));
    await board.saved!(2, '');
    writeFileSync(join(folder, 'pictures.json'), readFileSync(join(folder, 'pictures.json')).subarray(0, 50));
    const next = await open(judge(), 2);
    next.fed!(2, batchOf([1, 2]));
    await next.saved!(4, '');
    expect((await readPictures(folder))!.pictures.map((p) => p.caption)).toEqual(['text 1', 'text 2']);
  });

  it.each([clipNormalization, { mean: [0.5, 0.4, 0.3], std: [0.5, 0.6, 1] }] as const)(
    'keep the bytes that they were normalised from by %j',
    (normalization) => {
      const bytes = Uint8Array.from({ length: 3 * 256 }, (_, i) => Math.floor(i / 3));
      const values = new Float32Array(bytes.length);
      makeNormalizer(normalization)(values, 0, bytes);
      expect(denormalized(values, normalization)).toEqual(bytes);
    },
  );
});
