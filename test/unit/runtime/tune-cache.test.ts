import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cacheFolder } from '../../../runtime/node/cache-folder.ts';
import { cachePath, loadTuned, storeTuned, type TuneIdentity } from '../../../runtime/tune/node/cache.ts';
import type { TunedWork } from '../../../runtime/tune/tuner.ts';

const identity: TuneIdentity = { adapter: 'Large GPU (vulkan)', driver: 'driver 1.2.3', dawn: '0.6.2' };

function work(key: string, id: string): TunedWork {
  return {
    family: 'contract',
    key,
    count: 1,
    flops: 1e9,
    bytes: 1e6,
    id,
    seconds: 0.001,
    defaultId: 'd',
    defaultSeconds: 0.002,
    tried: 3,
    wrong: [],
  };
}

let folder: string;
let warnings: string[];
const warn = (text: string) => warnings.push(text);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-cache-'));
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the cache of measured schedules', () => {
  it('lies where the variables say', () => {
    expect(cacheFolder({ ZOOC_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
    expect(cacheFolder({ XDG_CACHE_HOME: '/b' })).toBe('/b/zooc');
    expect(cacheFolder({ XDG_CACHE_HOME: '' })).toBe(join(homedir(), '.cache', 'zooc'));
  });

  it('is empty before anything was measured, without a word', async () => {
    expect(await loadTuned(identity, warn, join(folder, 'absent'))).toEqual({});
    expect(warnings).toEqual([]);
  });

  it('gives back what was stored, under family and shape; later measurements are added or replace', async () => {
    const inner = join(folder, 'made', 'when', 'needed');
    await storeTuned(identity, [work('1x2x3', 'one'), work('4x5x6', 'two')], warn, inner);
    await storeTuned(identity, [work('4x5x6', 'three'), work('7x8x9', 'four')], warn, inner);
    expect(await loadTuned(identity, warn, inner)).toEqual({
      'contract 1x2x3': 'one',
      'contract 4x5x6': 'three',
      'contract 7x8x9': 'four',
    });
    expect(warnings).toEqual([]);
  });

  it('knows another adapter, driver or Dawn not', async () => {
    await storeTuned(identity, [work('1x2x3', 'one')], warn, folder);
    const others = [{ adapter: 'Small GPU' }, { driver: 'driver 1.2.4' }, { dawn: '0.6.3' }];
    const paths = others.map((other) => cachePath({ ...identity, ...other }, folder));
    expect(new Set([...paths, cachePath(identity, folder)]).size).toBe(4);
    for (const other of others) expect(await loadTuned({ ...identity, ...other }, warn, folder)).toEqual({});
    expect(warnings).toEqual([]);
  });

  it.each([
    ['{"version": 1, "ada', /is not valid JSON/],
    ['{"version": 2}', /version/],
    [JSON.stringify({ version: 1, ...identity, schedules: { 'contract 1x2x3': { id: 3 } } }), /schedules/],
    [JSON.stringify({ version: 1, ...identity, driver: 'other', schedules: {} }), /measured on .* other/],
  ])('that is damaged or alien is told once and ignored: %s', async (text, reason) => {
    const path = cachePath(identity, folder);
    writeFileSync(path, text);
    expect(await loadTuned(identity, warn, folder)).toEqual({});
    expect(await loadTuned(identity, warn, folder)).toEqual({});
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(reason);
    expect(warnings[0]).toContain(path);
    expect(readFileSync(path, 'utf8')).toBe(text);
    await storeTuned(identity, [work('1x2x3', 'one')], warn, folder);
    expect(await loadTuned(identity, warn, folder)).toEqual({ 'contract 1x2x3': 'one' });
  });

  it('is replaced whole: readers during many writes see a valid file, and nothing is left beside it', async () => {
    await storeTuned(identity, [work('0', 'x')], warn, folder);
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 20; i++) await storeTuned(identity, [work(String(i), 'x')], warn, folder);
      writing = false;
    })();
    let reads = 0;
    while (writing) {
      expect(Object.keys(await loadTuned(identity, warn, folder)).length).toBeGreaterThan(0);
      reads++;
    }
    await writer;
    expect(reads).toBeGreaterThan(3);
    expect(warnings).toEqual([]);
    expect(Object.keys(await loadTuned(identity, warn, folder))).toHaveLength(20);
    expect(readdirSync(folder)).toEqual([
      expect.stringMatching(/^schedules-large-gpu-vulkan-[0-9a-f]{8}\.json$/),
    ]);
  });

  it('that cannot be written is an error with the reason', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(storeTuned(identity, [work('1', 'x')], warn, join(file, 'inner'))).rejects.toThrow(
      /Z413.*cannot create .*not a folder/s,
    );
  });
});
