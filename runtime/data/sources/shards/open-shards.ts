/** Local shards as samples: each is indexed, or its index taken from the cache; what is wrong is counted and named. */
import { createHash } from 'node:crypto';
import type { StaticCall } from '../../../../compiler/model/types.ts';
import { cacheFolder } from '../../../node/cache-folder.ts';
import { shownDigest } from '../../files/digest.ts';
import { inOrder } from '../../in-order.ts';
import type { ShardLosses } from '../../types.ts';
import type { SourceContext } from '../source-context.ts';
import { besideStamp } from './beside.ts';
import { type CachedIndex, indexPath, loadIndex, storeIndex } from './index-cache.ts';
import type { KeyList } from './key-list.ts';
import { reasonInShard, ShardLossCounts } from './losses.ts';
import type { Selection } from './selection.ts';
import { indexShard } from './shard-index.ts';
import { ShardRows } from './shard-rows.ts';

/** Shards that are indexed at a time: one waits for the disk while another is parsed. */
const atATime = 4;

interface Opened {
  readonly rows: ShardRows;
  /** Of all keys and texts. */
  readonly digest: string;
  readonly lacked: ShardLosses;
}

interface Shards {
  readonly call: StaticCall;
  readonly paths: readonly string[];
  readonly selection: Selection;
  readonly keep: KeyList | undefined;
  /** What messages call them all. */
  readonly name: string;
}

/** What of shards an index is of. */
function viewOf({ selection, keep, call }: Shards): string {
  const { json, text, split, inputs } = call.named;
  const parts = [selection.slots, keep?.digest, json, text, split, inputs];
  return JSON.stringify(parts, (key, value) => (key === 'span' ? undefined : value));
}

async function indexOf(path: string, shards: Shards, view: string): Promise<CachedIndex> {
  const { selection, keep } = shards;
  const slots = selection.slots.length;
  const stamp = selection.beside.length === 0 ? '' : await besideStamp(path);
  const cache = await indexPath(path, `${view}${stamp}`, cacheFolder());
  const known = cache === undefined ? undefined : await loadIndex(cache, slots);
  if (known !== undefined) return known;
  try {
    const index = await indexShard(path, selection, keep);
    const place = cache === undefined ? undefined : await storeIndex(cache, index, slots);
    return { index, ...(place === undefined ? {} : { place }) };
  } catch (error) {
    const none = { count: 0, records: new Uint8Array(), keys: new Uint8Array(), left: [], digest: '' };
    return { index: { ...none, error: reasonInShard(path, error) } };
  }
}

/** @throws DiagnosticError Z452 where most shards cannot be read */
export async function openShards(
  shards: Shards,
  { warn, note }: Pick<SourceContext, 'warn' | 'note'>,
): Promise<Opened> {
  const { call, paths, selection, name } = shards;
  const view = viewOf(shards);
  const rows = new ShardRows(name, selection);
  const digest = createHash('sha256');
  const losses = new ShardLossCounts();
  let told = performance.now();
  let done = 0;
  const indices = inOrder(paths, atATime, async (path) => ({
    path,
    cached: await indexOf(path, shards, view),
  }));
  for await (const { path, cached } of indices) {
    const { index } = cached;
    rows.add(path, cached);
    digest.update(`${index.count} ${index.digest} `);
    if (index.error !== undefined) losses.fail(path, index.error, index.count);
    for (const drop of index.left) losses.leave(drop, drop.count);
    done++;
    if (performance.now() - told < betweenNotes) continue;
    told = performance.now();
    note?.(`reading the headers of shards: ${done} of ${paths.length}`);
  }
  losses.tell(
    { call, name, shards: paths.length, used: rows.count, help: 'paths are relative to the recipe' },
    warn,
  );
  return { rows, digest: shownDigest(digest), lacked: losses.losses };
}

/** Milliseconds between two lines on what is done. */
const betweenNotes = 10_000;
