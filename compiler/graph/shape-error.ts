/** How a shape rule says no: data that the builder throws on and the tracer explains to the user. */
import type { Code } from '../../grammar/codes.ts';
import type { Dim } from './types.ts';

/** Why a shape rule refuses its inputs; the caller adds span and origins and makes a `Diagnostic` of it. */
export interface ShapeError {
  /** "cannot add [B, 50, 768] and [B, 50, 512]: axis 2 differs" */
  readonly message: string;
  /** Z301 by default: shapes disagree. */
  readonly code?: Code;
  /**
   * Which inputs the fact is about, and the axis of each, so that the caller can name where the value came
   * from.
   */
  readonly blame?: readonly { readonly input: number; readonly axis?: number; readonly dim?: Dim }[];
  readonly help?: string;
}
