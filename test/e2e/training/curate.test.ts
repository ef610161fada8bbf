/** `zooc curate`: the keys that it keeps are those that `webdataset(keep = …)` trains on, however many machines counted. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTar } from '../../support/files/tar.ts';
import { plainPicture } from '../../support/training/pair-source.ts';
import { Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const model = `import clip { CLIP, VisionTransformer, TextTransformer }
import losses { contrastive }
model "tiny" = CLIP(
  vision = VisionTransformer(resolution = 4, patch = 2, width = 16, heads = 1, layers = 1, embed = 8),
  text = TextTransformer(context = 8, vocab = 600, width = 16, heads = 1, layers = 1, embed = 8)
)
`;
const recipe = (name: string, data: string) => `train "${name}" of "tiny" {
  data = webdataset(${data})
  batch = 5
  optimizer = adamw(lr = 1e-2)
  steps = 3
}
`;

const shards = 5;
const perShard = 12;
const caption = (i: number) =>
  i % 10 === 9 ? `a bird, number ${i}` : i % 4 === 3 ? 'this is' : `a dog ${i}`;
const keyOf = (i: number) => `s/${String(i).padStart(4, '0')}`;
const numbers = Array.from({ length: shards * perShard }, (_, i) => i);

async function tarOf(name: string, of: readonly number[]): Promise<void> {
  const members: [string, string | Uint8Array][] = [];
  for (const i of of)
    members.push(
      [`${keyOf(i)}.png`, await plainPicture(4 * i)],
      [`${keyOf(i)}.txt`, caption(i)],
      [`${keyOf(i)}.json`, JSON.stringify({ alt: `a cat ${i}` })],
    );
  await writeTar(workspace.path(name), members);
}

beforeAll(async () => {
  for (let s = 0; s < shards; s++) await tarOf(`${s}.tar`, numbers.slice(s * perShard, (s + 1) * perShard));
  workspace.write('queries.txt', 'dog\nbird , number\nelephant\n');
  workspace.write('others.txt', 'dog\nbird\n');
});

const all = '{0..4}.tar';
const options = ['--queries', 'queries.txt', '--per-query', '10'];
const linesOf = (name: string) => readFileSync(workspace.path(name), 'utf8').split('\n').slice(0, -1);
const curate = (...args: string[]) => workspace.call(['curate', ...args]);

async function succeed(...args: string[]) {
  const { code, stdout, stderr } = await curate(...args);
  expect(code, stderr).toBe(0);
  return { stdout, stderr };
}

async function refused(args: string[], message: string) {
  const { code, stdout, stderr } = await curate(...args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain(message);
}

describe('curate', () => {
  it('keeps keys in order: rare queries whole, frequent ones in part, and nothing without a query', async () => {
    const { stdout, stderr } = await succeed(all, ...options, '--out', 'keep.txt', '--plot', 'plot.svg');
    expect(stdout).toBe('keep.txt\n');
    const kept = linesOf('keep.txt');
    const keys = new Map(numbers.map((i) => [keyOf(i), caption(i)]));
    expect(kept).toEqual([...keys.keys()].filter((key) => kept.includes(key)));
    const captions = kept.map((key) => keys.get(key)!);
    expect(captions.filter((text) => text.includes('bird'))).toHaveLength(6);
    const dogs = captions.length - 6;
    expect(captions.filter((text) => text.includes('dog'))).toHaveLength(dogs);
    // Ten of 42 are expected; the seed is fixed.
    expect(dogs).toBeGreaterThan(3);
    expect(dogs).toBeLessThan(20);
    expect(stderr).toMatch(/^pairs +60 +\d+ +\d+\.\d %, 16 expected$/m);
    expect(stderr).toMatch(/^queries hit +2 +of 3, 1 of them above$/m);
    expect(readFileSync(workspace.path('plot.svg'), 'utf8')).toMatch(
      /^<svg [\s\S]*2 queries hit[\s\S]*<\/svg>\n$/,
    );
    const again = await succeed(all, ...options, '--seed', '1', '--out', 'other.txt', '--json');
    expect(JSON.parse(again.stdout)).toMatchObject({ pairs: 60, expected: 16, queries_hit: 2, matches: 48 });
    expect(linesOf('other.txt')).not.toEqual(kept);
  });

  it('gives a list with which training sees the pairs of the list, bit for bit', async () => {
    await succeed(all, ...options, '--out', 'keep.txt');
    const kept = linesOf('keep.txt');
    await tarOf(
      'kept.tar',
      numbers.filter((i) => kept.includes(keyOf(i))),
    );
    workspace.write(
      'r.zoo',
      model + recipe('list', `"${all}", keep = "keep.txt"`) + recipe('shard', '"kept.tar"'),
    );
    for (const name of ['list', 'shard']) {
      const { code, stderr } = workspace.zooc(
        ['train', `r.zoo#${name}`, '--out', `run-${name}`, '--device', 'reference', '--quiet'],
        { ZOOC_CACHE: workspace.path('cache') },
      );
      expect(code, stderr).toBe(0);
    }
    expect(workspace.changed('run-list', 'run-shard')).toEqual([]);
  });

  it.each([1, 3, 5])('gives the same list from %i parts', async (parts) => {
    await succeed(all, ...options, '--out', 'keep.txt');
    const files: string[] = [];
    for (let k = 1; k <= parts; k++) {
      files.push(`counts-${parts}-${k}.json`);
      await succeed(all, ...options, '--part', `${k}/${parts}`, '--count-only', '--counts', files.at(-1)!);
    }
    const joined: string[] = [];
    for (let k = 1; k <= parts; k++) {
      await succeed(all, ...options, '--part', `${k}/${parts}`, '--counts', ...files, '--out', 'part.txt');
      joined.push(...linesOf('part.txt'));
    }
    expect(joined).toEqual(linesOf('keep.txt'));
    await succeed(all, ...options, '--out', 'whole.txt', '--counts', ...files.toReversed());
    expect(linesOf('whole.txt')).toEqual(joined);
  });

  it('reads captions from fields of json and from shards that stream by', async () => {
    workspace.write('cat.txt', 'cat\n');
    await succeed('0.tar', '--queries', 'cat.txt', '--text', 'json.alt', '--out', 'json.txt');
    expect(linesOf('json.txt')).toEqual(numbers.slice(0, perShard).map(keyOf));
    workspace.write('0.tar.gz', gzipSync(readFileSync(workspace.path('0.tar'))));
    for (const shard of ['0.tar.gz', 'pipe:cat 0.tar', '0.tar'])
      await succeed(shard, ...options, '--out', `${shard.slice(0, 4)}${shard.length}.txt`);
    expect(linesOf('0.ta8.txt')).toEqual(linesOf('0.ta5.txt'));
    expect(linesOf('pipe14.txt')).toEqual(linesOf('0.ta5.txt'));
  });

  it("reads img2dataset's parquet alone, without what was not fetched", async () => {
    const fixture = new URL('../../fixtures/shards/img2dataset.parquet', import.meta.url);
    copyFileSync(fixture, workspace.path('00000.parquet'));
    workspace.write('number.txt', 'number\n');
    const { stderr } = await succeed('00000.parquet', '--queries', 'number.txt', '--out', 'parquet.txt');
    const used = numbers.slice(0, 14).filter((i) => i !== 3 && i !== 5);
    expect(linesOf('parquet.txt')).toEqual(used.map((i) => String(i).padStart(9, '0')));
    expect(stderr).toMatch(/Z419.*2 of 14 samples are left out/);
    for (const reason of ['no status `success`', 'a blank caption'])
      expect(stderr).toContain(`1 × ${reason}`);
    const { stderr: told } = await curate(
      '00000.parquet',
      ...options,
      '--text',
      'title',
      '--out',
      'parquet.txt',
    );
    expect(told).toContain('00000.parquet has no column `title`');
  });

  it('says what is left out, which shards are in error, and where keys cannot be told apart', async () => {
    await writeTar(workspace.path('odd.tar'), [
      ['a.png', ''],
      ['b.png', ''],
      ['b.txt', ' '],
      ['c.txt', 'a dog'],
      ['d\u2028.png', ''],
      ['d\u2028.txt', 'a dog'],
      ['e.png', ''],
      ['e.txt', 'a dog'],
    ]);
    mkdirSync(workspace.path('twice'));
    copyFileSync(workspace.path('0.tar'), workspace.path('twice/0.tar'));
    workspace.write('page.tar', '<html>');
    const given = ['odd.tar', '0.tar', 'twice/0.tar', 'page.tar'];
    const { stderr } = await succeed(...given, ...options, '--out', 'odd.txt');
    expect(stderr).toMatch(/Z419\]: curate: 4 of 29 samples are left out/);
    for (const reason of ['no txt', 'no jpg or png', 'a blank caption', 'a key that a list cannot hold'])
      expect(stderr).toContain(`1 × ${reason}`);
    expect(stderr).toMatch(/Z453.*1 of 4 shards are in error: page\.tar/);
    expect(stderr).toContain(
      'warning[Z455]: the shards 0.tar and twice/0.tar both begin with the key s/0000',
    );
    // What is said of counting is not said again of choosing.
    expect(stderr.match(/Z455/g)).toHaveLength(1);
    expect(linesOf('odd.txt')).toContain('e');
  });

  it('refuses counts that do not fit, and leaves what is there', async () => {
    const counted = (shard: string, file: string, queries = 'queries.txt') =>
      succeed(shard, '--queries', queries, '--count-only', '--counts', file);
    await counted('0.tar', 'a.json');
    await counted('{0..1}.tar', 'b.json');
    await counted('0.tar', 'o.json', 'others.txt');
    workspace.write('kept.txt', 'old');
    const choose = (...args: string[]) => [...args, ...options, '--out', 'kept.txt'];
    await refused(
      choose('0.tar', '--counts', 'a.json', 'b.json'),
      'error[Z454]: the shard 0.tar is counted twice: in a.json and in b.json',
    );
    await refused(choose('0.tar', '--counts', 'o.json'), 'error[Z454]: o.json counts other queries');
    await refused(
      choose('{0..2}.tar', '--counts', 'b.json'),
      'error[Z454]: the shard 2.tar is not among those that were counted',
    );
    await refused(choose('0.tar', '--counts', 'none.json'), 'error[Z454]: cannot read none.json');
    await refused(choose('0.tar', '--counts', 'queries.txt'), 'error[Z454]: queries.txt holds no counts');
    await tarOf('changing.tar', [0, 1, 2]);
    await counted('changing.tar', 'c.json');
    await tarOf('changing.tar', [0, 1]);
    await refused(
      choose('changing.tar', '--counts', 'c.json'),
      'error[Z454]: the shard changing.tar is not as it was counted: 2 pairs with 2 queries, and had 3 pairs with 3 queries',
    );
    await refused(choose('gone-{0..3}.tar'), 'error[Z452]: 4 of 4 shards cannot be read');
    expect(readFileSync(workspace.path('kept.txt'), 'utf8')).toBe('old');
  });

  it.each([
    [['--out', 'x', '--per-query', '0'], '--per-query 0'],
    [['--out', 'x', '--seed', '-1'], '--seed -1'],
    [['--out', 'x', '--part', '1/2'], 'a part is chosen by the counts of all parts'],
    [['--count-only', '--counts', 'x', '--part', '3/2'], '--part 3/2: expected k/n'],
    [['--count-only', '--counts', 'x', '--part', '1/9'], '--part 1/9: it has none of 5 shards'],
    [['--count-only'], '--count-only writes one file of counts'],
    [['--count-only', '--counts', 'x', '--out', 'y'], '--count-only chooses nothing'],
    [[], '--out is missing'],
    [['--out', 'no/x'], '--out no/x: no does not exist'],
    [['--out', 'x', '--plot', 'x.png'], '--plot x.png: the plot is an SVG'],
  ])('refuses %j', async (args, message) => {
    await refused([all, '--queries', 'queries.txt', ...args], `error[Z703]: ${message}`);
  });

  it('refuses queries that are none', async () => {
    writeFileSync(workspace.path('blank.txt'), '\n \n');
    await refused([all, '--queries', 'blank.txt', '--out', 'x'], 'error[Z412]: blank.txt');
  });
});
