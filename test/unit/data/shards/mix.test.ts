/** Several sources at once, folders of classes, and samples drawn with replacement. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { StaticCall, StaticValueData } from '../../../../compiler/model/types.ts';
import type { Batch, BatchSource } from '../../../../runtime/data/types.ts';
import {
  captionsOf,
  levelsOf,
  openPairs,
  plainPicture,
  takeBatches,
} from '../../../support/training/pair-source.ts';
import { staticCall as call } from '../../../support/training/static-call.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-mix-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Pictures of the levels from `first` on. */
async function table(name: string, first: number, count: number): Promise<void> {
  const rows: string[] = [];
  for (let i = first; i < first + count; i++) {
    writeFileSync(join(folder, `${i}.png`), await plainPicture(i));
    rows.push(`${i}.png\tnumber ${i}`);
  }
  writeFileSync(join(folder, name), `filepath\ttitle\n${rows.join('\n')}\n`);
}

beforeAll(async () => {
  await table('large.csv', 0, 60);
  await table('small.csv', 100, 10);
  for (const name of ['a_cat', 'dog']) {
    mkdirSync(join(folder, 'classes', name, 'deep'), { recursive: true });
    const level = name === 'dog' ? 200 : 220;
    writeFileSync(join(folder, 'classes', name, 'deep', 'x.PNG'), await plainPicture(level));
    writeFileSync(join(folder, 'classes', name, 'a.png'), await plainPicture(level + 1));
    writeFileSync(join(folder, 'classes', name, 'notes.txt'), 'no picture');
  }
});

const opened: BatchSource[] = [];
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close();
});
const open = async (source: StaticCall, batch = 10) => {
  const result = await openPairs(source, { folder, batch });
  opened.push(result);
  return result;
};
const csv = (name: string, weight?: number, more: Record<string, StaticValueData> = {}) =>
  call('csv', [name], { ...(weight === undefined ? {} : { weight }), ...more });
const mix = (...parts: StaticCall[]) => call('mix', parts);
const isSmall = (level: number) => level >= 100;
const unique = (batch: Batch) => new Set(levelsOf(batch)).size;

describe('a mix', () => {
  it('has each sample as often in an epoch as its weight says, spread evenly', async () => {
    const source = await open(mix(csv('large.csv'), csv('small.csv', 3)));
    expect(source.batchesPerEpoch).toBe(9);
    const batches = await takeBatches(source, 18);
    for (const epoch of [batches.slice(0, 9), batches.slice(9)]) {
      const counts = new Map<number, number>();
      for (const level of epoch.flatMap(levelsOf)) counts.set(level, (counts.get(level) ?? 0) + 1);
      expect(counts.size).toBe(70);
      for (const [level, count] of counts) {
        // Of three passes over ten samples the borders lie within batches, where a repeated sample is passed over.
        if (isSmall(level)) expect(Math.abs(count - 3)).toBeLessThanOrEqual(1);
        else expect(count).toBe(1);
      }
    }
    for (const batch of batches) {
      expect([3, 4]).toContain(levelsOf(batch).filter(isSmall).length);
      expect(unique(batch)).toBe(10);
    }
  });

  it('takes fractions of a source in turn', async () => {
    const source = await open(mix(csv('large.csv', 0.5), csv('small.csv', 1)));
    expect(source.batchesPerEpoch).toBe(4);
    const batches = await takeBatches(source, 8);
    const large = batches.flatMap(levelsOf).filter((level) => !isSmall(level));
    expect(new Set(large).size).toBe(60);
  });

  it('gives the same batches from wherever it starts', async () => {
    const source = await open(
      mix(csv('large.csv', 1, { augment: call('shift', [1]) }), csv('small.csv', 2.5)),
    );
    const batches = await takeBatches(source, 16);
    for (const at of [11, 3]) {
      source.seek({ epoch: Math.floor(at / 8), batch: at % 8, seed: 1 });
      expect(await takeBatches(source, 3)).toEqual(batches.slice(at, at + 3));
    }
    expect(source.identity!.order).toBe('shuffled (Feistel) + shuffled (Feistel), mixed as 60 + 25');
  });

  it('is refused where a batch would need a sample twice, or a weight has no mix', async () => {
    await expect(open(mix(csv('large.csv'), csv('small.csv', 20)), 20)).rejects.toThrow(
      'Z418: small.csv has 10 samples, fewer than the 17 that a batch of 20 takes from it'.replace(
        'small',
        join(folder, 'small'),
      ),
    );
    await expect(open(csv('small.csv', 2))).rejects.toThrow('Z522: `weight` belongs to a source of a mix');
  });
});

describe('samples drawn with replacement', () => {
  it('are seen at random, never twice in a batch, the same from wherever it starts', async () => {
    const source = await open(csv('small.csv', undefined, { resampled: true }), 5);
    const batches = await takeBatches(source, 200);
    expect(batches.every((batch) => unique(batch) === 5)).toBe(true);
    const counts = new Map<number, number>();
    for (const level of batches.flatMap(levelsOf)) counts.set(level, (counts.get(level) ?? 0) + 1);
    // Of 1000 draws; five standard deviations.
    for (const count of counts.values()) expect(Math.abs(count - 100)).toBeLessThan(50);
    const epochs = Array.from(
      { length: 100 },
      (_, e) => new Set(batches.slice(2 * e, 2 * e + 2).flatMap(levelsOf)).size,
    );
    expect(Math.min(...epochs)).toBeLessThan(10);
    source.seek({ epoch: 3, batch: 1, seed: 1 });
    expect(await takeBatches(source, 2)).toEqual(batches.slice(7, 9));
  });
});

describe('a folder of classes', () => {
  it('gives pictures with the names of their folders in a template', async () => {
    const named = { template: 'a photo of a {}.', shuffle: false };
    const [batch] = await takeBatches(await open(call('image_folder', ['classes'], named), 4), 1);
    expect(levelsOf(batch!)).toEqual([221, 220, 201, 200]);
    const [cat, dog] = ['a photo of a a cat .', 'a photo of a dog .'];
    expect(await captionsOf(batch!)).toEqual([cat, cat, dog, dog]);
    const other = call('image_folder', ['classes'], { ...named, names: ['lynx', 'wolf'] });
    expect(await captionsOf((await takeBatches(await open(other, 4), 1))[0]!)).toContain(
      'a photo of a lynx .',
    );
  });

  it('is refused without folders, or with other numbers of names', async () => {
    await expect(open(call('image_folder', ['classes/dog/deep']))).rejects.toThrow('Z415');
    await expect(open(call('image_folder', ['none']))).rejects.toThrow('Z415: cannot read');
    await expect(open(call('image_folder', ['classes'], { names: ['a', 'b', 'c'] }))).rejects.toThrow(
      '`names` has 3 names',
    );
  });
});
