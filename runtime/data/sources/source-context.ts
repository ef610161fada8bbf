/** What a recipe and its model fix for the data: sizes, seed, and where files are looked for. */
import type { ModelInput, Normalization } from '../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';

export interface SourceContext {
  /** Samples in a batch. */
  readonly batch: number;
  /** What the loss is fed. */
  readonly inputs: readonly ModelInput[];
  readonly seed: number;
  /** Of pictures. */
  readonly normalization: Normalization;
  /** Path of a file that the recipe names. */
  find(name: string): string;
  /** Told of what is left out. */
  readonly warn?: (warning: Diagnostic) => void;
}
