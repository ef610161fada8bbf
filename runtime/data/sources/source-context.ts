/** What a recipe and its model fix for the data: sizes, seed, and where files are looked for. */
import type { ModelInput } from '../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';

export interface SourceContext {
  /** Pairs in a batch. */
  readonly batch: number;
  /** What the model is fed. */
  readonly inputs: readonly ModelInput[];
  /** Side of the pictures in pixels, where the model takes pictures [B, 3, R, R]. */
  readonly resolution?: number;
  /** Length of a row of tokens, where the model takes some. */
  readonly context?: number;
  /** Token ids are below this. */
  readonly vocab?: number;
  readonly seed: number;
  /** Path of a file that the recipe names. */
  find(name: string): string;
  /** Told of what is left out. */
  readonly warn?: (warning: Diagnostic) => void;
}

/** What a source of pictures with captions needs of a model. */
export type PairContext = SourceContext & Required<Pick<SourceContext, 'resolution' | 'context' | 'vocab'>>;

/** Whether a model takes pictures and texts; a recipe whose data gives them is not accepted otherwise. */
export function takesPairs(context: SourceContext): context is PairContext {
  const { resolution, context: length, vocab } = context;
  return resolution !== undefined && length !== undefined && vocab !== undefined;
}
