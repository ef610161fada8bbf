/** What a recipe and its model fix for the data: sizes, seed, and where files are looked for. */
import type { Diagnostic } from '../../../grammar/diagnostics.ts';

export interface SourceContext {
  /** Pairs in a batch. */
  readonly batch: number;
  /** Side of the pictures in pixels. */
  readonly resolution: number;
  /** Length of a row of tokens. */
  readonly context: number;
  /** Token ids are below this. */
  readonly vocab: number;
  readonly seed: number;
  /** Path of a file that the recipe names. */
  find(name: string): string;
  /** Told of what is left out. */
  readonly warn?: (warning: Diagnostic) => void;
}
