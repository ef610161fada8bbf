/** `zooc embed --shards`: features and metadata of shards into a folder, a share of them with `--part`. */
import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, relative, resolve } from 'node:path';
import { DiagnosticError, fail } from '../../../../grammar/diagnostics.ts';
import { makeFolders, reasonOf } from '../../../../runtime/data/files/atomic.ts';
import { defaultWorkers } from '../../../../runtime/data/pictures/decode.ts';
import { expandShards } from '../../../../runtime/data/sources/shards/list.ts';
import { embedShards, type Shard, type ShardsResult } from '../../../embed/embed-shards.ts';
import { claimIndex, identityOf } from '../../../embed/index-file.ts';
import { isLocal } from '../../../embed/shard-samples.ts';
import { mostRows } from '../../../run/encoder.ts';
import { closing } from '../../closing.ts';
import { type Part, parseCount, parsePart } from '../../models.ts';
import { count, note, printJson } from '../../output.ts';
import { type EmbedOptions, openModel } from './open.ts';

/** The last name of an archive in an address or a command. */
const archive = /([^/\s?&=:'"]+?)\.(?:tar\.gz|tgz|tar)(?![\w.])/g;

function nameOf(shard: string): string {
  const name = [...shard.matchAll(archive)].at(-1)?.[1] ?? (isLocal(shard) ? basename(shard) : undefined);
  if (name === undefined || name.startsWith('.'))
    fail('Z452', `${shard} has no name that its features could have`, 'a shard is called NAME.tar');
  return name;
}

/** Where a folder is, links followed, if it is there. */
function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

/** @throws DiagnosticError Z452 for shards that would be written over each other, or over what lies beside them */
function shardsOf(patterns: readonly string[], out: string): Shard[] {
  const paths = expandShards({ name: 'embed', args: [], named: {} }, patterns);
  const byName = new Map<string, string>();
  return paths.map((path) => {
    const name = nameOf(path);
    const other = byName.get(name);
    if (other !== undefined)
      fail(
        'Z452',
        `${other} and ${path} would both be ${name}.npy`,
        'embed the folders into folders of their own',
      );
    byName.set(name, path);
    const local = isLocal(path);
    if (local && realOf(dirname(path)) === realOf(out))
      fail(
        'Z452',
        `${out} holds the shards: ${name}.parquet beside one may be img2dataset's`,
        '--out another folder',
      );
    return { path, name, from: local && !isAbsolute(path) ? relative(out, path) : path };
  });
}

/** Shards in error that are named one by one. */
const named = 10;
/** Reasons that the last line tells apart. */
const reasonsShown = 5;
/** Milliseconds between two lines on what is done. */
const betweenNotes = 10_000;

function tell({ written, skipped, pictures, left, failed }: ShardsResult, seconds: number): void {
  const rate = `${(pictures / seconds).toFixed(1)} a second`;
  note(
    `${count(pictures)} pictures of ${count(written)} shards in ${seconds.toFixed(1)} s, ${rate}; ${count(skipped)} shards were done`,
  );
  const sorted = [...left].sort(([, a], [, b]) => b - a);
  const shown = sorted.slice(0, reasonsShown).map(([reason, n]) => `${count(n)} × ${reason}`);
  const sum = (list: typeof sorted) => count(list.reduce((all, [, n]) => all + n, 0));
  if (sorted.length > reasonsShown) shown.push(`${sum(sorted.slice(reasonsShown))} × other reasons`);
  if (sorted.length > 0) note(`${sum(sorted)} samples are left out: ${shown.join(', ')}`);
  if (failed.length === 0) return;
  throw new DiagnosticError(
    [
      ...failed.slice(0, named).map(({ shard, reason }) => `${shard}: ${reason}; nothing is written of it`),
      ...(failed.length > named ? [`${failed.length - named} further shards are in error`] : []),
    ].map((message) => ({ code: 'Z452', severity: 'error', message })),
  );
}

/** A part's shards, spread over the list. */
function everyNth<T>(list: readonly T[], { k, of }: Part): T[] {
  return list.filter((_, i) => i % of === k - 1);
}

export async function embedShardFiles(
  reference: string,
  patterns: readonly string[],
  options: EmbedOptions,
): Promise<void> {
  const { out, dtype = 'f16' } = options;
  if (out === undefined) fail('Z703', 'embed --shards needs --out', '--out features');
  const all = shardsOf(patterns, out);
  const shards = options.part === undefined ? all : everyNth(all, parsePart(options.part));
  const rows = options.batch === undefined ? mostRows : parseCount('--batch', options.batch);
  const workers = options.workers === undefined ? defaultWorkers() : parseCount('--workers', options.workers);
  const { result, seconds } = await closing(async (keep) => {
    const { model, weights, encoder } = await openModel(reference, options, keep, rows);
    try {
      await makeFolders(out);
    } catch (error) {
      fail('Z413', `cannot write ${out}: ${reasonOf(error)}`);
    }
    await claimIndex(out, { ...(await identityOf(model, weights)), dtype });
    const started = performance.now();
    let [told, shardsDone, pictures] = [started, 0, 0];
    const result = await embedShards(encoder, {
      ...{ shards, out, dtype, rows, workers },
      done(_, found) {
        shardsDone++;
        pictures += found;
        if (performance.now() - told < betweenNotes) return;
        told = performance.now();
        note(`${count(shardsDone)} shards of ${count(shards.length)}, ${count(pictures)} pictures`);
      },
    });
    return { result, seconds: (performance.now() - started) / 1000 };
  });
  if (options.json === true) printJson({ out, ...result, left: Object.fromEntries(result.left), seconds });
  tell(result, seconds);
}
