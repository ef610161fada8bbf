/**
 * What the folder of another project's format consists of: each format's file makes
 * one of these from a model.
 */
import type { Model } from '../../../compiler/model/types.ts';
import type { LazyTensor } from '../../weights/formats/tensor-file.ts';
import type { CardParts } from '../model-card.ts';

export interface Layout {
  /** Configuration and tokenizer files, by name. */
  readonly texts: ReadonlyMap<string, string>;
  readonly weights: { readonly name: string; write(path: string): Promise<void> };
  readonly card: Omit<CardParts, 'remarks'>;
}

/**
 * Describes a model in one format; nothing is written yet.
 * @param tensors the model's weights in state_dict order
 * @throws DiagnosticError Z432 when the format cannot express the model
 */
export type LayoutMaker = (model: Model, tensors: readonly LazyTensor[]) => Promise<Layout>;

/** A JSON file's text. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** For model hubs. */
export const hubTags = ['pipeline_tag: zero-shot-image-classification', 'tags:', '- clip'] as const;
