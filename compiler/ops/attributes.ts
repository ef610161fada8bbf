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

export type UnaryMapOp = keyof UnaryAttributes;
export type BinaryMapOp = keyof BinaryAttributes;
export type TernaryMapOp = keyof TernaryAttributes;
/** All ops that compute each element from the elements at its place. */
export type ElementwiseOp = UnaryMapOp | BinaryMapOp | TernaryMapOp;
export type OpName = keyof OpAttributes;
