/** `zooc curate`: keys of pairs, chosen so that no query has too many of them. */
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Diagnostic, fail } from '../../../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../../../grammar/render.ts';
import { Balance } from '../../../../runtime/data/curate/balance.ts';
import { type Counts, readCounts, writeCounts } from '../../../../runtime/data/curate/counts.ts';
import { type Chosen, type Corpus, choosePairs, countPairs } from '../../../../runtime/data/curate/passes.ts';
import { plotCounts } from '../../../../runtime/data/curate/plot.ts';
import { Queries } from '../../../../runtime/data/curate/queries.ts';
import { writeAtomically, writeFully } from '../../../../runtime/data/files/atomic.ts';
import { statOf } from '../../../../runtime/data/files/read-fully.ts';
import { readLines } from '../../../../runtime/data/files/text-lines.ts';
import { expandShards } from '../../../../runtime/data/sources/shards/list.ts';
import { parseCount, parsePart } from '../../models.ts';
import { count, note, print, printJson, table, writeText } from '../../output.ts';

interface CurateOptions {
  readonly queries: string;
  readonly perQuery: string;
  readonly seed: string;
  readonly text?: string;
  readonly image: string;
  readonly counts?: readonly string[];
  readonly countOnly?: boolean;
  readonly part?: string;
  readonly out?: string;
  readonly plot?: string;
  readonly json?: boolean;
}

/** The shards of `--part k/n`: those between others in the list, so that parts joined in order are the whole. */
function partOf(shards: readonly string[], part: string | undefined): readonly string[] {
  if (part === undefined) return shards;
  const { k, of: n } = parsePart(part);
  const own = shards.slice(Math.floor(((k - 1) * shards.length) / n), Math.floor((k * shards.length) / n));
  if (own.length === 0) fail('Z703', `--part ${part}: it has none of ${shards.length} shards`);
  return own;
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(seed))
    fail('Z703', `--seed ${text}: expected a whole number from 0 on`);
  return seed;
}

/** Counting may take hours: what cannot be written is said before. */
function refuseFolders(files: Readonly<Record<string, string | undefined>>): void {
  for (const [option, file] of Object.entries(files))
    if (file !== undefined && statOf(dirname(file))?.isDirectory() !== true)
      fail('Z703', `--${option} ${file}: ${dirname(file)} does not exist`);
}

/** What the options ask for. */
function parseTask(options: CurateOptions) {
  const { out, plot, counts = [], countOnly = false, part } = options;
  if (countOnly) {
    if (out !== undefined || plot !== undefined)
      fail('Z703', '--count-only chooses nothing: it goes without --out and --plot');
    if (counts.length !== 1) fail('Z703', '--count-only writes one file of counts', '--counts part1.json');
    refuseFolders({ counts: counts[0] });
    return { kind: 'count', file: counts[0]! } as const;
  }
  if (out === undefined) fail('Z703', '--out is missing', '--out keep.txt');
  if (plot !== undefined && !/\.svg$/i.test(plot))
    fail('Z703', `--plot ${plot}: the plot is an SVG`, '--plot curate.svg');
  if (part !== undefined && counts.length === 0)
    fail('Z703', 'a part is chosen by the counts of all parts', '--count-only --counts part1.json first');
  refuseFolders({ out, plot });
  return { kind: 'choose', out, plot, counts } as const;
}

/** Bytes of keys that are written at once. */
const blockBytes = 2 ** 20;

/** Writes keys, one a line. */
class KeyWriter {
  readonly #file: FileHandle;
  #keys: string[] = [];
  #length = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  add(key: string): void | Promise<void> {
    this.#keys.push(key);
    this.#length += key.length + 1;
    if (this.#length >= blockBytes) return this.end();
  }

  end(): Promise<void> {
    const text = this.#keys.map((key) => `${key}\n`).join('');
    this.#keys = [];
    this.#length = 0;
    return writeFully(this.#file, Buffer.from(text));
  }
}

function share(part: number, all: number): string {
  return all === 0 ? '' : `${((100 * part) / all).toFixed(1)} %`;
}

/** Numbers of the choice; tail queries are those that at most t pairs of the corpus match. */
function summaryOf(
  { pairs, matched, kept, expected, before, after }: Chosen,
  counts: Counts,
  perQuery: number,
) {
  const sums = { before: 0, after: 0, tailBefore: 0, tailAfter: 0 };
  let [hit, head] = [0, 0];
  for (const [query, all] of counts.perQuery.entries()) {
    if (before[query]! > 0) hit++;
    if (all > perQuery) head++;
    sums.before += before[query]!;
    sums.after += after[query]!;
    if (all > perQuery) continue;
    sums.tailBefore += before[query]!;
    sums.tailAfter += after[query]!;
  }
  return {
    pairs,
    matched,
    kept,
    expected: Math.round(expected),
    queries: before.length,
    queries_hit: hit,
    queries_above: head,
    matches: sums.before,
    matches_kept: sums.after,
    tail: sums.tailBefore / Math.max(1, sums.before),
    tail_kept: sums.tailAfter / Math.max(1, sums.after),
  };
}

function tableOf(s: ReturnType<typeof summaryOf>, perQuery: number): string {
  const percent = (part: number) => `${(100 * part).toFixed(1)} %`;
  return table(
    [
      ['', 'before', 'kept', ''],
      ['pairs', count(s.pairs), count(s.kept), `${share(s.kept, s.pairs)}, ${count(s.expected)} expected`],
      ['matched by a query', count(s.matched), count(s.kept), share(s.matched, s.pairs)],
      ['matches', count(s.matches), count(s.matches_kept), share(s.matches_kept, s.matches)],
      [`of queries up to ${count(perQuery)} pairs`, percent(s.tail), percent(s.tail_kept), 'tail share'],
      [
        'queries hit',
        count(s.queries_hit),
        '',
        `of ${count(s.queries)}, ${count(s.queries_above)} of them above`,
      ],
    ],
    [1, 2],
  );
}

async function choose(
  corpus: Corpus,
  task: { readonly out: string; readonly plot: string | undefined; readonly counts: readonly string[] },
  { perQuery, seed, json }: { readonly perQuery: number; readonly seed: number; readonly json: boolean },
): Promise<void> {
  const counted = task.counts.length > 0;
  const counts = counted ? await readCounts(task.counts, corpus.queries) : await countPairs(corpus);
  const balance = new Balance(counts.perQuery, perQuery, seed);
  // What the first pass said is not said again.
  const { warn: _, ...quiet } = corpus;
  let chosen: Chosen | undefined;
  await writeAtomically(task.out, async (file) => {
    const writer = new KeyWriter(file);
    chosen = await choosePairs(counted ? corpus : quiet, counts, balance, (key) => writer.add(key));
    await writer.end();
  });
  const { before, after } = chosen!;
  if (task.plot !== undefined) await writeText(task.plot, plotCounts({ before, after, perQuery }));
  const summary = summaryOf(chosen!, counts, perQuery);
  if (json) return printJson({ out: task.out, ...summary });
  note(tableOf(summary, perQuery));
  print(task.out);
}

export async function curate(patterns: readonly string[], options: CurateOptions): Promise<void> {
  const task = parseTask(options);
  const perQuery = parseCount('--per-query', options.perQuery);
  const seed = parseSeed(options.seed);
  const all = expandShards({ name: 'curate', args: [], named: {} }, patterns);
  const shards = partOf(all, options.part);
  const corpus: Corpus = {
    shards,
    choice: { text: options.text, image: options.image },
    queries: new Queries(await readLines(options.queries)),
    warn: (warning: Diagnostic) => note(renderDiagnostics([warning])),
    note,
  };
  const json = options.json === true;
  if (task.kind === 'choose') return choose(corpus, task, { perQuery, seed, json });
  const counts = await countPairs(corpus);
  await writeCounts(task.file, corpus.queries, counts);
  const found = [...counts.shards.values()];
  const sum = (figure: 'pairs' | 'matched') => found.reduce((a, shard) => a + shard[figure], 0);
  if (json) return printJson({ counts: task.file, pairs: sum('pairs'), matched: sum('matched') });
  note(
    `${count(sum('pairs'))} pairs, ${count(sum('matched'))} matched by a query, in ${count(shards.length)} shards`,
  );
  print(task.file);
}
