/**
 * A row of the tables of built-ins: what is known of a built-in from outside, and what it does to evaluated
 * arguments.
 */
import type { Span } from '../../../grammar/source.ts';
import type { Builtin } from '../values/builtin.ts';
import type { Env } from '../values/scope.ts';
import type { Value } from '../values/values.ts';

/** The evaluated arguments of one call; none is poison. */
export interface BuiltinCall {
  readonly env: Env;
  readonly span: Span;
  readonly name: string;
  readonly values: ReadonlyMap<string, Value>;
  /** Place of each argument. */
  readonly spans: ReadonlyMap<string, Span>;
  /** Leading arguments of a variadic built-in. */
  readonly leading: readonly { readonly value: Value; readonly span: Span }[];
}

export interface BuiltinRow extends Builtin {
  readonly apply: (call: BuiltinCall) => Value;
}
