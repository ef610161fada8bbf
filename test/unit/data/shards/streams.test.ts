/** Shards that stream by: from servers with faults, commands and gzip; which batches they give, and what is said. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { StaticValueData } from '../../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../../grammar/diagnostics.ts';
import type { Batch, BatchSource, DataCursor } from '../../../../runtime/data/types.ts';
import { writeTar } from '../../../support/files/tar.ts';
import {
  levelsOf,
  openPairs,
  plainPicture,
  type SourceOptions,
  takeBatches,
} from '../../../support/training/pair-source.ts';
import { ShardServer } from '../../../support/training/shard-server.ts';
import { staticCall as call } from '../../../support/training/static-call.ts';

const shards = 8;
const perShard = 12;
const all = Array.from({ length: shards * perShard }, (_, i) => i);
const folder = mkdtempSync(join(tmpdir(), 'zooc-streams-'));
const name = (s: number) => `0${s}.tar`;
const tars: Buffer[] = [];
beforeAll(async () => {
  for (let s = 0; s < shards; s++) {
    const members: [string, string | Uint8Array][] = [];
    for (let i = s * perShard; i < (s + 1) * perShard; i++)
      members.push([`${i}.png`, await plainPicture(2 * i + 2)], [`${i}.txt`, `number ${i}`]);
    await writeTar(join(folder, name(s)), members);
    tars.push(readFileSync(join(folder, name(s))));
    writeFileSync(join(folder, `${name(s)}.gz`), gzipSync(tars[s]!));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const server = new ShardServer();
let address: string;
beforeAll(async () => {
  address = await server.start();
});
afterAll(() => server.stop());

const opened: BatchSource[] = [];
const warnings: Diagnostic[] = [];
beforeEach(() => {
  for (let s = 0; s < shards; s++) server.files.set(name(s), tars[s]!);
});
const closeAll = async () => {
  for (const source of opened.splice(0)) await source.close();
};
afterEach(async () => {
  await closeAll();
  warnings.splice(0);
  server.faults.clear();
  server.files.clear();
  server.asked.splice(0);
});

async function open(
  pattern: string,
  named: Record<string, StaticValueData> = {},
  options: Partial<SourceOptions> = {},
) {
  const source = await openPairs(call('webdataset', [pattern], { lanes: 4, ...named }), {
    folder,
    batch: 12,
    warn: (warning) => warnings.push(warning),
    timing: { backOff: 5, silence: 300 },
    ...options,
  });
  opened.push(source);
  return source;
}

const http = () => `${address}/{00..07}.tar`;
const numbersOf = (batch: Batch) => levelsOf(batch).map((level) => level / 2 - 1);
const said = () => warnings.map((w) => `${w.code} ${w.message.replaceAll(address, '')}`);

describe('streamed shards', () => {
  it('give every sample once before any again, in another order each time, the same from all sources', async () => {
    const batches = await takeBatches(await open(http(), { samples: 96 }), 16);
    const epochs = [batches.slice(0, 8), batches.slice(8)].map((list) => list.flatMap(numbersOf));
    for (const epoch of epochs) expect(epoch.toSorted((a, b) => a - b)).toEqual(all);
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(await takeBatches(await open('{00..07}.tar.gz'), 16)).toEqual(batches);
    const command = await open(`pipe:cat '${folder}/0{0..7}.tar'`);
    expect(await takeBatches(command, 16)).toEqual(batches);
    expect(warnings).toEqual([]);
  });

  it('go on exactly from any batch, whatever the blocks and threads', async () => {
    for (const named of [
      { shuffle: 5 },
      { shuffle: 1000, resampled: true },
      { lanes: 3 },
      { lanes: 64, shuffle: 7 },
    ]) {
      const source = await open(http(), named);
      const cursors: DataCursor[] = [];
      const batches: Batch[] = [];
      for (let i = 0; i < 12; i++) {
        cursors.push(source.cursor());
        batches.push(...(await takeBatches(source, 1)));
      }
      expect(batches.every((batch) => new Set(numbersOf(batch)).size === 12)).toBe(true);
      const other = await open(http(), { ...named, workers: 2 });
      for (const at of [9, 4]) {
        other.seek(JSON.parse(JSON.stringify(cursors[at])) as DataCursor);
        expect(await takeBatches(other, 3)).toEqual(batches.slice(at, at + 3));
      }
      await closeAll();
    }
  });

  it('are the same over connections that break, stall and refuse for a time', async () => {
    const expected = await takeBatches(await open('{00..07}.tar.gz'), 8);
    server.faults.set(name(0), { drop: 3000 });
    server.faults.set(name(1), { drop: 700, times: 2, whole: true });
    server.faults.set(name(2), { stall: 5000, times: 2 });
    server.faults.set(name(3), { status: 503, times: 3 });
    const tries = Math.ceil(tars[0]!.length / 3000);
    expect(tries).toBeGreaterThan(4);
    // Dropped at every 3000th byte without an end: progress is too small to count, so that this one is given up.
    const batches = await takeBatches(await open(http()), 8);
    expect(said()).toEqual([
      expect.stringMatching(
        /^Z453 the shard \/00.tar is in error: .*, after 3 more tries \(\d+ samples are used\)$/,
      ),
    ]);
    server.faults.set(name(0), { drop: 3000, times: 3 });
    const better = await takeBatches(await open(http()), 8);
    expect(better).toEqual(expected);
    expect(batches).not.toEqual(expected);
    expect(server.asked.some((line) => line.startsWith('00.tar bytes='))).toBe(true);
  });

  it('are used as far as they are whole, and counted', async () => {
    server.files.set(name(0), tars[0]!.subarray(0, tars[0]!.lastIndexOf('5.txt') + 200));
    server.files.set(name(1), Buffer.from('<!DOCTYPE html>'.padEnd(4000)));
    server.files.delete(name(2));
    server.files.set(name(3), Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0]));
    const source = await open(http(), { shuffle: false });
    const batches = await takeBatches(source, 8);
    const numbers = new Set(batches.flatMap(numbersOf));
    expect([...numbers].filter((n) => n < 12).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
    expect([...numbers].some((n) => n >= 12 && n < 48)).toBe(false);
    await source.close();
    expect(said().toSorted()).toEqual([
      expect.stringMatching(/^Z419 \/{00..07}.tar: samples that were left out: \d × no txt$/),
      'Z453 /{00..07}.tar: 4 shards were in error',
      'Z453 the shard /00.tar is in error: it is cut off: a member is not whole (5 samples are used)',
      'Z453 the shard /01.tar is in error: it is no tar archive, or damaged (0 samples are used)',
      'Z453 the shard /02.tar is in error: the server answers 404 Not Found (0 samples are used)',
      'Z453 the shard /03.tar is in error: it is compressed with xz; gzip is read, and what is not compressed (0 samples are used)',
    ]);
  });

  it('go on where a lane has no shard that can be read, and end in words where none has', async () => {
    server.files.delete(name(6));
    const batches = await takeBatches(await open(http(), { lanes: 8 }), 12);
    expect(new Set(batches.flatMap(numbersOf)).size).toBe(84);
    server.files.clear();
    await expect((await open(http())).next()).rejects.toThrow('Z452');
  });

  it('name the command that fails, and end those that run on', async () => {
    const failing = await open(`pipe:cat '${folder}/0{0..1}.tar'; echo "no   such bucket" >&2; exit 3`, {
      lanes: 1,
    });
    await takeBatches(failing, 3);
    expect(said()[0]).toMatch(
      /^Z453 the shard pipe:cat .* is in error: the command ends with 3: no such bucket \(12 samples are used\)$/,
    );
    const endless = await open(
      `pipe:cat '${folder}/00.tar'; sleep 1000`,
      { lanes: 1, shuffle: 4 },
      { batch: 8 },
    );
    await takeBatches(endless, 1);
    await endless.close();
  });

  it('refuse commands of packages, cursors of other lanes, mixes without a length, and what they cannot keep', async () => {
    await expect(open('pipe:true', {}, { untrusted: true })).rejects.toThrow(
      'a recipe of a package runs no command',
    );
    const source = await open(http());
    await source.next();
    const cursor = source.cursor();
    const other = await open(http(), { lanes: 2 });
    expect(() => other.seek(cursor)).toThrow('Z524: the place in the data is of 4 lanes, now there are 2');
    expect(() => other.seek({ ...cursor, seed: 7 })).toThrow('Z524');
    const mix = call('mix', [call('webdataset', [http()])]);
    await expect(openPairs(mix, { folder })).rejects.toThrow('nothing says how many samples');
    await expect(open(http(), { cache: 100 })).rejects.toThrow('pictures of streamed shards are not kept');
  });

  it('know the length of an epoch from what lies beside them', async () => {
    expect((await open(http())).batchesPerEpoch).toBeUndefined();
    server.files.set(
      'sizes.json',
      Buffer.from(JSON.stringify(Object.fromEntries(tars.map((_, s) => [name(s), 12])))),
    );
    expect((await open(http())).batchesPerEpoch).toBe(8);
    server.files.set('sizes.json', Buffer.from('{"00.tar": 12}'));
    server.files.set('__len__', Buffer.from('60\n'));
    expect((await open(http())).batchesPerEpoch).toBe(5);
    expect((await open(http(), { samples: 36 })).batchesPerEpoch).toBe(3);
    mkdirSync(join(folder, 'stats'));
    for (const s of [0, 1]) {
      writeFileSync(join(folder, 'stats', `0${s}.tar.gz`), gzipSync(tars[s]!));
      writeFileSync(join(folder, 'stats', `0${s}_stats.json`), JSON.stringify({ count: 20, successes: 12 }));
    }
    expect((await open('stats/{00..01}.tar.gz')).batchesPerEpoch).toBe(2);
  });

  it('say after half a minute what they wait for', async () => {
    server.faults.set(name(0), { stall: 100 });
    const notes: string[] = [];
    const timing = { backOff: 5, silence: 60_000 };
    const source = await open(`${address}/00.tar`, {}, { timing, note: (text) => notes.push(text) });
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const next = source.next().catch(() => undefined);
    while (!server.asked.includes('00.tar')) await new Promise((resolve) => setTimeout(resolve, 10));
    vi.advanceTimersByTime(61_000);
    const what = `${address}/00.tar (0 samples so far)`;
    expect(notes).toEqual([`waiting for data for 30 s: ${what}`, `waiting for data for 60 s: ${what}`]);
    await source.close();
    await next;
    vi.advanceTimersByTime(61_000);
    expect(notes.length).toBe(2);
    vi.useRealTimers();
  });
});
