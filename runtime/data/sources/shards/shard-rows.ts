/**
 * Samples of local shards by number, in the order of the list and of each shard's members.
 *
 * Indices stay in memory as far as there is room, those of further shards are read from the cache, a record at a
 * time: 10^8 samples take a few numbers a shard.
 */
import { withBytes } from '../../files/data-file.ts';
import type { Row } from '../columns/row.ts';
import type { SampleRows } from '../samples.ts';
import type { CachedIndex } from './index-cache.ts';
import { decodeUtf8, type Selection, type Slot } from './selection.ts';
import { readRecord, recordBytes } from './shard-index.ts';

interface Shard {
  readonly path: string;
  readonly place: CachedIndex['place'];
  /** Records and keys, where there is room for them. */
  readonly kept: { readonly records: Uint8Array; readonly keys: Uint8Array } | undefined;
}

/** Bytes of indices in memory. */
const room = 256 * 2 ** 20;

export class ShardRows implements SampleRows {
  readonly path: string;
  readonly #selection: Selection;
  readonly #shards: Shard[] = [];
  /** Samples before each shard, and of all. */
  readonly #before: number[] = [0];
  #room: number;

  /** @param path what messages call them all */
  constructor(path: string, selection: Selection, bytes = room) {
    this.path = path;
    this.#selection = selection;
    this.#room = bytes;
  }

  get count(): number {
    return this.#before.at(-1)!;
  }

  add(path: string, { index, place }: CachedIndex): void {
    const { records, keys, count } = index;
    const bytes = records.length + keys.length;
    const keep = place === undefined || bytes <= this.#room;
    if (keep) this.#room -= bytes;
    this.#shards.push({ path, place, kept: keep ? { records, keys } : undefined });
    this.#before.push(this.count + count);
  }

  async row(number: number): Promise<Row> {
    const shard = this.#shardOf(number);
    const { path } = this.#shards[shard]!;
    const { key, members, keysAt } = await this.#find(this.#shards[shard]!, number - this.#before[shard]!);
    const { slots } = this.#selection;
    const file = (slot: number) => ({ path, ...members[slot]!, name: memberName(key, slots[slot]!) });
    const texts = await Promise.all(
      slots.map(async ({ text, extensions }, slot) => {
        if (!text) return '';
        const { size, offset } = members[slot]!;
        if (offset < 0) return decodeUtf8(await keysAt(-1 - offset, size), extensions[0]!);
        return decodeUtf8(await withBytes(file(slot), (reader) => reader.read(0, size)), extensions[0]!);
      }),
    );
    return {
      name: `${path}: ${key}`,
      text: this.#selection.reader(texts),
      file: (column) => file(this.#selection.slotOf(column)),
    };
  }

  /** The last shard that begins at or before this sample. */
  #shardOf(number: number): number {
    let [low, high] = [0, this.#shards.length];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#before[middle]! <= number) low = middle;
      else high = middle;
    }
    return low;
  }

  async #find({ kept, place }: Shard, index: number) {
    const { slots } = this.#selection;
    const length = recordBytes(slots.length);
    const at = index * length;
    if (kept !== undefined) {
      const keysAt = async (from: number, size: number) => kept.keys.subarray(from, from + size);
      return withKey(readRecord(kept.records.subarray(at, at + length), slots.length), keysAt);
    }
    const { path, recordsAt, keysAt: keys, size } = place!;
    // Record and key with one opening of the file, which takes longer than reading.
    return withBytes({ path, offset: 0, size, name: '' }, async (reader) => {
      const record = readRecord(await reader.read(recordsAt + at, length), slots.length);
      const found = await withKey(record, (from, length) => reader.read(keys + from, length));
      const keysAt: KeysAt = (from, length) =>
        withBytes({ path, offset: keys + from, size: length, name: '' }, (part) => part.read(0, length));
      return { ...found, keysAt };
    });
  }
}

type KeysAt = (from: number, size: number) => Promise<Uint8Array>;

async function withKey({ members, keyAt, keyLength }: ReturnType<typeof readRecord>, keysAt: KeysAt) {
  return { members, key: keyIn(await keysAt(keyAt, keyLength)), keysAt };
}

function keyIn(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

/** Which of several extensions it has is not in the index. */
function memberName(key: string, { extensions }: Slot): string {
  return extensions.length === 1 ? `${key}.${extensions[0]}` : key;
}
