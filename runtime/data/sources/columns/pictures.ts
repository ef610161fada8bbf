/** The pictures of a table: those of one column, size and background are decoded and kept once. */
import { fail } from '../../../../grammar/diagnostics.ts';
import type { DecodeSettings } from '../../pictures/decode.ts';
import { ImageStore } from '../../pictures/image-store.ts';

interface Wanted {
  readonly paths: readonly string[];
  readonly settings: DecodeSettings;
}

export class PictureShelf {
  readonly #wanted = new Map<string, Wanted>();

  /** @returns the place of these pictures among those of a sample */
  add(column: string, settings: DecodeSettings, paths: () => readonly string[]): number {
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

  /**
   * The pictures of the row at `index`, or of the next one whose pictures can all be read.
   * @param count rows
   * @throws DiagnosticError Z416 when there is none
   */
  async get(index: number, count: number): Promise<{ index: number; pictures: Uint8Array[] }> {
    let at = index;
    let passed = 0;
    const found: { index: number; bytes: Uint8Array }[] = [];
    for (let s = 0, agreed = 0; agreed < this.#stores.length; s = (s + 1) % this.#stores.length) {
      if (found[s]?.index !== at) found[s] = await this.#stores[s]!.get(at);
      const next = found[s]!.index;
      passed += (next - at + count) % count;
      if (passed >= count) fail('Z416', `no row has pictures that can all be read`);
      agreed = next === at ? agreed + 1 : 1;
      at = next;
    }
    return { index: at, pictures: found.map(({ bytes }) => bytes) };
  }

  async close(): Promise<void> {
    for (const store of this.#stores) await store.close();
  }
}
