/**
 * The index of one shard: where the members of each sample lie that are used, as packed bytes.
 *
 * It is made by one walk over the headers that reads texts, but no pictures. What is left out is counted by reason;
 * a shard that is cut off or damaged gives the samples before that place.
 */
import { createHash, type Hash } from 'node:crypto';
import { type CountedDrop, Drops, Unusable } from '../../../drops.ts';
import { besideExtension, readBeside } from './beside.ts';
import type { KeyList } from './key-list.ts';
import { type Gathered, Grouping, parseMember } from './members.ts';
import { decodeUtf8, longestText, type Selection } from './selection.ts';
import { type ForwardReader, ShardError, type TarMember, walkTar, withReader } from './tar-headers.ts';

export interface ShardIndex {
  readonly count: number;
  /** `recordBytes` for each sample. */
  readonly records: Uint8Array;
  /** Keys and inline texts, one behind the other. */
  readonly keys: Uint8Array;
  /** Samples that are left out. */
  readonly left: readonly CountedDrop[];
  /** What is wrong with the shard from some place on. */
  readonly error?: string;
  /** Of keys and texts. */
  readonly digest: string;
}

export interface Found {
  readonly key: string;
  /** By slot. */
  readonly members: readonly { readonly offset: number; readonly size: number }[];
}

/** An offset and a size for each slot, then place and length of the key. Offset -1 - n is place n among the keys. */
export function recordBytes(slots: number): number {
  return slots * 12 + 8;
}

/** Bytes that grow. */
class Growing {
  #bytes = Buffer.alloc(4096);
  length = 0;

  add(bytes: Uint8Array): void {
    while (this.length + bytes.length > this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length)]);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

class IndexBuilder {
  readonly #selection: Selection;
  readonly #keep: KeyList | undefined;
  readonly #records = new Growing();
  readonly #keys = new Growing();
  readonly #left = new Drops();
  readonly #digest: Hash = createHash('sha256');
  #count = 0;

  constructor(selection: Selection, keep: KeyList | undefined) {
    this.#selection = selection;
    this.#keep = keep;
  }

  add(sample: Gathered<IndexedMember>): void {
    const { key } = sample;
    if (this.#keep?.has(key) === false) return;
    try {
      const members = this.#selection.choose(sample);
      const texts = members.map(({ extension, content }, slot) =>
        this.#selection.slots[slot]!.text ? textOf(content, extension) : '',
      );
      this.#selection.check(texts);
      for (const text of [key, ...texts]) this.#digest.update(`${text.length} ${text}`);
      this.#write(key, members);
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      this.#left.add({ kind: error.kind, reason: error.message });
    }
  }

  finish(error: string | undefined): ShardIndex {
    return {
      count: this.#count,
      records: this.#records.finish(),
      keys: this.#keys.finish(),
      left: this.#left.all,
      ...(error === undefined ? {} : { error }),
      digest: this.#digest.digest('hex').slice(0, 32),
    };
  }

  #write(key: string, members: readonly IndexedMember[]): void {
    const record = Buffer.alloc(recordBytes(members.length));
    let at = 0;
    for (const { offset, size, inline, content } of members) {
      at = record.writeDoubleLE(inline === true ? -1 - this.#keys.length : offset, at);
      if (inline === true) this.#keys.add(content!);
      at = record.writeUInt32LE(Math.min(size, 0xffffffff), at);
    }
    const name = Buffer.from(key);
    at = record.writeUInt32LE(this.#keys.length, at);
    record.writeUInt32LE(name.length, at);
    this.#keys.add(name);
    this.#records.add(record);
    this.#count++;
  }
}

interface IndexedMember extends TarMember {
  readonly extension: string;
  /** Of texts. */
  readonly content: Uint8Array | undefined;
  /** Whether the index has the content itself, which no member has. */
  readonly inline?: boolean;
}

function textOf(content: Uint8Array | undefined, extension: string): string {
  if (content === undefined)
    throw new Unusable('too_large', `${extension} of more than ${longestText} bytes`);
  return decodeUtf8(content, extension);
}

/**
 * Indexes a shard.
 * @throws DiagnosticError or system error where it cannot be opened or read
 */
export async function indexShard(path: string, selection: Selection, keep?: KeyList): Promise<ShardIndex> {
  const builder = new IndexBuilder(selection, keep);
  const grouping = new Grouping<IndexedMember>();
  const texts = new Set(selection.slots.flatMap(({ extensions, text }) => (text ? extensions : [])));
  const { beside } = selection;
  const rows = beside.length === 0 ? undefined : await readBeside(path, beside);
  const add = (sample: Gathered<IndexedMember>) => builder.add(withRow(sample, rows));
  let error: string | undefined;
  try {
    await withReader(path, async (reader) => {
      for await (const member of walkTar(reader)) {
        const name = parseMember(member.name);
        if (name === undefined) continue;
        const { extension } = name;
        const content = texts.has(extension) ? await contentOf(reader, member) : undefined;
        const ended = grouping.add(name, { ...member, extension, content });
        if (ended !== undefined) add(ended);
      }
    });
  } catch (failure) {
    if (!(failure instanceof ShardError)) throw failure;
    error = failure.message;
  }
  const last = grouping.end();
  if (last !== undefined) add(last);
  return builder.finish(error);
}

/** A sample with its row of the parquet file beside the shard as a further member. */
function withRow(
  sample: Gathered<IndexedMember>,
  rows: ReadonlyMap<string, string> | undefined,
): Gathered<IndexedMember> {
  const text = rows?.get(sample.key);
  if (text === undefined) return sample;
  const content = Buffer.from(text);
  const member = {
    name: besideExtension,
    extension: besideExtension,
    offset: 0,
    size: content.length,
    content,
    inline: true,
  };
  return { key: sample.key, members: new Map([...sample.members, [besideExtension, member]]) };
}

async function contentOf(
  reader: ForwardReader,
  { offset, size }: TarMember,
): Promise<Uint8Array | undefined> {
  return size > longestText ? undefined : new Uint8Array(await reader.read(offset, size));
}

/** The sample whose record this is. */
export function readRecord(
  record: Uint8Array,
  slots: number,
): Omit<Found, 'key'> & { keyAt: number; keyLength: number } {
  const view = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
  const members = Array.from({ length: slots }, (_, slot) => ({
    offset: view.readDoubleLE(slot * 12),
    size: view.readUInt32LE(slot * 12 + 8),
  }));
  return { members, keyAt: view.readUInt32LE(slots * 12), keyLength: view.readUInt32LE(slots * 12 + 4) };
}
