/** What a recipe and its model fix for the data: sizes, seed, and where files are looked for. */
import type { ModelInput, Normalization } from '../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import type { HttpTiming } from './streams/http.ts';

export interface RankShare {
  readonly rank: number;
  readonly size: number;
}

export interface SourceContext {
  /** Samples in a batch. */
  readonly batch: number;
  /** The rank that the source is for: one that can makes its rows of each batch alone. */
  readonly share?: RankShare;
  /** Whether batches have samples of other sources, too. */
  readonly mixed?: boolean;
  /** What the loss is fed. */
  readonly inputs: readonly ModelInput[];
  readonly seed: number;
  /** Of pictures. */
  readonly normalization: Normalization;
  /** Path of a file that the recipe names. */
  find(name: string): string;
  /** Told of what is left out. */
  readonly warn?: (warning: Diagnostic) => void;
  /** Whether the recipe came with a package: then it runs no command. */
  readonly untrusted?: boolean;
  /** How connections are taken up again. */
  readonly timing?: HttpTiming;
  /** Told what takes long. */
  readonly note?: (text: string) => void;
}
