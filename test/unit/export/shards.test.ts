/** Shards written from a table: whole, the same bytes each time, read back by GNU tar and by webdataset(...). */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import { type ShardsRequest, writeShards } from '../../../zoo/export/shards.ts';
import { openPairs, plainPicture, takeBatches } from '../../support/training/pair-source.ts';
import { staticCall as call } from '../../support/training/static-call.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-shards-'));
const table = join(folder, 't.csv');
beforeAll(async () => {
  vi.stubEnv('ZOOC_CACHE', join(folder, 'cache'));
  const rows: string[] = [];
  for (let i = 0; i < 9; i++) {
    const format = (['png', 'jpeg', 'webp'] as const)[i % 3]!;
    // The name says another format than the content has.
    writeFileSync(join(folder, `${i}.picture`), await plainPicture(20 * i + 10, format));
    rows.push(`${i}.picture\tnumber ${i}\tone|more ${i}`);
  }
  rows.splice(4, 0, 'gone.png\tgone\t', '0.picture\t \t');
  writeFileSync(table, `filepath\ttitle\ttags\n${rows.join('\n')}\n`);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const warnings: Diagnostic[] = [];
const write = (name: string, more: Partial<ShardsRequest> = {}) =>
  writeShards({
    table,
    out: join(folder, name),
    image: 'filepath',
    text: 'title',
    fields: [],
    perShard: 4,
    warn: (w) => warnings.push(w),
    ...more,
  });

describe('shards of a table', () => {
  it('are those that tar lists, with pictures as they were, and sizes', async () => {
    expect(await write('a')).toEqual({ shards: 3, samples: 9, left: 2 });
    const found = readdirSync(join(folder, 'a')).sort();
    expect(found).toEqual(['00000.tar', '00001.tar', '00002.tar', 'sizes.json']);
    const sizes = JSON.parse(readFileSync(join(folder, 'a/sizes.json'), 'utf8'));
    expect(sizes).toEqual({ '00000.tar': 4, '00001.tar': 4, '00002.tar': 1 });
    const listed = execFileSync('tar', ['-tf', join(folder, 'a/00001.tar')], { encoding: 'utf8' });
    const members = ['0.jpg', '0.txt', '1.webp', '1.txt', '2.png', '2.txt', '3.jpg', '3.txt'];
    expect(listed.trim().split('\n')).toEqual(members.map((m) => `00001000${m}`));
    const extracted = execFileSync('tar', ['-xOf', join(folder, 'a/00001.tar'), '000010001.webp']);
    expect(extracted.equals(readFileSync(join(folder, '5.picture')))).toBe(true);
    expect(warnings.splice(0).map((w) => `${w.code} ${w.message.replaceAll(`${folder}/`, '')}`)).toEqual([
      'Z426 gone.png cannot be read and is left out: no such file or folder',
      'Z419 t.csv: 1 of 11 rows have no caption and are left out',
      'Z426 t.csv: 1 of 11 rows have pictures that cannot be read',
    ]);
  });

  it('have the same bytes each time', async () => {
    await write('again');
    for (const name of readdirSync(join(folder, 'a')))
      expect(readFileSync(join(folder, 'again', name)).equals(readFileSync(join(folder, 'a', name)))).toBe(
        true,
      );
  });

  it('give the batches of the table', async () => {
    await write('fields', { fields: ['title', 'tags'] });
    const good = join(folder, 'good.csv');
    writeFileSync(good, readFileSync(table, 'utf8').replace(/(gone.png|0.picture\t \t).*\n/g, ''));
    const draws = { augment: call('shift', [1]), split: '|' };
    const weights = [0.5, 0.5];
    const csv = call('csv', [good], { ...draws, captions: ['title', 'tags'], caption_weights: weights });
    const tar = call('webdataset', ['fields/{00000..00002}.tar'], {
      ...draws,
      json: ['title', 'tags'],
      weights,
    });
    const [a, b] = [await openPairs(csv, { folder }), await openPairs(tar, { folder })];
    expect(await takeBatches(b, 8)).toEqual(await takeBatches(a, 8));
    await a.close();
    await b.close();
  });

  it('are not written where something is, or nothing can be', async () => {
    await expect(write('a')).rejects.toThrow('Z431');
    await expect(write('none', { image: 'picture' })).rejects.toThrow('Z415');
    writeFileSync(join(folder, 'empty.csv'), 'filepath\ttitle\nx.png\ta\n');
    await expect(write('none', { table: join(folder, 'empty.csv') })).rejects.toThrow('Z418');
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });
});
