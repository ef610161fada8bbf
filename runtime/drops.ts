/**
 * Samples that are not used: left out for want of something, or replaced since their pictures cannot be read.
 *
 * Warnings say reasons in words; `metrics.jsonl` counts their kinds, whose names stay as they are.
 */

export const dropKinds = ['missing', 'blank', 'encoding', 'malformed', 'too_large', 'unreadable'] as const;
export type DropKind = (typeof dropKinds)[number];
export type DropCounts = Readonly<Partial<Record<DropKind, number>>>;

/** Why a sample cannot be used. */
export class Unusable extends Error {
  readonly kind: DropKind;

  constructor(kind: DropKind, reason: string) {
    super(reason);
    this.kind = kind;
  }
}

/** Of an error that a picture or a sample cannot be read by. */
export function kindOf(error: unknown): DropKind {
  if (error instanceof Unusable) return error.kind;
  if (!(error instanceof Error)) return 'unreadable';
  if ((error as { readonly code?: unknown }).code === 'ENOENT') return 'missing';
  return error.cause === undefined ? 'unreadable' : kindOf(error.cause);
}

export interface Drop {
  readonly kind: DropKind;
  readonly reason: string;
}

export interface CountedDrop extends Drop {
  readonly count: number;
}

/** Reasons that are told apart; some have sizes in them, which are endlessly many. */
const mostReasons = 1000;

export class Drops {
  readonly #reasons = new Map<string, CountedDrop>();

  add({ kind, reason }: Drop, count = 1): void {
    const known = this.#reasons.get(reason);
    const named = known !== undefined || this.#reasons.size < mostReasons;
    const key = named ? reason : `other reasons (${kind})`;
    const before = this.#reasons.get(key)?.count ?? 0;
    this.#reasons.set(key, { kind, reason: key, count: before + count });
  }

  get all(): readonly CountedDrop[] {
    return [...this.#reasons.values()];
  }

  get total(): number {
    return totalOf(this.counts);
  }

  get counts(): DropCounts {
    return sumOfDrops(this.all.map(({ kind, count }) => ({ [kind]: count })));
  }

  /** The most frequent reasons, as `3 × no txt, 1 × a blank caption`. */
  inWords(shown = Number.POSITIVE_INFINITY): string {
    const sorted = this.all.toSorted((a, b) => b.count - a.count);
    const words = sorted.slice(0, shown).map(({ reason, count }) => `${count} × ${reason}`);
    const rest = sorted.slice(shown).reduce((sum, { count }) => sum + count, 0);
    return [...words, ...(rest > 0 ? [`${rest} × other reasons`] : [])].join(', ');
  }
}

export function totalOf(counts: DropCounts): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}

export function sumOfDrops(all: readonly DropCounts[]): DropCounts {
  const sum: Partial<Record<DropKind, number>> = {};
  for (const counts of all)
    for (const kind of dropKinds) if (counts[kind] !== undefined) sum[kind] = (sum[kind] ?? 0) + counts[kind];
  return sum;
}

/** A number for each kind, for ranks to add up. */
export function dropNumbers(counts: DropCounts): number[] {
  return dropKinds.map((kind) => counts[kind] ?? 0);
}

export function dropsOf(numbers: readonly number[]): DropCounts {
  return Object.fromEntries(
    dropKinds.map((kind, i) => [kind, numbers[i]!]).filter(([, count]) => count !== 0),
  );
}
