/** The pictures of samples: those of one column, size and background are decoded and kept once. */

import { nameOf } from '../../files/data-file.ts';
import { ImageStore } from '../../pictures/image-store.ts';
import type { FitSettings } from '../../pictures/images.ts';
import type { Row } from './row.ts';
import type { Failure } from './unreadable.ts';

interface Wanted {
  readonly column: string;
  readonly settings: FitSettings;
}

export class PictureShelf {
  readonly #wanted = new Map<string, Wanted>();

  /** @returns the place of these pictures among those of a sample */
  add(column: string, settings: FitSettings): number {
    const key = JSON.stringify([column, settings]);
    if (!this.#wanted.has(key)) this.#wanted.set(key, { column, settings });
    return [...this.#wanted.keys()].indexOf(key);
  }

  /** Workers and room are shared out among the columns. */
  open(options: { readonly workers: number; readonly cacheBytes: number }): PictureStores {
    const { size } = this.#wanted;
    const workers = Math.max(1, Math.floor(options.workers / size));
    const cacheBytes = options.cacheBytes / size;
    return new PictureStores(
      [...this.#wanted.values()].map(({ column, settings }) => ({
        column,
        store: new ImageStore(settings, { workers, cacheBytes }),
      })),
    );
  }
}

interface Stored {
  readonly column: string;
  readonly store: ImageStore;
}

export class PictureStores {
  readonly #stored: readonly Stored[];

  constructor(stored: readonly Stored[]) {
    this.#stored = stored;
  }

  /** The pictures of a sample, or the first that cannot be read. */
  async get(index: number, row: Row): Promise<readonly Uint8Array[] | Failure> {
    const results = await Promise.all(
      this.#stored.map(async ({ column, store }): Promise<Uint8Array | Failure> => {
        const file = row.file(column);
        if (file === undefined)
          return { path: `${row.name}, \`${column}\``, kind: 'missing', reason: 'it names no picture' };
        const result = await store.get(index, file);
        return 'reason' in result ? { path: nameOf(file), ...result } : result.bytes;
      }),
    );
    const pictures: Uint8Array[] = [];
    for (const result of results) {
      if ('reason' in result) return result;
      pictures.push(result);
    }
    return pictures;
  }

  async close(): Promise<void> {
    for (const { store } of this.#stored) await store.close();
  }
}
