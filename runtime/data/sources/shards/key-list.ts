/**
 * Keys of the samples to keep, one a line: `keep = LIST`.
 *
 * Half a billion of them are held by 64-bit digests, sorted: 8 bytes a key. Two keys of one digest are
 * expected among 6 · 10^9.
 */
import { hash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { failSystem } from '../../files/atomic.ts';
import { digestOf } from '../../files/digest.ts';
import { openRegular } from '../../files/read-fully.ts';

export class KeyList {
  readonly #sorted: BigUint64Array;
  /** Of the keys, in any order. */
  readonly digest: string;

  constructor(digests: BigUint64Array) {
    this.#sorted = digests.sort();
    this.digest = digestOf((hash) => hash.update(this.#sorted));
  }

  has(key: string): boolean {
    const wanted = keyDigest(key);
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return this.#sorted[low] === wanted;
  }
}

function keyDigest(key: string): bigint {
  return hash('sha1', key, 'buffer').readBigUInt64LE();
}

/** @throws DiagnosticError Z412 */
export async function readKeyList(path: string): Promise<KeyList> {
  let digests = new BigUint64Array(1024);
  let count = 0;
  try {
    const file = await openRegular(path, 'Z412');
    try {
      const lines = createInterface({ input: file.createReadStream({ autoClose: false }), crlfDelay: 1000 });
      for await (const line of lines) {
        const key = line.trim();
        if (key === '') continue;
        if (count === digests.length) {
          const more = new BigUint64Array(2 * count);
          more.set(digests);
          digests = more;
        }
        digests[count++] = keyDigest(key);
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    failSystem('Z412', `cannot read ${path}`, error);
  }
  return new KeyList(digests.slice(0, count));
}
