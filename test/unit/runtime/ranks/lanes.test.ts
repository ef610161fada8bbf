/**
 * Ranks that read shards as they stream by, and parquet files: together they are the batch of one, each reads its own
 * lanes and decodes its own rows, and a run goes on with another number of ranks.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { StaticCall, StaticValueData } from '../../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../../grammar/diagnostics.ts';
import { DecodePool } from '../../../../runtime/data/pictures/decode.ts';
import { placesBefore, turnsOf } from '../../../../runtime/data/sources/streams/turns.ts';
import type { BatchSource, DataCursor } from '../../../../runtime/data/types.ts';
import { loopback } from '../../../../runtime/dist/loopback.ts';
import { jointCursor } from '../../../../runtime/dist/share.ts';
import { sumOfDrops } from '../../../../runtime/drops.ts';
import { writeTar } from '../../../support/files/tar.ts';
import { captionsOf, levelsOf, openPairs, plainPicture } from '../../../support/training/pair-source.ts';
import { ShardServer } from '../../../support/training/shard-server.ts';
import { staticCall as call } from '../../../support/training/static-call.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-lanes-'));
const server = new ShardServer();
let address: string;
const warnings: Diagnostic[] = [];
const opened: BatchSource[] = [];

/** Samples of each shard of `odd`; the sixth is no archive. */
const lengths = [12, 12, 12, 2, 12, 0, 9, 12];

/** @param damaged which samples have a picture that cannot be decoded */
async function shard(name: string, first: number, count: number, damaged: (i: number) => boolean) {
  const members: [string, string | Uint8Array][] = [];
  for (let i = first; i < first + count; i++)
    members.push(
      [`${i}.png`, damaged(i) ? 'no picture' : await plainPicture(2 * i + 2)],
      [`${i}.txt`, `number ${i}`],
    );
  const path = join(folder, `${name}.tar`);
  await writeTar(path, members);
  const tar = readFileSync(path);
  server.files.set(`${name}.tar`, tar);
  writeFileSync(`${path}.gz`, gzipSync(tar));
}

beforeAll(async () => {
  address = await server.start();
  let first = 0;
  for (const [s, count] of lengths.entries()) {
    await shard(`odd${s}`, first, count, (i) => i % 9 === 4);
    await shard(`even${s}`, 12 * s, 12, () => false);
    first += count;
  }
  writeFileSync(join(folder, 'odd5.tar.gz'), gzipSync('<!DOCTYPE html>'.padEnd(4000)));
  const fixtures = new URL('../../../fixtures/shards/', import.meta.url).pathname;
  copyFileSync(join(fixtures, 'groups.parquet'), join(folder, 'groups.parquet'));
  const rows = Array.from({ length: 40 }, (_, i) => `${i}.png\tnumber ${i}`);
  writeFileSync(join(folder, 'table.csv'), `filepath\ttitle\n${rows.join('\n')}\n`);
  for (let i = 0; i < 40; i++)
    if (i % 7 > 0) writeFileSync(join(folder, `${i}.png`), await plainPicture(2 * i + 2));
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  server.asked.splice(0);
  warnings.splice(0);
});
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close();
  vi.restoreAllMocks();
});

async function openRanks(source: StaticCall, size: number, batch: number): Promise<BatchSource[]> {
  const ranks = await Promise.all(
    Array.from({ length: size }, (_, rank) =>
      openPairs(source, {
        folder,
        batch,
        warn: (warning) => warnings.push(warning),
        timing: { backOff: 5, silence: 300 },
        ...(size === 1 ? {} : { share: { rank, size } }),
      }),
    ),
  );
  opened.push(...ranks);
  return ranks;
}

/** Batches of all ranks, joined. */
async function take(ranks: readonly BatchSource[], batches: number) {
  const seen = [];
  for (let i = 0; i < batches; i++) {
    const parts = await Promise.all(ranks.map((rank) => rank.next()));
    seen.push({
      levels: parts.flatMap(levelsOf),
      captions: (await Promise.all(parts.map(captionsOf))).flat(),
      skipped: sumOfDrops(parts.map(({ skippedBy = {} }) => skippedBy)),
    });
  }
  return seen;
}

async function cursorOf(ranks: readonly BatchSource[]): Promise<DataCursor> {
  const groups = loopback(ranks.length);
  const cursors = await Promise.all(ranks.map((source, rank) => jointCursor(source, groups[rank]!)));
  for (const cursor of cursors) expect(cursor).toEqual(cursors[0]);
  return cursors[0]!;
}

const webdataset = (pattern: string, named: Record<string, StaticValueData>) =>
  call('webdataset', [pattern], { shuffle: 5, ...named });
const parquet = (named: Record<string, StaticValueData>) =>
  call('parquet', ['groups.parquet'], { shuffle: 4, ...named });
const odd = 'odd{0..7}.tar.gz';
const local = 'even{0..7}.tar.gz';

const cases: readonly (readonly [string, StaticCall, number])[] = [
  ['streams, of which one is tiny and one is no archive', webdataset(odd, { lanes: 8 }), 24],
  ['streams whose lanes take turns', webdataset(odd, { lanes: 8 }), 12],
  ['streams of more lanes than places', webdataset(local, { lanes: 8 }), 4],
  ['streams of lanes that no number of ranks divides', webdataset(odd, { lanes: 3 }), 8],
  ['streams drawn with replacement', webdataset(local, { lanes: 4, resampled: true }), 8],
  ['row groups', parquet({ lanes: 4 }), 8],
  ['row groups in one lane', parquet({ lanes: 1 }), 12],
  [
    'a mix of streams, row groups and a table',
    call('mix', [
      webdataset(odd, { lanes: 4, samples: 71, weight: 0.5 }),
      parquet({ lanes: 3, weight: 2 }),
      call('csv', ['table.csv']),
    ]),
    12,
  ],
];

describe('lanes of ranks', () => {
  it.each(cases)(
    'with %s give the batches of one, and go on with any number of ranks',
    async (_, source, batch) => {
      const one = await openRanks(source, 1, batch);
      const before = await take(one, 5);
      const cursor = await cursorOf(one);
      const behind = await take(one, 4);
      const all = [...before, ...behind];
      for (const { levels, captions } of all)
        expect(captions.map((caption) => 2 * Number(caption.replaceAll(/\D/g, '')) + 2)).toEqual(levels);
      for (const size of [2, 4]) {
        const ranks = await openRanks(source, size, batch);
        expect(ranks.every(({ shared }) => shared)).toBe(true);
        expect(await take(ranks, 5)).toEqual(before);
        expect(await cursorOf(ranks)).toEqual(cursor);
        expect(await take(ranks, 4)).toEqual(behind);
        const other = await openRanks(source, size, batch);
        for (const rank of other) rank.seek(JSON.parse(JSON.stringify(cursor)) as DataCursor);
        expect(await take(other, 4)).toEqual(behind);
      }
    },
  );

  it('read their own lanes and decode their own rows', async () => {
    const decoded = vi.spyOn(DecodePool.prototype, 'decode');
    const batches = 6;
    for (const size of [2, 4])
      for (const rank of Array(size).keys()) {
        const source = await openPairs(webdataset(`${address}/even{0..7}.tar`, { lanes: 8 }), {
          folder,
          batch: 16,
          share: { rank, size },
        });
        server.asked.splice(0);
        decoded.mockClear();
        await take([source], batches);
        await source.close();
        expect(new Set(server.asked.map((line) => line.split(' ')[0])).size).toBe(8 / size);
        // Two batches are made ahead.
        expect(decoded.mock.calls.length).toBeLessThanOrEqual(((batches + 2) * 16) / size);
      }
  });

  it('decode their own rows of a row group that all read', async () => {
    const decoded = vi.spyOn(DecodePool.prototype, 'decode');
    const source = await openPairs(parquet({ lanes: 1, shuffle: 48 }), {
      folder,
      batch: 12,
      share: { rank: 1, size: 4 },
    });
    await take([source], 4);
    await source.close();
    const skipped = 4;
    expect(decoded.mock.calls.length).toBeLessThanOrEqual((4 + 2) * 3 + skipped * 2);
  });

  it('keep pictures of parquet files that were decoded', async () => {
    const decoded = vi.spyOn(DecodePool.prototype, 'decode');
    const [source] = await openRanks(parquet({ lanes: 2 }), 1, 12);
    await take([source!], 12);
    expect(decoded.mock.calls.length).toBeLessThanOrEqual(48 + 12);
    expect(decoded.mock.calls.length).toBeGreaterThan(40);
  });

  it('all have turns, each part of them as often in every batch', () => {
    for (const lanes of [1, 6, 8, 12, 61, 64]) {
      const turns = turnsOf(lanes);
      expect(turns.toSorted((a, b) => a - b)).toEqual(Array.from(turns.keys()));
      const half = lanes / 2;
      for (const [start, places] of [
        [0, 4],
        [5, 10],
        [1000, 98],
      ] as const) {
        const before = placesBefore(turns, start, places);
        expect(before.at(-1)).toBe(places);
        if (Number.isInteger(half)) expect(before[half]).toBe(places / 2);
      }
    }
  });

  it('name a damaged shard once', async () => {
    const ranks = await openRanks(webdataset(odd, { lanes: 3 }), 4, 8);
    await take(ranks, 4);
    for (const rank of opened.splice(0)) await rank.close();
    const named = warnings.filter(({ code, message }) => code === 'Z453' && message.includes('odd5'));
    expect(named.map(({ message }) => message)).toEqual([expect.stringContaining('odd5.tar.gz is in error')]);
  });
});
