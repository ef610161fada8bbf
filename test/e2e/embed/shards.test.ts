/** `zooc embed --shards`: the same files whatever the parts, whole or not at all. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readNpy } from '../../../runtime/data/files/npy.ts';
import { openParquet, readGroup } from '../../../runtime/data/files/parquet.ts';
import { narrowF16, widenF16 } from '../../../runtime/data/safetensors/half.ts';
import { embedZoo, sample, writeShards } from '../../support/embed/shards.ts';
import { writeTar } from '../../support/files/tar.ts';
import { plainPicture } from '../../support/training/pair-source.ts';
import { Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const [shards, each] = [4, 5];
const options = ['--weights', 'init:0', '--device', 'reference', '--batch', '3', '--dtype', 'f32'];
const args = (pattern: string, out: string, ...more: string[]) => [
  ...['embed', 'm.zoo', ...options, '--shards', pattern, '--out', out, ...more],
];
const embed = (...list: Parameters<typeof args>) => workspace.call(args(...list));
const all = 'shards/{00000..00003}.tar';

const bytesOf = (folder: string) =>
  Object.fromEntries(
    readdirSync(workspace.path(folder))
      .sort()
      .map((name) => [name, readFileSync(workspace.path(`${folder}/${name}`)).toString('base64')]),
  );
const npy = (path: string) => readNpy(workspace.path(path));
async function rowsOf(path: string, columns: readonly string[]) {
  const file = await openParquet(workspace.path(path), columns);
  return file.groups.length === 0 ? [] : readGroup(file, 0, columns);
}

beforeAll(async () => {
  workspace.write('m.zoo', embedZoo);
  mkdirSync(workspace.path('shards'));
  await writeShards((shard) => workspace.path(`shards/0000${shard}.tar`), shards, each);
  expect(await embed(all, 'whole')).toMatchObject({ code: 0, stdout: '' });
});

describe('embedding shards', () => {
  it('writes the features that pictures have alone, beside their keys, captions and fields', async () => {
    workspace.write('a.webp', await plainPicture(13 * 7 + 5, 'webp'));
    await workspace.succeed([
      ...['embed', 'm.zoo', '--weights', 'init:0', '--device', 'reference'],
      ...['--images', 'a.webp', '--out', 'a.npy'],
    ]);
    const { shape, data } = await npy('whole/00001.npy');
    expect(shape).toEqual([5, 8]);
    expect(data.slice(2 * 8, 3 * 8)).toEqual((await npy('a.npy')).data);
    const rows = await rowsOf('whole/00001.parquet', ['key', 'caption', 'url', 'width', 'odd']);
    expect(rows).toHaveLength(5);
    expect(rows[2]).toEqual({ key: '0007', caption: 'number 7', url: 'http://x/0007', width: 7n, odd: true });
  });

  it('gives the same bits in parts, from gzip, and from a command', async () => {
    for (const k of [2, 3, 1]) expect((await embed(all, 'parts', '--part', `${k}/3`)).code).toBe(0);
    expect(bytesOf('parts')).toEqual(bytesOf('whole'));
    workspace.write('00001.tar.gz', gzipSync(readFileSync(workspace.path('shards/00001.tar'))));
    expect((await embed('00001.tar.gz::pipe:cat shards/00002.tar', 'streams')).code).toBe(0);
    for (const name of ['00001.npy', '00002.npy'])
      expect(bytesOf('streams')[name]).toBe(bytesOf('whole')[name]);
    expect(await rowsOf('streams/00002.parquet', ['key', 'caption'])).toEqual(
      await rowsOf('whole/00002.parquet', ['key', 'caption']),
    );
  });

  it('leaves alone what is done, and makes again what is half there', async () => {
    await embed(all, 'again');
    rmSync(workspace.path('again/00001.npy'));
    rmSync(workspace.path('again/00002.parquet'));
    const times = () =>
      readdirSync(workspace.path('again')).map((name) => statSync(workspace.path(`again/${name}`)).mtimeMs);
    const { stdout } = await workspace.succeed(args(all, 'again', '--json'));
    expect(JSON.parse(stdout)).toMatchObject({ written: 2, skipped: 2, pictures: 10, left: {}, failed: [] });
    expect(bytesOf('again')).toEqual(bytesOf('whole'));
    const before = times();
    expect((await embed(all, 'again')).stderr).toContain('4 shards were done');
    expect(times()).toEqual(before);
  });

  it('goes on after it was killed', async () => {
    const seen = () =>
      readdirSync(workspace.folder).includes('killed') && readdirSync(workspace.path('killed'));
    await workspace.interrupt(args(all, 'killed'), 'SIGKILL', () => {
      const names = seen();
      return names !== false && names.some((name) => /\.(npy|parquet)$/.test(name));
    });
    // The file that marks a shard as done comes last.
    const names = seen() as string[];
    for (const name of names.filter((file) => file.endsWith('.npy')))
      expect(names).toContain(name.replace('.npy', '.parquet'));
    expect((await embed(all, 'killed')).code).toBe(0);
    const whole = bytesOf('whole');
    expect(bytesOf('killed')).toMatchObject(whole);
  });

  it('writes halves, by default', async () => {
    const named = ['--weights', 'init:0', '--device', 'reference', '--shards', 'shards/00000.tar'];
    await workspace.succeed(['embed', 'm.zoo', ...named, '--out', 'half']);
    const half = await npy('half/00000.npy');
    const float = (await npy('whole/00000.npy')).data as Float32Array;
    expect(half.descr).toBe('<f2');
    expect(half.data).toEqual(widenF16(narrowF16(float)));
  });

  it('leaves out of both files what cannot be read, and says how much for what', async () => {
    const members = [
      ...(await sample(0)),
      ...([
        ['1.jpg', 'no picture at all'],
        ['1.txt', 'one'],
        ['2.txt', 'two'],
        ['4.json', '{'],
        ['4.png', await plainPicture(40)],
        ['5.png', await plainPicture(50)],
        ['5.txt', Uint8Array.of(0xff, 0xfe, 0xff)],
        ['5.json', '{"caption": "of the field", "url": {"at": 1}}'],
      ] as const),
    ];
    await writeTar(workspace.path('bad.tar'), members);
    const { code, stderr } = await embed('bad.tar', 'bad');
    expect(code).toBe(0);
    expect(stderr).toContain('3 pictures of 1 shards');
    expect(stderr).toMatch(/2 samples are left out: .*1 × unsupported image format/);
    expect(stderr).toContain('1 × no picture');
    expect((await npy('bad/bad.npy')).shape).toEqual([3, 8]);
    expect(await rowsOf('bad/bad.parquet', ['key', 'caption', 'url'])).toEqual([
      { key: '0000', caption: 'number 0', url: 'http://x/0000' },
      { key: '4', caption: null, url: null },
      { key: '5', caption: 'of the field', url: '{"at":1}' },
    ]);
  });

  it('writes nothing of a shard that is damaged, has no picture, or is not there, and all others', async () => {
    await writeShards(() => workspace.path('cut.tar'), 1, 6);
    truncateSync(workspace.path('cut.tar'), 4300);
    await writeTar(workspace.path('texts.tar'), [['1.txt', 'alone']]);
    await writeTar(workspace.path('empty.tar'), []);
    const { code, stderr } = await embed('cut.tar::texts.tar::none.tar::shards/00003.tar::empty.tar', 'some');
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z452]: cut.tar: it is cut off: the member at byte');
    expect(stderr).toContain('texts.tar: none of its 1 pictures can be read: no picture; nothing is written');
    expect(stderr).toContain('none.tar: no such file or folder');
    expect(readdirSync(workspace.path('some')).sort()).toEqual(
      ['00003.npy', '00003.parquet', 'empty.npy', 'empty.parquet', 'index.json'].sort(),
    );
    expect(bytesOf('some')['00003.npy']).toBe(bytesOf('whole')['00003.npy']);
    expect((await npy('some/empty.npy')).shape).toEqual([0, 8]);
  });

  it.each([
    [[all, 'whole', '--weights', 'init:1'], 'Z470', 'holds features of tiny with the weights init:0'],
    [[all, 'whole', '--dtype', 'f16'], 'Z470', 'whole holds features in f32, not in f16'],
    [
      [all, 'whole', '--set', 'vision.act=gelu'],
      'Z470',
      'the weights are the same, but not what is computed',
    ],
    [[all, 'shards'], 'Z452', 'shards holds the shards'],
    [['shards/00000.tar::./shards/00000.tar', 'x'], 'Z452', 'would both be 00000.npy'],
    [['pipe:cat', 'x'], 'Z452', 'pipe:cat has no name'],
    [[all, 'x', '--part', '5/4'], 'Z703', '--part 5/4: expected k/n with k from 1 to n'],
    [[all, 'x', '--texts', 'a'], 'Z703', 'embed --shards does not take --texts'],
    [[all, 'm.zoo/x'], 'Z413', 'cannot write m.zoo/x'],
  ] as const)('refuses %j', async ([pattern, out, ...more], code, message) => {
    const before = bytesOf('whole');
    const result = await embed(pattern, out, ...more);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain(`error[${code}]`);
    expect(result.stderr).toContain(message);
    expect(bytesOf('whole')).toEqual(before);
  });
});
