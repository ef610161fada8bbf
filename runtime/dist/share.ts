/** Which rows of a batch are a rank's: as many as every other's, rank by rank. */
import type { Share } from '../../compiler/shards.ts';
import { fail } from '../../grammar/diagnostics.ts';
import type { BatchSource, DataCursor, Feeds, LanePlace } from '../data/types.ts';
import { allNumbers, type Collective } from './collective.ts';
import { derivedSource } from './derived-source.ts';

/** What is compiled for a rank of several. */
export function shareOf({ rank, size }: Pick<Collective, 'rank' | 'size'>): { share?: Share } {
  return size === 1 ? {} : { share: { rank, ranks: size } };
}

interface Divided {
  readonly name: string;
  readonly batch: number;
  readonly chunk?: number;
}

/**
 * The recipe as each rank trains it: `chunk` is a rank's, and what a rank has of the batch is a chunk at most.
 * @throws DiagnosticError Z632 where the batch, or a rank's part of it, cannot be divided
 */
export function dividedAmong<R extends Divided>(recipe: R, { size }: Pick<Collective, 'size'>): R {
  if (size === 1) return recipe;
  const { name, batch } = recipe;
  const rows = batch / size;
  if (!Number.isInteger(rows))
    fail(
      'Z632',
      `recipe ${name}: batch = ${batch} cannot be divided among ${size} ranks`,
      `batch = ${Math.max(1, Math.round(rows)) * size}; it counts the pairs of all ranks together`,
    );
  const chunk = Math.min(recipe.chunk ?? rows, rows);
  if (rows % chunk !== 0)
    fail(
      'Z632',
      `recipe ${name}: each of ${size} ranks has ${rows} of the ${batch} pairs, which chunk = ${chunk} does not divide`,
      `chunk = ${largestDivisor(rows, chunk)}`,
    );
  return { ...recipe, chunk };
}

function largestDivisor(of: number, most: number): number {
  for (let d = most; d > 1; d--) if (of % d === 0) return d;
  return 1;
}

/** The rows of this rank, of inputs that are no tables. */
function ownRows(inputs: Feeds, tables: ReadonlySet<string>, { rank, size }: Collective): Feeds {
  return new Map(
    [...inputs].map(([name, data]) => {
      const rows = data.length / size;
      return [name, tables.has(name) ? data : data.subarray(rank * rows, (rank + 1) * rows)];
    }),
  );
}

/** The rows of this rank: what a source that knows of ranks makes, or its part of whole batches. */
export function ownShare(source: BatchSource, tables: ReadonlySet<string>, group: Collective): BatchSource {
  if (group.size === 1 || source.shared) return source;
  return derivedSource(source, async () => {
    const batch = await source.next();
    return { ...batch, inputs: ownRows(batch.inputs, tables, group) };
  });
}

/** Numbers of a place of a lane and of its spare. */
const placeNumbers = 6;

/** The place in the data of all ranks: each knows where the lanes stand that it reads. */
export async function jointCursor(source: BatchSource, group: Collective): Promise<DataCursor> {
  const cursor = source.cursor();
  const { lanes } = cursor;
  if (group.size === 1 || lanes === undefined) return cursor;
  const own = lanes.flatMap((place) =>
    place === null ? Array<number>(placeNumbers).fill(Number.NaN) : [...place],
  );
  const all = await allNumbers(group, 'where the lanes of the data stand', own);
  return {
    ...cursor,
    lanes: lanes.map((_, lane) => {
      const at = lane * placeNumbers;
      const known = all.find((rank) => !Number.isNaN(rank[at]))!;
      return known.slice(at, at + placeNumbers) as unknown as LanePlace;
    }),
  };
}

/**
 * Rows with a text that another one before has, too, where they are most.
 * @param texts a number for each row's, by input
 */
export function countRepeated(texts: readonly Float64Array[]): number {
  return Math.max(...texts.map((digests) => digests.length - new Set(digests).size));
}
