/**
 * The fitted pictures of a data set by index: decoded by the workers, kept in memory as far as they fit.
 *
 * What fits is kept for good and the rest is decoded every epoch: under a random order no other policy does
 * better. That a picture cannot be read is kept, too.
 */
import { DecodePool, type DecodeResult } from './decode.ts';
import type { FitSettings } from './images.ts';

export class ImageStore {
  readonly #paths: readonly string[];
  readonly #pool: DecodePool;
  /** Those that could be read, RGB [size, size, 3], shared, not to be changed; of others why not. */
  readonly #kept = new Map<number, DecodeResult>();
  #room: number;

  /** @param options.cacheBytes most bytes of pictures to keep */
  constructor(
    paths: readonly string[],
    settings: FitSettings,
    options: { readonly workers: number; readonly cacheBytes: number },
  ) {
    this.#paths = paths;
    this.#pool = new DecodePool(settings, options.workers);
    this.#room = options.cacheBytes;
  }

  path(index: number): string {
    return this.#paths[index]!;
  }

  async get(index: number): Promise<DecodeResult> {
    const kept = this.#kept.get(index);
    if (kept !== undefined) return kept;
    const result = await this.#pool.decode(this.path(index));
    const size = 'bytes' in result ? result.bytes.byteLength : 0;
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
