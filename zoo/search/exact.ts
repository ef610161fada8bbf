/**
 * The nearest rows of an index by cosine, as a sort of all would give them.
 *
 * Products of blocks on the device, or on the host where they are few, choose candidates; these are compared in
 * double precision. What rounding could have hidden from the candidates is bounded, and where the bound does not
 * hold, more are taken.
 */
import { fail } from '../../grammar/diagnostics.ts';
import { inOrder } from '../../runtime/data/in-order.ts';
import { hostBlocks, type Visit } from '../../runtime/eval/metrics/blocks.ts';
import { type Neighbour, nearest } from '../../runtime/eval/metrics/nearest.ts';
import { normalizeRows } from '../../runtime/eval/zeroshot.ts';
import type { Device } from '../../runtime/types.ts';
import type { Matrix } from '../evaluate/data/feature-files.ts';
import { hostProducts } from '../evaluate/probe-data.ts';
import { openProducts } from '../evaluate/similarities.ts';
import type { IndexRows } from './index-rows.ts';

/** Elements of a block: 64 MiB. */
const blockElements = 2 ** 24;

export interface LoadedBlock {
  readonly first: number;
  readonly count: number;
  /** Of length 1; zeros behind the last row of the index. */
  readonly data: Float32Array;
}

/** All rows in blocks of equal size, the next one read while one is in use. */
export function blocksOf(index: IndexRows, most = Math.floor(blockElements / index.width)) {
  const size = Math.min(index.count, Math.max(1, most));
  const firsts = Array.from({ length: Math.ceil(index.count / size) }, (_, i) => i * size);
  const blocks = inOrder(firsts, 2, async (first): Promise<LoadedBlock> => {
    const count = Math.min(size, index.count - first);
    const rows = normalizeRows(await index.read(first, count), index.width);
    if (count === size) return { first, count, data: rows };
    const data = new Float32Array(size * index.width);
    data.set(rows);
    return { first, count, data };
  });
  return { size, blocks };
}

function onHost(queries: Matrix, index: IndexRows): Visit {
  return async (each) => {
    for await (const { first, count, data } of blocksOf(index).blocks)
      await hostBlocks(
        queries.data,
        data.subarray(0, count * index.width),
        index.width,
      )((block) => each({ ...block, firstCandidate: first }));
  };
}

/** @param most rows of a block */
export function onDevice(queries: Matrix, index: IndexRows, device: Device, most?: number): Visit {
  return async (each) => {
    const { size, blocks } = blocksOf(index, most);
    const session = await openProducts(device, queries.rows, size, index.width);
    try {
      session.writeInput('queries', queries.data);
      for await (const { first, count, data } of blocks) {
        session.writeInput('candidates', data);
        session.run();
        const all = (await session.read('scores')) as Float32Array;
        for (let query = 0; query < queries.rows; query++) {
          const scores = all.subarray(query * size, query * size + count);
          each({ scores, firstQuery: query, queries: 1, firstCandidate: first, candidates: count });
        }
      }
    } finally {
      session.close();
    }
  };
}

/** Cosine in double precision; 0 where one has no length. */
function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return aa === 0 || bb === 0 ? 0 : dot / Math.sqrt(aa * bb);
}

/** Rows by their cosine in double precision, best first; of equal ones the first stands first. */
export async function ranked(
  query: Float32Array,
  candidates: Iterable<number>,
  index: IndexRows,
): Promise<Neighbour[]> {
  const found: Neighbour[] = [];
  for (const candidate of candidates)
    found.push({ index: candidate, similarity: cosine(query, await index.read(candidate, 1)) });
  return found.sort((a, b) => b.similarity - a.similarity || a.index - b.index);
}

/** Candidates beyond those asked for, at first. */
const spare = 64;

/**
 * The `k` nearest rows of each query.
 * @param queries rows of length 1
 * @param device absent on the reference
 * @throws DiagnosticError Z470 for rows that are not finite
 */
export async function nearestRows(
  queries: Matrix,
  index: IndexRows,
  k: number,
  device: Device | undefined,
): Promise<Neighbour[][]> {
  const { width, count } = index;
  const small = queries.rows * count * width <= hostProducts;
  const visit = small || device === undefined ? onHost(queries, index) : onDevice(queries, index, device);
  // A sum of `width` products of numbers whose squares sum to 1, with what it takes to make lengths 1, in float32.
  const rounding = (width + 8) * 2 ** -24;
  for (let wanted = Math.min(count, k + spare); ; wanted = Math.min(count, 8 * wanted)) {
    const candidates = await nearest(visit, queries.rows, wanted);
    const bad = candidates.flat().find(({ similarity }) => Number.isNaN(similarity));
    if (bad !== undefined) {
      const { name, row } = index.place(bad.index);
      fail('Z470', `row ${row} of ${name}.npy in ${index.folder} is not finite`);
    }
    const found: Neighbour[][] = [];
    for (const [q, list] of candidates.entries()) {
      const query = queries.data.subarray(q * width, (q + 1) * width);
      found.push(
        await ranked(
          query,
          list.map((candidate) => candidate.index),
          index,
        ),
      );
    }
    const sure = found.every((best, q) => {
      const last = candidates[q]!.at(-1)!;
      return best[Math.min(k, best.length) - 1]!.similarity > last.similarity + 2 * rounding;
    });
    if (sure || wanted === count) return found.map((best) => best.slice(0, k));
  }
}
