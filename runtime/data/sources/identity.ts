/** What tells one source's batches from another's, without reading pictures: digests, and calls as text. */
import { createHash } from 'node:crypto';
import type { StaticCall } from '../../../compiler/model/types.ts';
import { failSystem } from '../files/atomic.ts';
import { digestOf, shownDigest } from '../files/digest.ts';
import { openRegular, readFully } from '../files/read-fully.ts';
import type { DataIdentity, Feeds } from '../types.ts';
import type { Ordering } from './sample-options.ts';

/** Options of a table that decide how it is read, or how fast, and not what comes out. */
const transport = new Set([
  'file',
  'shards',
  'files',
  'dir',
  'keep',
  'separator',
  'quote',
  'encoding',
  'workers',
  'cache',
  'shuffle',
  'resampled',
  'weight',
  'lanes',
  'samples',
]);

/** A call as text, without the places in its file. */
function callText({ named }: StaticCall): string {
  const options = Object.entries(named).filter(([name]) => !transport.has(name));
  return JSON.stringify(Object.fromEntries(options), (key, value) => (key === 'span' ? undefined : value));
}

/** Changes with the algorithm: runs under another one are not resumed. */
const shuffledOrder = 'shuffled (Feistel)';

interface TableParts {
  readonly cells: ReadonlyMap<string, readonly string[]>;
  /** Rows in use. */
  readonly kept: readonly number[];
  readonly order: Ordering;
  /** Files that columns read beside it, such as names of classes. */
  readonly read: readonly string[];
}

export async function tableIdentity(
  call: StaticCall,
  { cells, kept, order, read }: TableParts,
): Promise<DataIdentity> {
  const beside = await Promise.all(read.map(sampledDigest));
  const digest = digestOf((hash) => {
    hash.update(JSON.stringify([...cells.keys(), ...beside]));
    for (const row of kept)
      for (const column of cells.values()) hash.update(`${column[row]!.length} ${column[row]}`);
  });
  return sampleIdentity(call, { rows: `${kept.length} of digest ${digest}`, order });
}

/** Of samples whose digest is known, and of files that columns read beside them. */
export async function readIdentity(digest: string, read: readonly string[]): Promise<string> {
  const beside = await Promise.all(read.map(sampledDigest));
  return digestOf((hash) => hash.update(JSON.stringify([digest, ...beside])));
}

export function sampleIdentity(
  call: StaticCall,
  { rows, order }: { readonly rows: string; readonly order: Ordering },
): DataIdentity {
  return { rows, order: orderText(order), draws: callText(call) };
}

function orderText({ shuffle, resampled }: Ordering): string {
  if (resampled) return 'drawn with replacement';
  return shuffle ? shuffledOrder : 'as in the table';
}

/** Bytes of a sample, and how many samples are taken of a large file. */
const sampleBytes = 2 ** 20;
const samples = 64;

/** Digest of a file: whole up to 64 MiB, else of samples over all of it, and its size. */
async function sampledDigest(path: string): Promise<string> {
  try {
    const file = await openRegular(path);
    try {
      const { size } = await file.stat();
      const hash = createHash('sha256').update(`${size} `);
      const stride = Math.max(sampleBytes, Math.floor(size / samples));
      for (let at = 0; at < size; at += stride)
        hash.update(await readFully(file, at, Math.min(sampleBytes, size - at), path));
      return shownDigest(hash);
    } finally {
      await file.close();
    }
  } catch (error) {
    failSystem('Z410', `cannot read ${path}`, error);
  }
}

/** Of a file of ready-made batches. */
export async function fileIdentity(path: string, batches: number): Promise<DataIdentity> {
  return { rows: `${batches} batches of digest ${await sampledDigest(path)}`, order: 'as in the file' };
}

export function tablesIdentity(tables: Feeds): DataIdentity {
  if (tables.size === 0) return {};
  const digest = digestOf((hash) => {
    for (const [name, values] of tables) hash.update(name).update(values);
  });
  return { tables: `${[...tables.keys()].join(', ')} of digest ${digest}` };
}
