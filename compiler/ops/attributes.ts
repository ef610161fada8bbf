/**
 * The vocabulary of the graph: every operation's name and its static attributes.
 *
 * The table is open and has no list here: each op's file adds its own entry (`declare module
 * './attributes.ts'`), the elementwise ops add theirs by the tables in unary.ts, binary.ts and ternary.ts. `ops/index.ts`
 * maps each name to its definition; a name without one does not compile. Axes are non-negative here (the
 * builder resolves -1). "Broadcasting" means aligned at the last axis, each pair equal or 1.
 */

/** No attributes. */
export type None = Readonly<Record<never, never>>;

/** Elementwise ops with one input, by name: the keys of the table in unary.ts. */
// biome-ignore lint/suspicious/noEmptyInterface: unary.ts merges its names into it
export interface UnaryAttributes {}

/** Elementwise ops with two inputs that broadcast, by name: the keys of the table in binary.ts. */
// biome-ignore lint/suspicious/noEmptyInterface: binary.ts merges its names into it
export interface BinaryAttributes {}

/** Elementwise ops with three inputs that broadcast, by name: the keys of the table in ternary.ts. */
// biome-ignore lint/suspicious/noEmptyInterface: ternary.ts merges its names into it
export interface TernaryAttributes {}

/** Attributes of each op. */
export interface OpAttributes extends UnaryAttributes, BinaryAttributes, TernaryAttributes {}

/**
 * How many inputs each op has: so many, so many or more (`1+`), or any number. The definition repeats it for
 * checks at run time; leaves, which have none, are `0`.
 */
export interface OpArities
  extends Record<keyof UnaryAttributes, 1>,
    Record<keyof BinaryAttributes, 2>,
    Record<keyof TernaryAttributes, 3> {}

interface Lists<T> {
  readonly 0: readonly T[];
  readonly 1: readonly [T];
  readonly 2: readonly [T, T];
  readonly 3: readonly [T, T, T];
  readonly 5: readonly [T, T, T, T, T];
  readonly 6: readonly [T, T, T, T, T, T];
  readonly '1+': readonly [T, ...T[]];
  readonly '2+': readonly [T, T, ...T[]];
  readonly any: readonly T[];
}

/** One `T` for every input of an op. */
export type InputsOf<K extends OpName, T> = Lists<T>[OpArities[K]];

export type UnaryMapOp = keyof UnaryAttributes;
export type BinaryMapOp = keyof BinaryAttributes;
export type TernaryMapOp = keyof TernaryAttributes;
/** All ops that compute each element from the elements at its place. */
export type ElementwiseOp = UnaryMapOp | BinaryMapOp | TernaryMapOp;
export type OpName = keyof OpAttributes;
