/** What a recipe and its model fix for the data: sizes, seed, and where files are looked for. */
import { isPicture, isText } from '../../../compiler/model/inputs.ts';
import type { ModelInput } from '../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';

export interface SourceContext {
  /** Samples in a batch. */
  readonly batch: number;
  /** What the loss is fed. */
  readonly inputs: readonly ModelInput[];
  readonly seed: number;
  /** Path of a file that the recipe names. */
  find(name: string): string;
  /** Told of what is left out. */
  readonly warn?: (warning: Diagnostic) => void;
}

/** The two inputs that pictures with captions feed; undefined where there are not exactly these. */
export function pairOf(
  inputs: readonly ModelInput[],
): { readonly picture: ModelInput; readonly text: ModelInput } | undefined {
  const picture = inputs.find(isPicture);
  const text = inputs.find(isText);
  return inputs.length === 2 && picture !== undefined && text !== undefined ? { picture, text } : undefined;
}
