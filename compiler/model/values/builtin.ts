/**
 * What is known of a built-in function from outside: its value carries this; what it does is its row in
 * `builtins/`.
 */
import type { WordFacts } from '../../ops/language.ts';

/**
 * What a parameter takes. `value`: a tensor or a static number; `tensors`: one or a list of them; `summands`: a
 * tensor or a list of values; `mask`: a tensor, or a bool that holds everywhere.
 */
export type ParameterKind =
  | 'tensor'
  | 'tensors'
  | 'summands'
  | 'mask'
  | 'value'
  | 'number'
  | 'int'
  | 'bool'
  | 'string'
  | 'axis'
  | 'axes'
  | 'dim'
  | 'shape'
  | 'list'
  | 'child'
  | 'pattern';

export interface BuiltinParameter {
  readonly name: string;
  readonly kind: ParameterKind;
  readonly optional?: boolean;
}

export interface Builtin extends WordFacts {
  readonly name: string;
  readonly parameters: readonly BuiltinParameter[];
  readonly variadic?: boolean;
  /** Always gives a tensor. */
  readonly world?: 'tensor';
  /** Gives a record of tensors with these fields. */
  readonly fields?: readonly string[];
  /** Takes sizes of axes by name (`rearrange`). */
  readonly openNames?: boolean;
  /** The constant that it starts a weight from, if it is an initialiser. */
  readonly initial?: number;
}
