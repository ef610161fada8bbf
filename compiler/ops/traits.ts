/**
 * Facts about an op that the stages ask for, beside its meaning: who makes its result, how it is cut, stored
 * and laid out.
 *
 * They stand in the op's own file (`traits` of its definition). Every fact is required, so that `tsc` names
 * what a new op has not said; no stage keeps a list of names.
 */
import type { NodeOf, TensorType } from '../graph/types.ts';
import type { OpName } from './attributes.ts';
import type { Strips } from './strips.ts';

/** How a node whose tensors are larger than a binding may be is done slice by slice along axis 0. */
export interface Split {
  /** Inputs (by position) of which a slice along axis 0 is needed; the others are needed whole. */
  readonly sliced: readonly number[];
  /** How partial results are joined, before an epilogue; without it a slice of the result is made. */
  readonly join?: 'sum' | 'mean' | 'max' | 'min';
  /** The kernel itself binds windows of the operands that are needed whole. */
  readonly ownWindows?: true;
}

/** The split of a node of this op, or undefined where there is none. See slices.ts for the usual ones. */
export type Slices<K extends OpName> = (node: NodeOf<K>, inputs: readonly TensorType[]) => Split | undefined;

/**
 * What mixed precision does (Micikevicius et al. 2018, section 3).
 *
 * `full`: the result stays f32 (sums over the batch, statistics, losses, masks). `activation`: it may be
 * stored as f16. `elementwise`: the same, and where it stays f32 so do its operands. `product`: an activation
 * whose first two operands are multiplied and may be read as f16. `full product`: such operands, but a result
 * in f32 (a weight's gradient).
 */
export type Half = 'full' | 'activation' | 'elementwise' | 'product' | 'full product';

interface Computed<K extends OpName> {
  readonly half: Half;
  /** How strips of the result are made of strips of the inputs (ops/strips.ts), if they can be. */
  readonly strips: Strips<K> | 'none';
}

/** Facts by role: what makes the result. */
export interface TraitsOf<K extends OpName> {
  /** Fed from outside: inputs and weights. */
  readonly leaf: { readonly role: 'leaf' };
  /**
   * The first input's memory, seen otherwise; consumers index through it, and it is copied where they cannot.
   */
  readonly view: { readonly role: 'view'; readonly strips: Strips<K> | 'none' };
  /** Rewritten by a pass: no kernel ever sees it. */
  readonly rewritten: Computed<K> & { readonly role: 'rewritten' };
  /** A kernel: `lowerings` has a line for it. */
  readonly kernel: Computed<K> & {
    readonly role: 'kernel';
    readonly slices: Slices<K>;
    /** Whether the kernel writes its result in any order of axes, or row-major alone. */
    readonly layout: 'any' | 'dense';
    /** Whether the kernel can do the plain arithmetic that alone reads its result. */
    readonly behind: boolean;
  };
}

export type Role = keyof TraitsOf<OpName>;
