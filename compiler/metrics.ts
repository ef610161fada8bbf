/**
 * The columns of `metrics.jsonl`: those that training fills itself, the terms of the objective, the root's own weights of one
 * number. Each name stands for one of them.
 */
import { gradientPrefix } from './graph/types.ts';

/** What training itself says of a step. */
export interface OwnColumns {
  /** Counted from 0. */
  readonly step: number;
  readonly loss: number;
  /** The rate used by this step. */
  readonly lr: number;
  /** Not finite (in JSON null) in a step that overflowed. */
  readonly grad_norm: number;
  /** Mixed precision: the scale of the next step, and whether this one overflowed and was left out. */
  readonly loss_scale?: number;
  readonly overflow?: boolean;
  readonly samples_per_second: number;
  /** How long the step waited for its batch. */
  readonly data_wait_ms: number;
  /** On several ranks: how long this one waited for the others and moved features and gradients. */
  readonly exchange_wait_ms?: number;
  /** Where the recipe sets `lengths`: positions of texts that the step computed, of its longest chunk. */
  readonly text_length?: number;
  /** Samples of the batch that could not be read. */
  readonly skipped: number;
  /** Samples of the batch with a text that another one before has, too; absent where no text is fed. */
  readonly repeated_texts?: number;
  /** Samples of shards that were left out so far for want of a picture or caption; absent where there are no shards. */
  readonly left_out?: number;
  /** Shards so far that could not be read, or not to their end. */
  readonly shards_in_error?: number;
  readonly epoch: number;
}

const own: Readonly<Record<keyof OwnColumns, true>> = {
  step: true,
  loss: true,
  lr: true,
  grad_norm: true,
  loss_scale: true,
  overflow: true,
  samples_per_second: true,
  data_wait_ms: true,
  exchange_wait_ms: true,
  text_length: true,
  skipped: true,
  repeated_texts: true,
  left_out: true,
  shards_in_error: true,
  epoch: true,
};

export function isOwnColumn(name: string): boolean {
  return Object.hasOwn(own, name);
}

interface Named {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A weight of one number that the root block declares itself: reported with every step. */
export function isOwnScalar({ name, shape, kind }: Named & { readonly kind: 'param' | 'buffer' }): boolean {
  return kind === 'param' && shape.length === 0 && !name.includes('.');
}

/** A number that the objective reports beside the loss. */
export function isTerm({ name, shape }: Named): boolean {
  return shape.length === 0 && !isOwnColumn(name) && !name.startsWith(gradientPrefix);
}
