/** How many samples an epoch of shards has, as files beside them say: `sizes.json`, `__len__`, img2dataset's stats. */
import { z } from 'zod';
import { parseJson } from '../../files/json.ts';
import { readText } from '../../files/read-fully.ts';
import { isHttp, isPipe } from './bytes.ts';

const sizesSchema = z.record(z.string(), z.int().nonnegative());
const statsSchema = z.object({ successes: z.int().nonnegative() });
/** Milliseconds. */
const longestWait = 30_000;
const largest = 64 * 2 ** 20;

/** The text beside a shard; undefined where there is none. */
async function readBeside(place: string): Promise<string | undefined> {
  try {
    if (!isHttp(place)) return await readText(place, 'Z452');
    const response = await fetch(place, { signal: AbortSignal.timeout(longestWait) });
    if (!response.ok || Number(response.headers.get('content-length') ?? 0) > largest) return undefined;
    return await response.text();
  } catch {
    return undefined;
  }
}

function parsed<T>(schema: z.ZodType<T>, text: string | undefined): T | undefined {
  return text === undefined ? undefined : schema.safeParse(parseJson(text)).data;
}

const lastPart = /[^/]*$/;

/** Undefined where nothing says it of all shards. */
export async function samplesBeside(shards: readonly string[]): Promise<number | undefined> {
  const first = shards[0]!;
  if (shards.some(isPipe)) return undefined;
  const nameOf = (shard: string) => lastPart.exec(shard.replace(/[?#].*$/, ''))![0];
  const beside = (name: string) => first.replace(/[?#].*$/, '').replace(lastPart, name);
  const sizes = parsed(sizesSchema, await readBeside(beside('sizes.json')));
  const listed = shards.map((shard) => sizes?.[nameOf(shard)]);
  if (listed.every((size) => size !== undefined)) return listed.reduce((a, b) => a + b, 0);
  const length = Number(await readBeside(beside('__len__')));
  if (Number.isSafeInteger(length) && length > 0) return length;
  // A request for each shard is more than an address should be asked for.
  if (shards.some(isHttp)) return undefined;
  let sum = 0;
  for (const shard of shards) {
    const stats = parsed(statsSchema, await readBeside(shard.replace(/\.tar(\.gz)?$/, '_stats.json')));
    if (stats === undefined) return undefined;
    sum += stats.successes;
  }
  return sum;
}
