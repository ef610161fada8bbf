/**
 * What the folder of another project's format consists of: each format's file makes
 * one of these from a model.
 */
import { join } from 'node:path';
import type { Model } from '../../../compiler/model/types.ts';
import type { LazyTensor } from '../../weights/formats/tensor-file.ts';
import type { FloatChoice } from '../../weights/weights.ts';
import type { CardParts } from '../model-card.ts';

export interface Layout {
  /** Configuration and tokenizer files, by name. */
  readonly texts: ReadonlyMap<string, string>;
  /** Writes the files with weights into the folder; their names in it. */
  write(folder: string): Promise<readonly string[]>;
  readonly card: Omit<CardParts, 'remarks'>;
}

/** The element type that was asked for, or bytes with scales. */
export type StoredForm = FloatChoice | 'Q8';

/**
 * Describes a model in one format; nothing is written yet.
 * @param tensors the model's weights in state_dict order
 * @param form what is asked of element types
 * @throws DiagnosticError Z432 when the format cannot express the model
 */
export type LayoutMaker = (model: Model, tensors: readonly LazyTensor[], form: StoredForm) => Promise<Layout>;

/** All weights in one file. */
export function oneFile(name: string, write: (path: string) => Promise<void>): Layout['write'] {
  return async (folder) => {
    await write(join(folder, name));
    return [name];
  };
}

/** A JSON file's text. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** For model hubs. */
export const hubTags = ['pipeline_tag: zero-shot-image-classification', 'tags:', '- clip'] as const;
