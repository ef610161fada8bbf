/** The two passes over captions: one counts what matches each query, the other chooses by the counts. */
import type { StaticCall } from '../../../compiler/model/types.ts';
import { type Diagnostic, fail } from '../../../grammar/diagnostics.ts';
import { reasonInShard, ShardLossCounts } from '../sources/shards/losses.ts';
import type { Balance } from './balance.ts';
import { type CaptionChoice, readCaptions } from './captions.ts';
import type { Counts, ShardCount } from './counts.ts';
import type { Queries } from './queries.ts';

/** The pairs that the passes go through. */
export interface Corpus {
  readonly shards: readonly string[];
  readonly choice: CaptionChoice;
  readonly queries: Queries;
  /** Told of what is left out. */
  readonly warn?: (warning: Diagnostic) => void;
  readonly note: (text: string) => void;
}

/** Milliseconds between two lines on what is done. */
const betweenNotes = 10_000;
const call: StaticCall = { name: 'curate', args: [], named: {} };

type Visit = (key: string, queries: readonly number[]) => void | Promise<void>;

/** Calls `act`, and tells its errors from those of whoever calls back. */
class Guard {
  error: unknown;

  run(act: () => void | Promise<void>): void | Promise<void> {
    try {
      return act()?.catch((error: unknown) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): never {
    this.error = error;
    throw error;
  }
}

/** Says once where shards begin with the same key: a list of keys cannot tell their pairs apart. */
class FirstKeys {
  readonly #shards = new Map<string, string>();
  #told = false;

  see(key: string, shard: string, warn: Corpus['warn']): void {
    const other = this.#shards.get(key);
    this.#shards.set(key, shard);
    if (other === undefined || this.#told) return;
    this.#told = true;
    const message = `the shards ${other} and ${shard} both begin with the key ${key}: a list of keys keeps or drops the pairs of both`;
    warn?.({ code: 'Z455', severity: 'warning', message, help: 'curate each data set by itself' });
  }
}

/**
 * Goes through all pairs in the order of shards and members.
 * @param done told of each shard what was found in it, and what is wrong with it
 * @throws DiagnosticError Z452
 */
async function pass(
  corpus: Corpus,
  doing: string,
  visit: Visit,
  done: (shard: string, found: ShardCount, wrong: string | undefined) => void,
): Promise<void> {
  const { shards, choice, queries, warn, note } = corpus;
  const losses = new ShardLossCounts();
  const firsts = new FirstKeys();
  const guard = new Guard();
  let all = 0;
  let told = performance.now();
  for (const [number, shard] of shards.entries()) {
    const found = { pairs: 0, matched: 0, matches: 0 };
    const tell = () => {
      if (performance.now() - told < betweenNotes) return;
      told = performance.now();
      note(`${doing}: ${number} of ${shards.length} shards, ${all + found.pairs} pairs`);
    };
    const see = (key: string, caption: string) => {
      if (found.pairs === 0) firsts.see(key, shard, warn);
      const matching = queries.match(caption);
      found.pairs++;
      if (matching.length > 0) found.matched++;
      found.matches += matching.length;
      if (found.pairs % 1000 === 0) tell();
      return visit(key, matching);
    };
    let wrong: string | undefined;
    try {
      wrong = await readCaptions(shard, {
        choice,
        leave: (drop) => losses.leave(drop),
        each: (key, caption) => guard.run(() => see(key, caption)),
      });
    } catch (error) {
      if (guard.error !== undefined) throw guard.error;
      wrong = reasonInShard(shard, error);
    }
    if (wrong !== undefined) losses.fail(shard, wrong, found.pairs);
    all += found.pairs;
    tell();
    done(shard, found, wrong);
  }
  losses.tell({ call, name: 'curate', shards: shards.length, used: all }, warn);
}

/** The first pass. */
export async function countPairs(corpus: Corpus): Promise<Counts> {
  const shards = new Map<string, ShardCount>();
  const perQuery = new Float64Array(corpus.queries.count);
  await pass(
    corpus,
    'counting',
    (_, queries) => {
      for (const query of queries) perQuery[query]!++;
    },
    (shard, found) => shards.set(shard, found),
  );
  return { shards, perQuery };
}

const figures = ['pairs', 'matched', 'matches'] as const;

function said({ pairs, matches }: ShardCount): string {
  return `${pairs} pairs with ${matches} queries`;
}

/** What was chosen among the pairs of the shards gone through. */
export interface Chosen {
  readonly pairs: number;
  readonly matched: number;
  readonly kept: number;
  /** How many would be kept on average over seeds. */
  readonly expected: number;
  /** Pairs by query, before the choice and after it. */
  readonly before: Float64Array;
  readonly after: Float64Array;
}

/**
 * The second pass.
 * @param counts of the whole corpus
 * @param keep told of the keys in order
 * @throws DiagnosticError Z454 where the shards are not those that were counted
 */
export async function choosePairs(
  corpus: Corpus,
  counts: Counts,
  balance: Balance,
  keep: (key: string) => void | Promise<void>,
): Promise<Chosen> {
  const { shards, queries } = corpus;
  const missing = shards.find((shard) => !counts.shards.has(shard));
  if (missing !== undefined) fail('Z454', `the shard ${missing} is not among those that were counted`);
  const [before, after] = [new Float64Array(queries.count), new Float64Array(queries.count)];
  let [pairs, matched, kept, expected] = [0, 0, 0, 0];
  await pass(
    corpus,
    'choosing',
    (key, matching) => {
      if (matching.length === 0) return;
      for (const query of matching) before[query]!++;
      expected += 1 - balance.dropped(matching);
      if (!balance.keeps(key, matching)) return;
      kept++;
      for (const query of matching) after[query]!++;
      return keep(key);
    },
    (shard, found, wrong) => {
      const counted = counts.shards.get(shard)!;
      if (figures.some((figure) => found[figure] !== counted[figure]))
        fail(
          'Z454',
          `the shard ${shard} is not as it was counted: ${said(found)}, and had ${said(counted)}${wrong === undefined ? '' : `: ${wrong}`}`,
        );
      pairs += found.pairs;
      matched += found.matched;
    },
  );
  return { pairs, matched, kept, expected, before, after };
}
