/** How many pairs match each query, as files that machines write and one adds up. */
import { z } from 'zod';
import { fail } from '../../../grammar/diagnostics.ts';
import { failSystem, writeText } from '../files/atomic.ts';
import { parseJson } from '../files/json.ts';
import { readText } from '../files/read-fully.ts';
import type { Queries } from './queries.ts';

/** What was found in one shard. */
export interface ShardCount {
  readonly pairs: number;
  /** Pairs that match a query. */
  readonly matched: number;
  /** Queries that pairs match, over all pairs. */
  readonly matches: number;
}

export interface Counts {
  /** By name, in order. */
  readonly shards: ReadonlyMap<string, ShardCount>;
  /** Pairs by query. */
  readonly perQuery: Float64Array;
}

const whole = z.int().nonnegative();
const schema = z.object({
  format: z.literal('zooc counts 1'),
  queries: z.object({ count: whole, digest: z.string() }),
  shards: z.array(z.tuple([z.string(), whole, whole, whole])),
  counts: z.array(whole),
});

export function writeCounts(path: string, queries: Queries, { shards, perQuery }: Counts): Promise<void> {
  const file: z.infer<typeof schema> = {
    format: 'zooc counts 1',
    queries: { count: queries.count, digest: queries.digest },
    shards: [...shards].map(([name, { pairs, matched, matches }]) => [name, pairs, matched, matches]),
    counts: [...perQuery],
  };
  return writeText(path, `${JSON.stringify(file)}\n`);
}

async function readFile(path: string): Promise<z.infer<typeof schema>> {
  let text = '';
  try {
    text = await readText(path, 'Z454');
  } catch (error) {
    failSystem('Z454', `cannot read ${path}`, error);
  }
  const parsed = schema.safeParse(parseJson(text));
  if (!parsed.success || parsed.data.counts.length !== parsed.data.queries.count)
    fail('Z454', `${path} holds no counts of queries`, 'curate … --count-only --counts FILE writes them');
  return parsed.data;
}

/**
 * The sum of counts.
 * @throws DiagnosticError Z454 for those of other queries, and where a shard was counted twice
 */
export async function readCounts(paths: readonly string[], queries: Queries): Promise<Counts> {
  const shards = new Map<string, ShardCount>();
  const places = new Map<string, string>();
  const perQuery = new Float64Array(queries.count);
  for (const path of paths) {
    const file = await readFile(path);
    if (file.queries.digest !== queries.digest)
      fail('Z454', `${path} counts other queries: ${file.queries.count}, and these are ${queries.count}`);
    for (const [name, pairs, matched, matches] of file.shards) {
      const other = places.get(name);
      if (other !== undefined) fail('Z454', `the shard ${name} is counted twice: in ${other} and in ${path}`);
      places.set(name, path);
      shards.set(name, { pairs, matched, matches });
    }
    for (const [query, count] of file.counts.entries()) perQuery[query]! += count;
  }
  return { shards, perQuery };
}
