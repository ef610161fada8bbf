/** Local shards as a source: which samples they give, in which order, and what is said of those left out. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { clipNormalization } from '../../../../compiler/model/index.ts';
import type { StaticValueData } from '../../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../../grammar/diagnostics.ts';
import { encodeNpy } from '../../../../runtime/data/files/npy.ts';
import { openBatchSource } from '../../../../runtime/data/sources/open.ts';
import { loadIndex, storeIndex } from '../../../../runtime/data/sources/shards/index-cache.ts';
import { expandShards } from '../../../../runtime/data/sources/shards/list.ts';
import { Selection } from '../../../../runtime/data/sources/shards/selection.ts';
import { indexShard } from '../../../../runtime/data/sources/shards/shard-index.ts';
import { ShardRows } from '../../../../runtime/data/sources/shards/shard-rows.ts';
import type { BatchSource } from '../../../../runtime/data/types.ts';
import { writeTar } from '../../../support/files/tar.ts';
import {
  captionsOf,
  levelsOf,
  openPairs,
  plainPicture,
  type SourceOptions,
  takeBatches,
} from '../../../support/training/pair-source.ts';
import { staticCall as call } from '../../../support/training/static-call.ts';

const fixtures = new URL('../../../fixtures/shards/', import.meta.url).pathname;
const root = mkdtempSync(join(tmpdir(), 'zooc-webdataset-'));
afterAll(() => rmSync(root, { recursive: true }));

let folder: string;
let number = 0;
beforeEach(() => {
  folder = join(root, String(number++));
  mkdirSync(folder);
  vi.stubEnv('ZOOC_CACHE', join(folder, 'cache'));
});

const warnings: Diagnostic[] = [];
const opened: BatchSource[] = [];
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close();
  warnings.splice(0);
  vi.unstubAllEnvs();
});

const count = 20;
const level = (i: number) => 10 * i + 5;
const pictureOf = (i: number) => plainPicture(level(i));
const numberOf = (value: number) => Math.round((value - 5) / 10);

type Members = [string, string | Uint8Array][];

/** Samples `first` to `end`, as jpg and txt, in one shard. */
async function shard(name: string, first: number, end: number, more: Members = []): Promise<string> {
  const members: Members = [];
  for (let i = first; i < end; i++)
    members.push([`${i}.jpg`, await pictureOf(i)], [`${i}.txt`, `number ${i}`]);
  await writeTar(join(folder, name), [...members, ...more]);
  return name;
}

async function four(): Promise<string> {
  for (let s = 0; s < 4; s++) await shard(`0${s}.tar`, 5 * s, 5 * s + 5);
  return '{00..03}.tar';
}

async function open(
  shards: StaticValueData,
  named: Record<string, StaticValueData> = {},
  options: Partial<SourceOptions> = {},
) {
  const source = await openPairs(call('webdataset', [shards], named), { folder, ...options });
  opened.push(source);
  return source;
}

const warn = (warning: Diagnostic) => warnings.push(warning);
const said = () => warnings.splice(0).map((w) => `${w.code} ${w.message.replaceAll(`${folder}/`, '')}`);
const indices = () => readdirSync(join(folder, 'cache', 'shards'));

describe('webdataset', () => {
  it('gives pairs of the shards in order, and the bits that csv gives of the same pairs', async () => {
    const shards = await four();
    const plain = await open(shards, { shuffle: false });
    expect(plain.batchesPerEpoch).toBe(5);
    const [first] = await takeBatches(plain, 1);
    expect(levelsOf(first!).map(numberOf)).toEqual([0, 1, 2, 3]);
    expect(await captionsOf(first!)).toEqual(['number 0', 'number 1', 'number 2', 'number 3']);
    const rows: string[] = [];
    for (let i = 0; i < count; i++) {
      writeFileSync(join(folder, `${i}.png`), await pictureOf(i));
      rows.push(`${i}.png\tnumber ${i}`);
    }
    writeFileSync(join(folder, 't.csv'), `filepath\ttitle\n${rows.join('\n')}\n`);
    const options = { augment: [call('shift', [1]), call('color_jitter', [0.3])], templates: ['{}', 'a {}'] };
    const table = await openPairs(call('csv', ['t.csv'], options), { folder, batch: 3 });
    opened.push(table);
    const source = await open(shards, options, { batch: 3 });
    expect(await takeBatches(source, 15)).toEqual(await takeBatches(table, 15));
  });

  it('gives every pair once an epoch in another order, the same from wherever it starts', async () => {
    const shards = await four();
    const source = await open(shards);
    const batches = await takeBatches(source, 15);
    const epochs = [0, 1, 2].map((e) =>
      batches
        .slice(5 * e, 5 * e + 5)
        .flatMap(levelsOf)
        .map(numberOf),
    );
    for (const epoch of epochs)
      expect(epoch.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(new Set(epochs.map(String)).size).toBe(3);
    for (const batch of batches)
      expect((await captionsOf(batch)).map((c) => c.replaceAll(/\D/g, ''))).toEqual(
        levelsOf(batch).map((v) => String(numberOf(v))),
      );
    const other = await open(shards, { workers: 2, cache: 0 });
    for (const at of [12, 0, 7]) {
      other.seek({ epoch: Math.floor(at / 5), batch: at % 5, seed: 1 });
      expect(await takeBatches(other, 3)).toEqual(batches.slice(at, at + 3));
    }
  });

  it('takes the first kind of picture that is there, and captions from fields of json', async () => {
    const both: Members = [
      ['a.png', await pictureOf(1)],
      ['a.jpg', await pictureOf(2)],
      ['a.json', JSON.stringify({ first: '', second: 'two', third: 3 })],
      ['b.webp', await plainPicture(level(3), 'webp')],
      ['b.json', JSON.stringify({ first: 'one', second: ['no text'] })],
    ];
    await writeTar(join(folder, 'a.tar'), both);
    const inOrder = { shuffle: false, json: ['first', 'second'] };
    const [batch] = await takeBatches(await open('a.tar', inOrder, { batch: 2 }), 1);
    expect(levelsOf(batch!).map(numberOf)).toEqual([2, 3]);
    expect(await captionsOf(batch!)).toEqual(['two', 'one']);
    const png = { ...inOrder, image: 'png;webp', json: ['third', 'first'], weights: [1, 0] };
    const [other] = await takeBatches(await open('a.tar', png, { batch: 2 }), 1);
    expect(levelsOf(other!).map(numberOf)).toEqual([1, 3]);
    expect(await captionsOf(other!)).toEqual(['3', 'one']);
  });

  it('draws fields of json by weight, of several captions in a text one', async () => {
    const members: Members = [
      ['a.jpg', await pictureOf(0)],
      ['a.json', JSON.stringify({ x: 'ex', y: 'why' })],
      ['a.txt', 'one\ntwo\n\n'],
    ];
    await writeTar(join(folder, 'a.tar'), members);
    const drawn = async (named: Record<string, StaticValueData>) => {
      const batches = await takeBatches(await open('a.tar', named, { batch: 1 }), 200);
      return (await Promise.all(batches.map(captionsOf))).flat();
    };
    const fields = await drawn({ json: ['x', 'y'], weights: [3, 1] });
    expect(new Set(fields)).toEqual(new Set(['ex', 'why']));
    // Five standard deviations of 200 draws.
    expect(Math.abs(fields.filter((c) => c === 'ex').length / 200 - 0.75)).toBeLessThan(0.16);
    expect(new Set(await drawn({ split: '\n' }))).toEqual(new Set(['one', 'two']));
  });

  it('leaves out samples without picture or caption, counted by reason, and keeps those of a list', async () => {
    await shard('a.tar', 0, 6, [
      ['lone.jpg', await pictureOf(9)],
      ['text.txt', 'no picture'],
      ['blank.jpg', await pictureOf(9)],
      ['blank.txt', ' \n'],
      ['latin.jpg', await pictureOf(9)],
      ['latin.txt', Buffer.from('caf\xe9', 'latin1')],
      ['6.jpg', await pictureOf(6)],
      ['6.txt', 'number 6'],
    ]);
    const all = await open('a.tar', { shuffle: false }, { batch: 7, warn });
    expect(levelsOf((await takeBatches(all, 1))[0]!).map(numberOf)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(said()).toEqual([
      'Z419 a.tar: 4 of 11 samples are left out: 1 × no txt, 1 × no jpg or png or jpeg or webp, 1 × a blank caption, 1 × txt that is no UTF-8',
    ]);
    const leftOut = { missing: 2, blank: 1, encoding: 1 };
    expect((await all.next()).lacked).toEqual({ leftOut, inError: 0 });
    writeFileSync(join(folder, 'list.txt'), '5\r\n0\n\nblank\n3');
    const some = await open('a.tar', { shuffle: false, keep: 'list.txt' }, { batch: 3, warn });
    expect(levelsOf((await takeBatches(some, 1))[0]!).map(numberOf)).toEqual([0, 3, 5]);
    expect(said()).toEqual(['Z419 a.tar: 1 of 4 samples are left out: 1 × a blank caption']);
  });

  it('uses the whole samples of shards in error, which are counted and named', async () => {
    await four();
    const cut = readFileSync(join(folder, '02.tar'));
    truncateSync(join(folder, '02.tar'), cut.lastIndexOf('12.jpg') + 550);
    writeFileSync(join(folder, '01.tar'), '<!DOCTYPE html>'.padEnd(5000));
    const source = await open('{00..04}.tar', {}, { batch: 12, warn });
    expect(source.batchesPerEpoch).toBe(1);
    const next = await source.next();
    expect(next.lacked).toEqual({ leftOut: {}, inError: 3 });
    const numbers = levelsOf(next).map(numberOf);
    expect(numbers.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 10, 11, 15, 16, 17, 18, 19]);
    expect(said()).toEqual([
      expect.stringMatching(
        /^Z453 3 of 5 shards are in error: 01.tar: it is no tar archive: it begins with "<!DOCTYPE html>" \(0 samples are used\); 02.tar: it is cut off: the member at byte \d+ is not whole \(2 samples are used\); 04.tar: no such file or folder \(0 samples are used\)$/,
      ),
    ]);
  });

  it('indexes a shard once, and again when it or what is used of it has changed', async () => {
    await four();
    const first = await takeBatches(await open('{00..03}.tar'), 2);
    const made = indices();
    expect(made.length).toBe(4);
    expect(await takeBatches(await open('{00..03}.tar'), 2)).toEqual(first);
    expect(indices()).toEqual(made);
    await open('{00..03}.tar', { image: 'jpg' });
    expect(indices().length).toBe(8);
    await shard('00.tar', 10, 15);
    const changed = await open('{00..03}.tar', { shuffle: false });
    expect(levelsOf((await takeBatches(changed, 1))[0]!).map(numberOf)).toEqual([10, 11, 12, 13]);
    expect(indices().length).toBe(9);
  });

  it('makes damaged indices again, whatever the damage', async () => {
    await shard('a.tar', 0, 8);
    const { identity } = await open('a.tar');
    const path = join(folder, 'cache', 'shards', indices()[0]!);
    const sound = readFileSync(path);
    expect(await loadIndex(path, 2)).toMatchObject({ index: { count: 8 } });
    expect(await loadIndex(path, 3)).toBeUndefined();
    const damaged = [
      Buffer.alloc(0),
      sound.subarray(0, 40),
      sound.subarray(0, -1),
      Buffer.concat([sound, sound]),
    ];
    for (let at = 0; at < sound.length; at += 3)
      damaged.push(Buffer.concat([sound.subarray(0, at), Buffer.of(sound[at]! ^ 4), sound.subarray(at + 1)]));
    for (const bytes of damaged) {
      writeFileSync(path, bytes);
      expect(await loadIndex(path, 2)).toBeUndefined();
    }
    expect((await open('a.tar')).identity).toEqual(identity);
    expect(readFileSync(path).equals(sound)).toBe(true);
  });

  it('works where nothing can be cached', async () => {
    await shard('a.tar', 0, 8);
    const first = await takeBatches(await open('a.tar'), 2);
    vi.stubEnv('ZOOC_CACHE', '/dev/null/no');
    expect(await takeBatches(await open('a.tar'), 2)).toEqual(first);
  });

  it('puts others in the place of pictures that cannot be read, named by shard and key', async () => {
    await shard('a.tar', 0, 8, [
      ['bad.jpg', 'no picture'],
      ['bad.txt', 'bad'],
    ]);
    const source = await open('a.tar', { shuffle: false }, { batch: 3, warn });
    const batches = await takeBatches(source, 3);
    expect(batches.map((b) => levelsOf(b).map(numberOf))).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 7, 2],
    ]);
    expect(batches.map((b) => b.skipped)).toEqual([0, 0, 1]);
    expect(said()[0]).toContain('Z426 a.tar: bad cannot be read, another row takes its place: ');
  });

  it('says what a run is compared by: the samples, not where they lie', async () => {
    const shards = await four();
    const before = (await open(shards)).identity!;
    mkdirSync(join(folder, 'moved'));
    await shard('moved/all.tar', 0, 20);
    const apart = (await open(['00.tar::01.tar', '02.tar', '03.tar'])).identity!;
    expect(apart).toEqual(before);
    expect(await open(shards, { shuffle: false })).toMatchObject({ identity: { order: 'as in the table' } });
    expect((await open(shards, { augment: 'flip' })).identity!.rows).toBe(before.rows);
    await shard('03.tar', 15, 19, [
      ['19.jpg', await pictureOf(19)],
      ['19.txt', 'another caption'],
    ]);
    expect((await open(shards)).identity!.rows).not.toBe(before.rows);
  });

  it('feeds inputs by name from members', async () => {
    const label = { name: 'label', dtype: 'i32', sizes: [], ids: { min: 0, max: 9 } } as const;
    const dose = { name: 'dose', dtype: 'f32', sizes: [] } as const;
    const mel = { name: 'mel', dtype: 'f32', sizes: [2] } as const;
    const members: Members = [];
    for (let i = 0; i < 4; i++)
      members.push(
        [`${i}.cls`, `${i}\n`],
        [`${i}.json`, JSON.stringify({ dose: i / 4 })],
        [`${i}.mel.npy`, encodeNpy([2], Float32Array.of(i, -i))],
      );
    await writeTar(join(folder, 'a.tar'), [...members, ['4.cls', 'x']]);
    const fields = {
      label: call('class', ['cls']),
      dose: call('number', ['json.dose']),
      mel: call('tensor', ['mel.npy']),
    };
    const data = call('webdataset', ['a.tar'], { shuffle: false, inputs: { fields } });
    const source = await openBatchSource(data, {
      folder,
      batch: 4,
      seed: 1,
      normalization: clipNormalization,
      inputs: [label, dose, mel],
      warn,
    });
    opened.push(source);
    const { inputs } = await source.next();
    expect([...inputs.get('label')!]).toEqual([0, 1, 2, 3]);
    expect([...inputs.get('dose')!]).toEqual([0, 0.25, 0.5, 0.75]);
    expect([...inputs.get('mel')!]).toEqual([0, -0, 1, -1, 2, -2, 3, -3]);
    expect(said()).toEqual(['Z419 a.tar: 1 of 5 samples are left out: 1 × no json']);
  });

  it('takes columns of the parquet beside a shard by key, from memory and from the cache', async () => {
    const members: Members = [];
    for (const i of [1, 2, 3, 4]) members.push([`00000000${i}.jpg`, await pictureOf(i)]);
    await writeTar(join(folder, 'a.tar'), members);
    const beside = { text: 'parquet.caption', shuffle: false };
    await expect(open('a.tar', beside)).rejects.toThrow('a.parquet: no such file');
    copyFileSync(join(fixtures, 'img2dataset.parquet'), join(folder, 'a.parquet'));
    const source = await open('a.tar', beside);
    const [batch] = await takeBatches(source, 1);
    expect(levelsOf(batch!).map(numberOf)).toEqual([1, 2, 3, 4]);
    expect(await captionsOf(batch!)).toEqual(['number 1', 'number 2', 'number 3', 'number 4']);
    const dose = { name: 'dose', dtype: 'f32', sizes: [] } as const;
    const column = call('number', ['parquet.similarity']);
    const data = call('webdataset', ['a.tar'], { shuffle: false, inputs: { fields: { dose: column } } });
    const numbers = await openBatchSource(data, {
      folder,
      batch: 4,
      seed: 1,
      normalization: clipNormalization,
      inputs: [dose],
    });
    opened.push(numbers);
    expect([...(await numbers.next()).inputs.get('dose')!]).toEqual([1 / 8, 2 / 8, 3 / 8, 4 / 8]);
    const selection = new Selection([{ columns: ['parquet.caption'], holds: 'text' }]);
    const path = join(folder, 'cache', 'one.idx');
    const index = await indexShard(join(folder, 'a.tar'), selection);
    const place = (await storeIndex(path, index, 1))!;
    const cached = new ShardRows('a.tar', selection, 0);
    cached.add(join(folder, 'a.tar'), { index, place });
    expect((await cached.row(2)).text('parquet.caption')).toBe('number 3');
    expect((await cached.row(0)).name).toBe(`${join(folder, 'a.tar')}: 000000001`);
  });

  const mistakes: [string, StaticValueData, Record<string, StaticValueData>, string][] = [
    [
      'no such shard',
      'none.tar',
      {},
      'Z452: 1 of 1 shards cannot be read; the first in error is none.tar: no such file',
    ],
    ['a folder', '.', {}, 'it is not a file'],
    [
      'too many shards',
      '{0..9}{0..999999}.tar',
      {},
      'Z452: the pattern `{0..9}{0..999999}.tar` names more than 1000000',
    ],
    ['a shard twice', 'a.tar::a.tar', {}, 'stands twice in the list'],
    ['an empty pattern', 'a.tar::', {}, 'a pattern of shards is empty'],
    ['too few samples', 'a.tar', {}, 'Z418: a.tar has 2 samples, fewer than one batch of 4'],
    ['weights without fields', 'a.tar', { weights: [1] }, '`weights` of webdataset goes with `json`'],
    ['text and fields', 'a.tar', { text: 'txt', json: ['a'] }, 'takes `text` or `json`, not both'],
    ['other numbers of weights', 'a.tar', { json: ['a'], weights: [1, 2] }, 'has 2 values for 1 columns'],
    ['a list that is not there', 'a.tar', { keep: 'none.txt' }, 'Z412: cannot read'],
    ['an unknown option', 'a.tar', { imgae: 'jpg' }, 'has no option `imgae`; did you mean `image`?'],
  ];
  it.each(mistakes)('refuses %s', async (_, shards, named, message) => {
    await shard('a.tar', 0, 2);
    await expect(open(shards, named)).rejects.toThrow(
      expect.objectContaining({
        message: expect.stringContaining(message.replace('none.tar', join(folder, 'none.tar'))),
      }),
    );
  });

  it('expands ranges beyond what the library stops at in silence', () => {
    const source = call('webdataset', []);
    const found = expandShards(source, [
      `${'long-name-of-a-folder/'.repeat(3)}{000000..150000}.tar`,
      'a{3..1}',
      '{b,c}',
    ]);
    expect(found.length).toBe(150_001 + 3 + 2);
    expect(found.slice(-6)).toEqual([expect.stringMatching(/150000.tar$/), 'a3', 'a2', 'a1', 'b', 'c']);
  });
});
