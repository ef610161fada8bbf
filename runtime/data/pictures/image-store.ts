/**
 * The fitted pictures of a data set by index: decoded by the workers, kept in memory as far as they fit.
 *
 * What fits is kept for good and the rest is decoded every epoch: under a random order no other policy does
 * better. A picture that cannot be read is replaced by the next readable one in the table's order, which
 * depends on the files alone and not on timing.
 */
import { fail } from '../../../grammar/diagnostics.ts';
import { DecodePool, type DecodeSettings } from './decode.ts';

/** After so many unreadable pictures in a row the folder is wrong, not the pictures. */
const mostInRow = 1000;

interface StoredImage {
  /** The index that it belongs to: another than asked for, if that one cannot be read. */
  readonly index: number;
  /** RGB [size, size, 3]; shared, not to be changed. */
  readonly bytes: Uint8Array;
}

export class ImageStore {
  readonly #paths: readonly string[];
  readonly #pool: DecodePool;
  readonly #kept = new Map<number, Uint8Array>();
  readonly #unreadable = new Map<number, string>();
  #room: number;

  /** @param options.cacheBytes most bytes of pictures to keep */
  constructor(
    paths: readonly string[],
    settings: DecodeSettings,
    options: { readonly workers: number; readonly cacheBytes: number },
  ) {
    this.#paths = paths;
    this.#pool = new DecodePool(settings, options.workers);
    this.#room = options.cacheBytes;
  }

  /**
   * The picture at `index`, or the next one that can be read.
   * @throws DiagnosticError Z416 when none of many, or none of all, can be read
   */
  async get(index: number): Promise<StoredImage> {
    const count = this.#paths.length;
    const tries = Math.min(count, mostInRow);
    for (let k = 0; k < tries; k++) {
      const at = (index + k) % count;
      const bytes = await this.#load(at);
      if (bytes !== undefined) return { index: at, bytes };
    }
    const first = tries === count ? 0 : index;
    const all = tries === count ? `none of the ${count} pictures` : `none of ${tries} pictures in a row`;
    fail('Z416', `${all} can be read; ${this.#paths[first]}: ${this.#unreadable.get(first)}`);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  async #load(index: number): Promise<Uint8Array | undefined> {
    const kept = this.#kept.get(index);
    if (kept !== undefined) return kept;
    if (this.#unreadable.has(index)) return undefined;
    const result = await this.#pool.decode(this.#paths[index]!);
    if ('reason' in result) {
      this.#unreadable.set(index, result.reason);
      return undefined;
    }
    if (result.bytes.byteLength <= this.#room && !this.#kept.has(index)) {
      this.#kept.set(index, result.bytes);
      this.#room -= result.bytes.byteLength;
    }
    return result.bytes;
  }
}
