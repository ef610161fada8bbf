/** The pictures of a table: those of one column, size and background are decoded and kept once. */

import { ImageStore } from '../../pictures/image-store.ts';
import type { FitSettings } from '../../pictures/images.ts';
import type { Failure } from './unreadable.ts';

interface Wanted {
  readonly paths: readonly string[];
  readonly settings: FitSettings;
}

export class PictureShelf {
  readonly #wanted = new Map<string, Wanted>();

  /** @returns the place of these pictures among those of a sample */
  add(column: string, settings: FitSettings, paths: () => readonly string[]): number {
    const key = JSON.stringify([column, settings]);
    if (!this.#wanted.has(key)) this.#wanted.set(key, { paths: paths(), settings });
    return [...this.#wanted.keys()].indexOf(key);
  }

  /** Workers and room are shared out among the columns. */
  open(options: { readonly workers: number; readonly cacheBytes: number }): PictureStores {
    const { size } = this.#wanted;
    const workers = Math.max(1, Math.floor(options.workers / size));
    const cacheBytes = options.cacheBytes / size;
    return new PictureStores(
      [...this.#wanted.values()].map(
        ({ paths, settings }) => new ImageStore(paths, settings, { workers, cacheBytes }),
      ),
    );
  }
}

export class PictureStores {
  readonly #stores: readonly ImageStore[];

  constructor(stores: readonly ImageStore[]) {
    this.#stores = stores;
  }

  /** The pictures of a row, or the first that cannot be read. */
  async get(row: number): Promise<readonly Uint8Array[] | Failure> {
    const results = await Promise.all(this.#stores.map((store) => store.get(row)));
    const pictures: Uint8Array[] = [];
    for (const [place, result] of results.entries()) {
      if ('reason' in result) return { path: this.#stores[place]!.path(row), reason: result.reason };
      pictures.push(result.bytes);
    }
    return pictures;
  }

  async close(): Promise<void> {
    for (const store of this.#stores) await store.close();
  }
}
