/** Local shards as samples: each is indexed, or its index taken from the cache; what is wrong is counted and named. */
import { createHash } from 'node:crypto';
import type { StaticCall } from '../../../../compiler/model/types.ts';
import { DiagnosticError } from '../../../../grammar/diagnostics.ts';
import { Drops } from '../../../drops.ts';
import { cacheFolder } from '../../../node/cache-folder.ts';
import { reasonOf } from '../../files/atomic.ts';
import { shownDigest } from '../../files/digest.ts';
import { failAt } from '../../options.ts';
import type { ShardLosses } from '../../types.ts';
import type { SourceContext } from '../source-context.ts';
import { besideStamp } from './beside.ts';
import { type CachedIndex, indexPath, loadIndex, storeIndex } from './index-cache.ts';
import type { KeyList } from './key-list.ts';
import type { Selection } from './selection.ts';
import { indexShard } from './shard-index.ts';
import { ShardRows } from './shard-rows.ts';

/** Shards in error that are named one by one. */
const named = 10;
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
    const message = error instanceof DiagnosticError ? error.diagnostics[0]!.message : reasonOf(error);
    const none = { count: 0, records: new Uint8Array(), keys: new Uint8Array(), left: [], digest: '' };
    return { index: { ...none, error: message.replace(`cannot read ${path}: `, '') } };
  }
}

/** Results in order, of which a few are awaited at a time. */
async function* inOrder<T, R>(items: readonly T[], work: (item: T) => Promise<R>): AsyncGenerator<[T, R]> {
  const waiting: [T, Promise<R>][] = [];
  for (const item of items) {
    waiting.push([item, work(item)]);
    if (waiting.length < atATime) continue;
    const [first, result] = waiting.shift()!;
    yield [first, await result];
  }
  for (const [item, result] of waiting) yield [item, await result];
}

/** @throws DiagnosticError Z452 where most shards cannot be read */
export async function openShards(shards: Shards, { warn, note }: SourceContext): Promise<Opened> {
  const { call, paths, selection, name } = shards;
  const view = viewOf(shards);
  const rows = new ShardRows(name, selection);
  const digest = createHash('sha256');
  const left = new Drops();
  const errors: string[] = [];
  let unread = 0;
  let told = performance.now();
  let done = 0;
  for await (const [path, cached] of inOrder(paths, (path) => indexOf(path, shards, view))) {
    const { index } = cached;
    rows.add(path, cached);
    digest.update(`${index.count} ${index.digest} `);
    if (index.error !== undefined && index.count === 0) unread++;
    if (index.error !== undefined) errors.push(`${path}: ${index.error} (${index.count} samples are used)`);
    for (const drop of index.left) left.add(drop, drop.count);
    done++;
    if (performance.now() - told < betweenNotes) continue;
    told = performance.now();
    note?.(`reading the headers of shards: ${done} of ${paths.length}`);
  }
  if (unread > paths.length / 2)
    failAt(
      call,
      'Z452',
      `${unread} of ${paths.length} shards cannot be read; the first in error is ${errors[0]}`,
      'paths are relative to the recipe',
    );
  const shown = errors.slice(0, named).join('; ');
  if (errors.length > 0)
    warn?.({
      code: 'Z453',
      severity: 'warning',
      message: `${errors.length} of ${paths.length} shards are in error: ${shown}${errors.length > named ? '; …' : ''}`,
    });
  if (left.total > 0)
    warn?.({
      code: 'Z419',
      severity: 'warning',
      message: `${name}: ${left.total} of ${left.total + rows.count} samples are left out: ${left.inWords()}`,
    });
  const lacked = { leftOut: left.counts, inError: errors.length };
  return { rows, digest: shownDigest(digest), lacked };
}

/** Milliseconds between two lines on what is done. */
const betweenNotes = 10_000;
