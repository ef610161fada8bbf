/** Every sample of a shard, with its picture and what is said of it, from wherever the shard lies. */
import { type DataFile, withBytes } from '../../runtime/data/files/data-file.ts';
import { openRegular } from '../../runtime/data/files/read-fully.ts';
import { type Gathered, Grouping, parseMember } from '../../runtime/data/sources/shards/members.ts';
import { longestText } from '../../runtime/data/sources/shards/selection.ts';
import { compression, ForwardReader, walkTar } from '../../runtime/data/sources/shards/tar-headers.ts';
import { isHttp, isPipe } from '../../runtime/data/sources/streams/bytes.ts';
import { httpTiming } from '../../runtime/data/sources/streams/http.ts';
import { gatherStream, largestMember } from '../../runtime/data/sources/streams/stream-shard.ts';

export interface ShardSample {
  readonly key: string;
  /** Absent where it has none. */
  readonly picture?: DataFile;
  /** Of the member `txt`. */
  readonly text?: string;
  /** Of the member `json`. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Of pictures, the first that is there; those that webdataset knows stand first. */
const pictureExtensions = 'jpg png jpeg webp gif bmp tif tiff avif svg'.split(' ');
const textExtensions = ['txt', 'json'];

interface Member {
  readonly file: DataFile;
  /** Of texts that are not too long. */
  readonly bytes?: Uint8Array | undefined;
}

/** Undefined for what is no UTF-8. */
function decoded(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** None where the text is no object of JSON: a picture is worth keeping without them. */
function fieldsOf(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}

function sampleOf({ key, members }: Gathered<Member>): ShardSample {
  const picture = pictureExtensions.map((extension) => members.get(extension)).find((m) => m !== undefined);
  const text = decoded(members.get('txt')?.bytes);
  return {
    key,
    ...(picture === undefined ? {} : { picture: picture.file }),
    ...(text === undefined ? {} : { text }),
    fields: fieldsOf(decoded(members.get('json')?.bytes)),
  };
}

async function* localSamples(path: string): AsyncGenerator<ShardSample, void> {
  const file = await openRegular(path, 'Z452');
  try {
    const reader = new ForwardReader(file, (await file.stat()).size);
    const grouping = new Grouping<Member>();
    for await (const { name, offset, size } of walkTar(reader)) {
      const parsed = parseMember(name);
      if (parsed === undefined) continue;
      const isText = textExtensions.includes(parsed.extension) && size <= longestText;
      const bytes = isText ? new Uint8Array(await reader.read(offset, size)) : undefined;
      const ended = grouping.add(parsed, { file: { path, offset, size, name }, bytes });
      if (ended !== undefined) yield sampleOf(ended);
    }
    const last = grouping.end();
    if (last !== undefined) yield sampleOf(last);
  } finally {
    await file.close();
  }
}

function mostOf(extension: string): number | undefined {
  if (textExtensions.includes(extension)) return longestText;
  return pictureExtensions.includes(extension) ? largestMember : undefined;
}

async function* streamedSamples(shard: string): AsyncGenerator<ShardSample, void> {
  const stop = new AbortController();
  try {
    for await (const { key, members } of gatherStream(shard, mostOf, {
      timing: httpTiming,
      signal: stop.signal,
    })) {
      const held = [...members].flatMap(([extension, { bytes }]) =>
        bytes === undefined
          ? []
          : [[extension, { file: { bytes, name: `${shard}: ${key}.${extension}` }, bytes }] as const],
      );
      yield sampleOf({ key, members: new Map(held) });
    }
  } finally {
    stop.abort();
  }
}

/** Whether a shard can be read at any place. */
export function isLocal(shard: string): boolean {
  return !isHttp(shard) && !isPipe(shard);
}

async function isCompressed(path: string): Promise<boolean> {
  const file = await openRegular(path, 'Z452');
  await file.close();
  return compression(await withBytes(path, (reader) => reader.read(0, 6))) === 'gzip';
}

/**
 * Samples in the order of the members.
 * @throws ShardError behind those of whole members where the shard is cut off or damaged; DiagnosticError or a system
 * error where it cannot be opened
 */
export async function* shardSamples(shard: string): AsyncGenerator<ShardSample, void> {
  const walked = isLocal(shard) && !(await isCompressed(shard));
  yield* walked ? localSamples(shard) : streamedSamples(shard);
}
