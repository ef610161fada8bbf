/**
 * Small cases of an op, beside its meaning: shapes, ranges of values and attributes that show what it is for.
 *
 * Tests walk all ops by them (test/numeric/every-op.test.ts, test/gpu/kernels/every-op.test.ts), so a case should
 * have odd sizes, more than one sample, and values away from jumps and poles; one with three axes shows the
 * op over stored halves.
 */

/** Random values of one input. */
export interface ExampleInput {
  readonly shape: readonly number[];
  /** f32 in [low, high). */
  readonly range?: readonly [low: number, high: number];
  /** i32 in [0, below), in place of `range`. */
  readonly below?: number;
  /** f32 that are 0 or 1, in place of both. */
  readonly mask?: true;
  /** i32 rows, each a permutation of 0, 1, 2, ..., in place of all. */
  readonly permuted?: true;
}

export interface Example<A> {
  readonly name: string;
  readonly inputs: readonly ExampleInput[];
  readonly attrs: A;
}

export type Examples<A> = readonly [Example<A>, ...Example<A>[]];

/** f32 values of a shape, from -1 to 1 unless a range is given. */
export function floats(shape: readonly number[], low = -1, high = 1): ExampleInput {
  return { shape, range: [low, high] };
}

/** i32 values from 0, below a bound. */
export function integers(shape: readonly number[], below: number): ExampleInput {
  return { shape, below };
}

/** f32 values that are 0 or 1. */
export function mask(shape: readonly number[]): ExampleInput {
  return { shape, mask: true };
}

/** i32 rows, each a permutation of its positions. */
export function permutations(shape: readonly number[]): ExampleInput {
  return { shape, permuted: true };
}

/** One case without attributes for each list of inputs. */
export function cases<A>(attrs: A, inputs: Readonly<Record<string, readonly ExampleInput[]>>): Examples<A> {
  const [first, ...rest] = Object.entries(inputs).map(
    ([name, of]): Example<A> => ({ name, inputs: of, attrs }),
  );
  if (first === undefined) throw new Error('an op needs an example');
  return [first, ...rest];
}
