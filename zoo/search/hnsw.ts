/**
 * An approximate index (HNSW, by the optional package usearch) over the rows of a folder: for many queries, of which
 * each may miss a few of its nearest rows. How many it misses is measured when it is made.
 *
 * It lies in the cache folder, not beside the features: its file is read by native code, which must not be handed a
 * stranger's.
 */
import { createHash } from 'node:crypto';
import { realpathSync, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fail } from '../../grammar/diagnostics.ts';
import { failSystem, makeFolders, writeText } from '../../runtime/data/files/atomic.ts';
import { parseJson } from '../../runtime/data/files/json.ts';
import { readText, statOf } from '../../runtime/data/files/read-fully.ts';
import type { Neighbour } from '../../runtime/eval/metrics/nearest.ts';
import { normalizeRows } from '../../runtime/eval/zeroshot.ts';
import { cacheFolder } from '../../runtime/node/cache-folder.ts';
import type { Device } from '../../runtime/types.ts';
import type { Matrix } from '../evaluate/data/feature-files.ts';
import { blocksOf, nearestRows, ranked } from './exact.ts';
import type { IndexRows } from './index-rows.ts';

type Library = typeof import('usearch');
type Graph = InstanceType<Library['Index']>;

/** Neighbours of a row in the graph, and how wide it is searched: twice the library's defaults. */
const settings = { connectivity: 32, expansion_add: 256, expansion_search: 256 };
/** How recall is measured: the other nearest rows of some rows of the index. */
const measured = { queries: 100, k: 10 };

const aboutSchema = z.object({ rows: z.int(), bytes: z.int(), recall: z.number() });

export interface Hnsw {
  /** Share of the 10 nearest rows that it finds, of rows of the index. */
  readonly recall: number;
  nearest(queries: Matrix, k: number): Promise<Neighbour[][]>;
}

async function load(): Promise<Library> {
  try {
    return await import('usearch');
  } catch {
    return fail(
      'Z703',
      '--index hnsw needs the package usearch, which is not installed',
      'npm install usearch',
    );
  }
}

/** Where the index of these files lies; it changes with them. */
function placeOf({ folder, names, width }: IndexRows): string {
  const hash = createHash('sha256').update(JSON.stringify([realpathSync(folder), width, settings]));
  for (const name of names) {
    const { size, mtimeMs } = statSync(join(folder, `${name}.npy`));
    hash.update(`${name} ${size} ${mtimeMs}\n`);
  }
  return join(cacheFolder(), 'hnsw', hash.digest('hex').slice(0, 40));
}

/** Candidates beyond those asked for: the graph orders by halves. */
const spare = 64;

/** The nearest rows that the graph finds, by their cosine in double precision. */
async function approximate(graph: Graph, query: Float32Array, k: number, index: IndexRows) {
  const { keys } = graph.search(query, Math.min(k + spare, index.count), 0);
  return (await ranked(query, Array.from(keys, Number), index)).slice(0, k);
}

function rowOf({ data, width }: Matrix, row: number): Float32Array {
  return data.slice(row * width, (row + 1) * width);
}

async function recallOf(graph: Graph, index: IndexRows, device: Device | undefined): Promise<number> {
  const { count, width } = index;
  const rows = Math.min(measured.queries, count);
  const chosen = Array.from({ length: rows }, (_, i) => Math.floor((i * count) / rows));
  const data = new Float32Array(rows * width);
  for (const [i, row] of chosen.entries()) data.set(await index.read(row, 1), i * width);
  const queries = { data: normalizeRows(data, width), rows, width };
  // A row is its own nearest, which says nothing.
  const exact = await nearestRows(queries, index, measured.k + 1, device);
  const others = (list: readonly Neighbour[], own: number) =>
    list.flatMap(({ index: row }) => (row === own ? [] : [row])).slice(0, measured.k);
  let [hits, wanted] = [0, 0];
  for (const [i, own] of chosen.entries()) {
    const list = await approximate(graph, rowOf(queries, i), measured.k + 1, index);
    const found = new Set(others(list, own));
    const best = others(exact[i]!, own);
    hits += best.filter((row) => found.has(row)).length;
    wanted += best.length;
  }
  return wanted === 0 ? 1 : hits / wanted;
}

async function make(
  graph: Graph,
  path: string,
  index: IndexRows,
  device: Device | undefined,
  note: (text: string) => void,
): Promise<number> {
  const { count, width } = index;
  note(`making an index of ${count} rows, once`);
  let told = performance.now();
  for await (const { first, count: rows, data } of blocksOf(index, mostAdded).blocks) {
    const keys = BigUint64Array.from({ length: rows }, (_, i) => BigInt(first + i));
    graph.add(keys, data.subarray(0, rows * width), 0);
    if (performance.now() - told < betweenNotes) continue;
    told = performance.now();
    note(`${first + rows} rows of ${count}`);
  }
  const recall = await recallOf(graph, index, device);
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await makeFolders(join(path, '..'));
    await rm(`${path}.json`, { force: true });
    graph.save(temporary);
    const bytes = statSync(temporary).size;
    await rename(temporary, path);
    await writeText(`${path}.json`, `${JSON.stringify({ rows: count, bytes, recall })}\n`);
  } catch (error) {
    await rm(temporary, { force: true });
    failSystem('Z413', `cannot write ${path}`, error);
  }
  return recall;
}

/** Rows between two lines on what is done: adding them takes seconds. */
const mostAdded = 8192;
const betweenNotes = 10_000;

/** The recall of an index that is there, whole. */
async function known(path: string, { count }: IndexRows): Promise<number | undefined> {
  if (statOf(path) === undefined || statOf(`${path}.json`) === undefined) return undefined;
  const { data } = aboutSchema.safeParse(parseJson(await readText(`${path}.json`, 'Z470')));
  return data?.rows === count && data.bytes === statOf(path)?.size ? data.recall : undefined;
}

/**
 * Opens the index of a folder, or makes it.
 * @throws DiagnosticError Z703 without the library, Z413
 */
export async function openHnsw(
  index: IndexRows,
  device: Device | undefined,
  note: (text: string) => void,
): Promise<Hnsw> {
  const { Index, MetricKind, ScalarKind } = await load();
  const { width } = index;
  const graph = new Index({
    ...settings,
    dimensions: width,
    metric: MetricKind.IP,
    quantization: ScalarKind.F16,
    multi: false,
  });
  const path = placeOf(index);
  const before = await known(path, index);
  if (before !== undefined) graph.view(path);
  const recall = before ?? (await make(graph, path, index, device, note));
  return {
    recall,
    async nearest(queries, k) {
      const lists: Neighbour[][] = [];
      for (let q = 0; q < queries.rows; q++)
        lists.push(await approximate(graph, rowOf(queries, q), k, index));
      return lists;
    },
  };
}
