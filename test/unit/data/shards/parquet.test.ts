/** Parquet files with the pictures in them, as pyarrow writes them. */
import { afterEach, describe, expect, it } from 'vitest';
import { clipNormalization } from '../../../../compiler/model/index.ts';
import type { StaticValueData } from '../../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../../grammar/diagnostics.ts';
import { openBatchSource } from '../../../../runtime/data/sources/open.ts';
import type { Batch, BatchSource } from '../../../../runtime/data/types.ts';
import {
  captionsOf,
  levelsOf,
  openPairs,
  pairInputs,
  takeBatches,
} from '../../../support/training/pair-source.ts';
import { staticCall as call } from '../../../support/training/static-call.ts';

const folder = new URL('../../../fixtures/shards/', import.meta.url).pathname;
const opened: BatchSource[] = [];
const warnings: Diagnostic[] = [];
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close();
  warnings.splice(0);
});

async function open(file: string, named: Record<string, StaticValueData> = {}, batch = 4) {
  const source = await openPairs(call('parquet', [file], named), {
    folder,
    batch,
    warn: (w) => warnings.push(w),
  });
  opened.push(source);
  return source;
}

const numbersOf = (batch: Batch) => levelsOf(batch).map((level) => level / 2 - 1);

describe('parquet', () => {
  it('gives every row with picture and caption once before any again, and goes on exactly', async () => {
    const source = await open('img2dataset.parquet', { shuffle: 3, lanes: 1 });
    expect(source.batchesPerEpoch).toBe(3);
    const batches = await takeBatches(source, 2);
    const cursor = source.cursor();
    batches.push(...(await takeBatches(source, 4)));
    const numbers = batches.flatMap(numbersOf);
    expect(numbers.slice(0, 12).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 4, 6, 7, 8, 9, 10, 11, 12, 13]);
    for (const batch of batches)
      expect((await captionsOf(batch)).map((caption) => Number(caption.replaceAll(/\D/g, '')))).toEqual(
        numbersOf(batch),
      );
    const other = await open('img2dataset.parquet', { shuffle: 3, lanes: 1, workers: 2 });
    other.seek(cursor);
    expect(await takeBatches(other, 4)).toEqual(batches.slice(2));
    await source.close();
    expect(warnings.map((w) => w.message)).toContainEqual(
      expect.stringMatching(
        /samples that were left out: (\d × no jpg, \d × a blank caption|\d × a blank caption, \d × no jpg)/,
      ),
    );
  });

  it('reads structures with bytes, and draws from lists of captions', async () => {
    const source = await open(
      'structures.parquet',
      { image: 'image', text: 'captions', split: '|', shuffle: false },
      6,
    );
    const batches = await takeBatches(source, 20);
    expect(batches.map(numbersOf)).toEqual(batches.map(() => [0, 1, 2, 3, 4, 5]));
    const first = await Promise.all(batches.map(async (batch) => (await captionsOf(batch))[0]));
    expect(new Set(first)).toEqual(new Set(['one 0', 'two 0']));
  });

  it('reads what is compressed with zstd', async () => {
    const [batch] = await takeBatches(await open('zstd.parquet', { shuffle: false }, 6), 1);
    expect(numbersOf(batch!)).toEqual([0, 1, 2, 3, 4, 5]);
    expect((await captionsOf(batch!))[5]).toMatch(/^number 5 of many of many/);
  });

  it('feeds inputs by name', async () => {
    const fields = { images: call('picture', ['image']), label: call('class', ['label']) };
    const label = { name: 'label', dtype: 'i32', sizes: [], ids: { min: 0, max: 2 } } as const;
    const source = await openBatchSource(
      call('parquet', ['structures.parquet'], { shuffle: false, inputs: { fields } }),
      {
        folder,
        batch: 6,
        seed: 1,
        normalization: clipNormalization,
        inputs: [pairInputs[0]!, label],
      },
    );
    opened.push(source);
    expect([...(await source.next()).inputs.get('label')!]).toEqual([0, 1, 2, 0, 1, 2]);
  });

  it.each([
    [
      'a column that is not there',
      'img2dataset.parquet',
      { text: 'captoin' },
      'has no column `captoin`; did you mean `caption`?',
    ],
    ['a compression that is not read', 'lz4.parquet', {}, 'lz4.parquet is compressed with LZ4_RAW'],
    ['no file', 'none.parquet', {}, 'Z415: cannot read'],
    ['another file', 'gnu.tar', {}, 'Z415: cannot read'],
    ['other numbers of weights', 'img2dataset.parquet', { weights: [1, 2] }, 'has 2 values for 1 columns'],
    ['a weight without a mix', 'img2dataset.parquet', { weight: 2 }, '`weight` belongs to a source of a mix'],
  ] as const)('refuses %s', async (_, file, named, message) => {
    await expect(open(file, named as Record<string, StaticValueData>)).rejects.toThrow(message);
  });

  it('refuses a batch above the number of rows', async () => {
    await expect(open('img2dataset.parquet', {}, 15)).rejects.toThrow('Z418');
  });
});
