/**
 * How an op is said in the language: as data, from which the checker and the tracer make a built-in function.
 *
 * A `word` means one node of the op and nothing more: its tensors are the op's inputs in order, its static
 * arguments (settings) the op's attributes. Words that mean several nodes (`max`, `rearrange`, `batch_norm`
 * in training) are in `model/builtins`; the op then says how its node is `written`, which tests call.
 */
import type { TensorType } from '../graph/types.ts';

/** What is common to all settings. */
interface Named {
  /** The argument's name, where it is not the attribute's. */
  readonly as?: string;
}

/** A static argument by the type of its attribute; without `default` it has to be given. */
export type Setting<T> = Named &
  (T extends boolean
    ? { readonly kind: 'bool'; readonly default: false }
    : T extends number
      ?
          | { readonly kind: 'number'; readonly default?: number }
          | { readonly kind: 'int'; readonly least: number; readonly default?: number }
          /** An axis of the first tensor, from either end. */
          | { readonly kind: 'axis'; readonly default?: number }
      : T extends readonly number[]
        ? /** Axes of the first tensor; all of them where none are given. */ { readonly kind: 'axes' }
        : never);

export type AnySetting = Setting<boolean> | Setting<number> | Setting<readonly number[]>;

/** Attributes that every node has: passes make the optional ones. */
type Required<A> = { [N in keyof A]-?: Record<never, never> extends Pick<A, N> ? never : N }[keyof A];

/** What the reference page says of a word. */
export interface WordFacts {
  /** One line for people: `error function`. */
  readonly about: string;
  /** Of the operands and the result. */
  readonly shapes: string;
  /** What flows back. */
  readonly gradient: string;
  /** Whose meaning it has: a function of PyTorch or another library. */
  readonly source: string;
}

export interface Word<A> extends WordFacts {
  /** Where it is not the op's. */
  readonly name?: string;
  /** Names of the tensors, one for each input. */
  readonly operands: readonly string[];
  /** One for each attribute, in the order of the arguments behind the tensors. */
  readonly settings: { readonly [N in Required<A>]: Setting<A[N]> };
  /** Takes static numbers too, and gives this number: a float, an int, or of the same kind. */
  readonly numbers?: { readonly of: (x: number) => number; readonly give: 'float' | 'int' | 'same' };
  /** The op works along the last axis; the word takes any `axis`, the last one by default. */
  readonly anyAxis?: true;
  /** Attributes with which the op does nothing: the operand itself is the value. */
  readonly idle?: (attrs: A) => boolean;
  /**
   * For messages, which operand's axis each axis of the result is; by default those of the same length, from
   * the end.
   */
  readonly sources?: (
    inputs: readonly TensorType[],
    attrs: A,
  ) => readonly (readonly [operand: number, axis: number] | undefined)[];
}

export type Language<A> =
  | { readonly word: Word<A> }
  /** The expression over the names of its inputs; undefined for attributes that cannot be said. */
  | {
      readonly written: (
        operands: readonly string[],
        attrs: A,
        inputs: readonly TensorType[],
      ) => string | undefined;
    }
  /** Stands for the bodies that the library says `fuses NAME` of. */
  | { readonly fuses: string }
  /** Made by gradients and passes alone, or declared. */
  | 'none';

/** Axes of an input as one word names them, in order: `0, 2` of three without axis 1. */
export function axesBut(input: TensorType, ...without: readonly number[]): (readonly [0, number])[] {
  return input.shape.flatMap((_, axis) => (without.includes(axis) ? [] : [[0, axis] as const]));
}

/** Names for the axes of a pattern: `a, b, c`. */
export function axisNames(rank: number): string[] {
  return Array.from({ length: rank }, (_, axis) => String.fromCharCode(97 + axis));
}
