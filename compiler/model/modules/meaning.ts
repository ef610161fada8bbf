/**
 * What a name stands for that no scope binds. One order of places for evaluation and for the check of the
 * text, which must agree on every name.
 */
import type { Span } from '../../../grammar/source.ts';
import { builtinNamed } from '../builtins/builtins.ts';
import type { Builtin } from '../values/builtin.ts';
import type { Declaration } from '../values/module.ts';
import { lookup, type NamePlace, unknownName } from './imports.ts';

export type Meaning =
  | { readonly is: 'declared'; readonly declared: Declaration }
  | { readonly is: 'builtin'; readonly builtin: Builtin }
  /** `N`, the samples of all chunks and ranks. */
  | { readonly is: 'batch' }
  /** Whether the body is traced for training. */
  | { readonly is: 'training' };

/** Undefined after a report. @param body whether the name stands where tensors are computed with */
export function meaningOf(name: string, span: Span, at: NamePlace, body: boolean): Meaning | undefined {
  const declared = lookup(at.module, name);
  if (declared === null) return undefined;
  const builtin = builtinNamed(name);
  // A model's name is a string, and hides no word.
  const hidden = declared?.kind === 'model' && builtin !== undefined;
  if (declared !== undefined && !hidden) return { is: 'declared', declared };
  if (builtin !== undefined) return { is: 'builtin', builtin };
  if (name === 'N' && body) return { is: 'batch' };
  if (name === 'training' && body) return { is: 'training' };
  unknownName(name, span, at);
  return undefined;
}
