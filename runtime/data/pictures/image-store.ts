/**
 * The fitted pictures of a data set by index: decoded by the workers, kept in memory as far as they fit.
 *
 * What fits is kept for good and the rest is decoded every epoch: under a random order no other policy does
 * better. That a picture cannot be read is kept, too.
 */
import type { DataFile } from '../files/data-file.ts';
import { DecodePool, type DecodeResult } from './decode.ts';
import type { FitSettings } from './images.ts';

/** What an entry takes beside a picture's bytes; most of it, where pictures are tiny or cannot be read. */
const entryBytes = 256;

export class ImageStore {
  readonly #pool: DecodePool;
  /** Those that could be read, RGB [size, size, 3], shared, not to be changed; of others why not. */
  readonly #kept = new Map<number, DecodeResult>();
  #room: number;

  /** @param options.cacheBytes most bytes of pictures to keep */
  constructor(settings: FitSettings, options: { readonly workers: number; readonly cacheBytes: number }) {
    this.#pool = new DecodePool(settings, options.workers);
    this.#room = options.cacheBytes;
  }

  async get(index: number, file: DataFile): Promise<DecodeResult> {
    const kept = this.#kept.get(index);
    if (kept !== undefined) return kept;
    const result = await this.#pool.decode(file);
    const size = entryBytes + ('bytes' in result ? result.bytes.byteLength : 0);
    if (size <= this.#room && !this.#kept.has(index)) {
      this.#kept.set(index, result);
      this.#room -= size;
    }
    return result;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
