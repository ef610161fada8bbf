/** `zooc search`: what a sort of all rows in double precision gives, and a page that needs nothing else. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeNpy, readNpy } from '../../../runtime/data/files/npy.ts';
import { randomKey, randomUnit } from '../../../runtime/data/random.ts';
import { narrowF16, widenF16 } from '../../../runtime/data/safetensors/half.ts';
import { encodeMetadata } from '../../../zoo/embed/metadata.ts';
import { blocksOf, nearestRows } from '../../../zoo/search/exact.ts';
import { IndexRows } from '../../../zoo/search/index-rows.ts';
import { embedZoo, writeShards } from '../../support/embed/shards.ts';
import { skipFor } from '../../support/needs.ts';
import { plainPicture } from '../../support/training/pair-source.ts';
import { Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const model = ['--weights', 'init:0', '--device', 'reference'];
const search = (...more: string[]) => ['search', 'index', '--model', 'm.zoo', ...model, ...more];

beforeAll(async () => {
  workspace.write('m.zoo', embedZoo);
  mkdirSync(workspace.path('shards'));
  await writeShards((shard) => workspace.path(`shards/${shard}.tar`), 2, 6);
  workspace.write('q.png', await plainPicture(13 * 8 + 5));
  await workspace.succeed(['embed', 'm.zoo', ...model, '--shards', 'shards/{0..1}.tar', '--out', 'index']);
});

/** Indices of all rows, best first, by plain arithmetic in double precision. */
function sorted(query: ArrayLike<number>, rows: ArrayLike<number>): number[] {
  const width = query.length;
  const scores = Array.from({ length: rows.length / width }, (_, row) => {
    let [dot, length] = [0, 0];
    for (let i = 0; i < width; i++) {
      dot += query[i]! * rows[row * width + i]!;
      length += rows[row * width + i]! ** 2;
    }
    return dot / Math.sqrt(length);
  });
  return scores.map((_, row) => row).sort((a, b) => scores[b]! - scores[a]! || a - b);
}

async function featuresOf(kind: '--texts' | '--images', value: string): Promise<ArrayLike<number>> {
  await workspace.succeed(['embed', 'm.zoo', ...model, kind, value, '--out', 'q.npy']);
  return (await readNpy(workspace.path('q.npy'))).data;
}

describe('searching an index', () => {
  it('gives the rows of a full sort with what is known of them', async () => {
    const rows = await Promise.all([0, 1].map((s) => readNpy(workspace.path(`index/${s}.npy`))));
    const all = rows.flatMap(({ data }) => [...data]);
    const { stdout } = await workspace.succeed(
      search('--text', 'red', '--image', 'q.png', '--k', '5', '--json'),
    );
    const { rows: count, queries } = JSON.parse(stdout);
    expect(count).toBe(12);
    for (const [q, kind, value] of [
      [0, '--texts', 'red'],
      [1, '--images', 'q.png'],
    ] as const) {
      const best = sorted(await featuresOf(kind, value), all).slice(0, 5);
      const hits = queries[q].hits as { key: string; caption: string; shard: string; row: number }[];
      expect(hits.map(({ shard, row }) => 6 * Number(shard) + row)).toEqual(best);
      expect(hits.map(({ key }) => Number(key))).toEqual(best);
      expect(hits[0]).toMatchObject({
        caption: `number ${best[0]}`,
        fields: { url: `http://x/${String(best[0]).padStart(4, '0')}`, width: best[0] },
      });
    }
    // The picture itself is in the index; halves round its feature.
    expect(queries[1].hits[0].score).toBeGreaterThan(1 - 1e-4);
  });

  it('prints a line for each, and all rows where more are asked for', async () => {
    const { stdout } = await workspace.succeed(search('--text', 'red', '--k', '50'));
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(12);
    expect(lines[0]).toMatch(/^red\t-?0\.\d{6}\t[01]\t00\d\d\tnumber \d+$/);
  });

  it('writes a page with thumbnails from the shards, and without them where these are gone', async () => {
    await workspace.succeed(search('--image', 'q.png', '--text', '<b>&', '--k', '3', '--out', 'page.html'));
    const page = readFileSync(workspace.path('page.html'), 'utf8');
    expect(page.match(/<img src="data:image\/jpeg;base64,/g)).toHaveLength(1 + 2 * 3);
    expect(page).toContain('“&#60;b&#62;&#38;”');
    expect(page).toContain('number 8');
    expect(page.replace(/<a href="http:\/\/x\/\d+"/g, '')).not.toMatch(/(?:src|href)="(?!data:)/);
    await workspace.succeed(['embed', 'm.zoo', ...model, '--shards', 'shards/0.tar', '--out', 'alone']);
    rmSync(workspace.path('shards/0.tar'));
    await workspace.succeed([
      'search',
      'alone',
      '--model',
      'm.zoo',
      ...model,
      '--text',
      'a',
      '--k',
      '3',
      '--out',
      'page.html',
    ]);
    const bare = readFileSync(workspace.path('page.html'), 'utf8');
    expect(bare).not.toContain('<img');
    expect(bare.match(/<figure>/g)).toHaveLength(3);
  });

  it.each([
    [['--text', 'a', '--weights', 'init:1'], 'Z470', 'index holds features of tiny with the weights init:0'],
    [['--text', 'a', '--set', 'text.act=gelu'], 'Z470', 'the weights are the same'],
    [[], 'Z703', 'search needs --text or --image'],
    [['--text', 'a', '--k', '0'], 'Z703', '--k 0'],
    [['--text', 'a', '--recall'], 'Z703', '--recall measures --index hnsw'],
  ] as const)('refuses %j', async (more, code, message) => {
    const { code: exit, stdout, stderr } = await workspace.call(search(...more));
    expect({ exit, stdout }).toEqual({ exit: 1, stdout: '' });
    expect(stderr).toContain(`error[${code}]`);
    expect(stderr).toContain(message);
  });

  it('refuses a folder that is no index, and one whose files do not fit each other', async () => {
    const other = (folder: string) =>
      workspace.call(['search', folder, '--model', 'm.zoo', ...model, '--text', 'a']);
    expect((await other('shards')).stderr).toContain('error[Z470]: shards has no index.json');
    mkdirSync(workspace.path('odd'));
    workspace.write('odd/index.json', readFileSync(workspace.path('index/index.json')));
    expect((await other('odd')).stderr).toContain('error[Z470]: odd holds no features');
    workspace.write('odd/0.parquet', readFileSync(workspace.path('index/0.parquet')));
    workspace.write('odd/0.npy', encodeNpy([1, 4], new Float32Array(4)));
    expect((await other('odd')).stderr).toContain('odd/0.npy has 4 numbers a row, not 8');
    workspace.write('odd/0.npy', encodeNpy([9, 8], new Float32Array(72)));
    expect((await other('odd')).stderr).toContain(
      'odd/0.parquet has 6 rows, and the features beside it more',
    );
    workspace.write('odd/0.npy', encodeNpy([2, 8], new Float32Array(16).fill(Number.NaN, 8)));
    expect((await other('odd')).stderr).toContain('row 1 of 0.npy in odd is not finite');
    rmSync(workspace.path('odd/0.parquet'));
    expect((await other('odd')).stderr).toContain('odd holds no features');
  });
});

/** An optional package: not every platform has it. */
const hnsw = await import('usearch').catch(() => skipFor('no package usearch'));

describe.skipIf(hnsw === undefined)('an approximate index', () => {
  it('finds in a small folder what the exact search finds, says its recall, and is made once', async () => {
    const cache = { ZOOC_CACHE: workspace.path('cache') };
    const args = search('--text', 'red', 'blue', '--k', '4', '--json');
    const exact = JSON.parse((await workspace.succeed(args)).stdout);
    const first = await workspace.call([...args, '--index', 'hnsw', '--recall'], cache);
    expect(first.code, first.stderr).toBe(0);
    expect(first.stderr).toContain('making an index of 12 rows, once');
    expect(first.stderr).toContain('approximate: recall@10 of 1.000');
    expect(first.stderr).toContain('recall@4 of these queries: 1.000');
    expect(JSON.parse(first.stdout)).toEqual({ ...exact, recall: 1 });
    const again = await workspace.call([...args, '--index', 'hnsw'], cache);
    expect(JSON.parse(again.stdout)).toEqual(exact);
    expect(again.stderr).not.toContain('making');
  });
});

describe('an index in blocks', () => {
  const width = 24;
  const counts = [7, 0, 300, 1, 412];
  const rows = counts.reduce((a, b) => a + b, 0);
  const key = randomKey(3, 'search');
  // Rows 100 to 400 are three pictures again and again: their order is that of the rows.
  const source = (row: number) => (row >= 100 && row < 400 ? 100 + (row % 3) : row);
  const values = Float32Array.from(
    { length: rows * width },
    (_, i) => randomUnit(key, source(Math.floor(i / width)) * width + (i % width)) - 0.5,
  );
  const stored = widenF16(narrowF16(values));
  const query = { data: stored.slice(101 * width, 102 * width), rows: 1, width };

  it('gives the full sort, ties and all, through blocks that go over files', async () => {
    mkdirSync(workspace.path('blocks'));
    let first = 0;
    for (const [file, count] of counts.entries()) {
      const part = values.slice(first * width, (first + count) * width);
      workspace.write(`blocks/${file}.npy`, encodeNpy([count, width], narrowF16(part)));
      const samples = Array.from({ length: count }, (_, i) => ({ key: String(first + i), fields: {} }));
      workspace.write(`blocks/${file}.parquet`, encodeMetadata(samples, {}));
      first += count;
    }
    const index = await IndexRows.open(workspace.path('blocks'), width);
    expect(index.count).toBe(rows);
    expect(index.place(307)).toEqual({ name: '3', row: 0 });
    const blocks: number[] = [];
    let seen = 0;
    for await (const { first: at, count, data } of blocksOf(index, 100).blocks) {
      blocks.push(count);
      const direction = data.subarray(0, width);
      const whole = stored.subarray(at * width, (at + 1) * width);
      expect(direction[0]! / direction[1]!).toBeCloseTo(whole[0]! / whole[1]!, 5);
      seen += count;
    }
    expect(blocks).toEqual([100, 100, 100, 100, 100, 100, 100, 20]);
    expect(seen).toBe(rows);
    const [found] = await nearestRows(query, index, 150, undefined);
    expect(found!.map((neighbour) => neighbour.index)).toEqual(sorted(query.data, stored).slice(0, 150));
  });
});
