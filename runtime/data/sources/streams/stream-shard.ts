/** The samples of one shard as it streams by, with what is used of them in memory. */
import { Readable } from 'node:stream';
import { type Extract, extract } from 'tar-stream';
import { Unusable } from '../../../drops.ts';
import type { Row } from '../columns/row.ts';
import type { KeyList } from '../shards/key-list.ts';
import { type Gathered, Grouping, parseMember } from '../shards/members.ts';
import { decodeUtf8, longestText, type Selection } from '../shards/selection.ts';
import { ShardError } from '../shards/tar-headers.ts';
import { type StreamOptions, shardBytes } from './bytes.ts';

/** Larger members are no pictures of a training set; many of them would not fit in memory. */
const largestMember = 2 ** 28;

export interface Wanted {
  readonly selection: Selection;
  readonly keep: KeyList | undefined;
  /** Told why a sample is left out. */
  leave(unusable: Unusable): void;
}

interface StreamedMember {
  readonly extension: string;
  /** Absent for what is too large. */
  readonly bytes: Uint8Array | undefined;
}

/** @throws Unusable */
function rowOf(shard: string, sample: Gathered<StreamedMember>, { selection }: Wanted): Row {
  const { key } = sample;
  const members = selection.choose(sample).map(({ extension, bytes }) => {
    if (bytes === undefined) throw new Unusable('too_large', `${extension} that is too large`);
    return { extension, bytes };
  });
  const texts = members.map(({ extension, bytes }, slot) =>
    selection.slots[slot]!.text ? decodeUtf8(bytes, extension) : '',
  );
  selection.check(texts);
  return {
    name: `${shard}: ${key}`,
    text: selection.reader(texts),
    file(column) {
      const { extension, bytes } = members[selection.slotOf(column)]!;
      return { bytes, name: `${shard}: ${key}.${extension}` };
    },
  };
}

type Entry = Extract extends AsyncIterable<infer E> ? E : never;

async function contentOf(entry: Entry, most: number): Promise<Uint8Array | undefined> {
  const { size = 0 } = entry.header;
  if (size > most) {
    entry.resume();
    return undefined;
  }
  const parts: Uint8Array[] = [];
  for await (const part of entry) parts.push(part as Uint8Array);
  return new Uint8Array(Buffer.concat(parts));
}

/**
 * Usable samples in order, those of whole members before the place where a shard ends early.
 * @throws ShardError behind them
 */
export async function* streamShard(
  shard: string,
  wanted: Wanted,
  options: StreamOptions,
): AsyncGenerator<Row, void> {
  const { slots } = wanted.selection;
  const mostOf = new Map(
    slots.flatMap(({ extensions, text }) => extensions.map((e) => [e, text ? longestText : largestMember])),
  );
  const grouping = new Grouping<StreamedMember>();
  const tar = extract();
  const source = Readable.from(shardBytes(shard, options));
  source.on('error', (error) => tar.destroy(error));
  source.pipe(tar);
  let failure: unknown;
  try {
    const entries = tar[Symbol.asyncIterator]();
    for (;;) {
      let ended: Gathered<StreamedMember> | undefined;
      try {
        const { value: entry, done } = await entries.next();
        if (done === true) break;
        const { type } = entry.header;
        const regular = type === 'file' || type === 'contiguous-file';
        const name = regular ? parseMember(entry.header.name) : undefined;
        const most = name && mostOf.get(name.extension);
        const bytes = most === undefined ? undefined : await contentOf(entry, most);
        if (bytes === undefined) entry.resume();
        if (name !== undefined) ended = grouping.add(name, { extension: name.extension, bytes });
      } catch (error) {
        failure = error;
        break;
      }
      const row = ended && usable(shard, ended, wanted);
      if (row !== undefined) yield row;
    }
    const last = grouping.end();
    const row = last && usable(shard, last, wanted);
    if (row !== undefined) yield row;
  } finally {
    source.destroy();
    tar.destroy();
  }
  if (failure !== undefined) throw tarFailure(failure);
}

function usable(shard: string, sample: Gathered<StreamedMember>, wanted: Wanted): Row | undefined {
  if (wanted.keep?.has(sample.key) === false) return undefined;
  try {
    return rowOf(shard, sample, wanted);
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    wanted.leave(error);
    return undefined;
  }
}

/** The library's errors in our words. */
function tarFailure(error: unknown): unknown {
  const { message } = error as Error;
  if (message === 'Unexpected end of data') return new ShardError('it is cut off: a member is not whole');
  if (message.startsWith('Invalid tar header')) return new ShardError('it is no tar archive, or damaged');
  return error;
}
