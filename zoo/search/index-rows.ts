/** The features that `embed --shards` left in a folder, as rows of one matrix that need not fit in memory. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../grammar/diagnostics.ts';
import { reasonOf } from '../../runtime/data/files/atomic.ts';
import { NpyRows } from '../../runtime/data/files/npy.ts';

interface Part {
  readonly name: string;
  /** Of its first row among all. */
  readonly first: number;
  readonly rows: number;
}

export interface Place {
  /** Of the shard. */
  readonly name: string;
  readonly row: number;
}

async function withRows<T>(path: string, use: (rows: NpyRows) => Promise<T>): Promise<T> {
  const rows = await NpyRows.open(path);
  try {
    return await use(rows);
  } finally {
    await rows.close();
  }
}

/** Names of files with this ending, without it. */
function named(files: readonly string[], ending: string): string[] {
  return files.flatMap((file) => (file.endsWith(ending) ? [file.slice(0, -ending.length)] : [])).sort();
}

export class IndexRows {
  readonly folder: string;
  readonly width: number;
  readonly count: number;
  /** Shards that are half there. */
  readonly unfinished: readonly string[];
  readonly #parts: readonly Part[];

  private constructor(folder: string, width: number, parts: readonly Part[], unfinished: readonly string[]) {
    this.folder = folder;
    this.width = width;
    this.#parts = parts;
    this.unfinished = unfinished;
    const last = parts.at(-1);
    this.count = last === undefined ? 0 : last.first + last.rows;
  }

  /** @throws DiagnosticError Z425, Z470 */
  static async open(folder: string, width: number): Promise<IndexRows> {
    const files = await readdir(folder).catch((error: unknown) =>
      fail('Z470', `cannot read ${folder}: ${reasonOf(error)}`),
    );
    const described = new Set(named(files, '.parquet'));
    const all = named(files, '.npy');
    const parts: Part[] = [];
    let first = 0;
    for (const name of all.filter((candidate) => described.has(candidate))) {
      const path = join(folder, `${name}.npy`);
      const found = await withRows(path, async (rows) => ({ rows: rows.rows, width: rows.width }));
      if (found.width !== width) fail('Z470', `${path} has ${found.width} numbers a row, not ${width}`);
      parts.push({ name, first, rows: found.rows });
      first += found.rows;
    }
    if (first === 0) fail('Z470', `${folder} holds no features`);
    return new IndexRows(
      folder,
      width,
      parts,
      all.filter((name) => !described.has(name)),
    );
  }

  /** Of the shards. */
  get names(): string[] {
    return this.#parts.map(({ name }) => name);
  }

  place(index: number): Place {
    const { name, first } = this.#parts[this.#partOf(index)]!;
    return { name, row: index - first };
  }

  /** Rows `[first, first + count)` as they are stored. */
  async read(first: number, count: number): Promise<Float32Array> {
    const all = new Float32Array(count * this.width);
    for (let at = first, part = this.#partOf(first); at < first + count; part++) {
      const { name, first: begin, rows } = this.#parts[part]!;
      const taken = Math.min(begin + rows, first + count) - at;
      if (taken <= 0) continue;
      const own = await withRows(join(this.folder, `${name}.npy`), (file) => file.read(at - begin, taken));
      all.set(own, (at - first) * this.width);
      at += taken;
    }
    return all;
  }

  /** The last part that begins at or before this row. */
  #partOf(index: number): number {
    let [low, high] = [0, this.#parts.length];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#parts[middle]!.first <= index) low = middle;
      else high = middle;
    }
    return low;
  }
}
