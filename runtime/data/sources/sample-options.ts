/** Options of every source of samples, whatever they lie in. */
import { z } from 'zod';
import type { StaticRecord } from '../../../compiler/model/types.ts';
import { defaultWorkers } from '../pictures/decode.ts';

export const sampleOptions = {
  /** Columns by input. */
  inputs: z.custom<StaticRecord>().optional(),
  shuffle: z.boolean().default(true),
  /** Samples are drawn with replacement. */
  resampled: z.boolean().default(false),
  /** In a mix, how often a sample is seen in an epoch. */
  weight: z.number().positive().optional(),
  /** Decoder threads. */
  workers: z.int().min(1).max(64).optional(),
  /** Most mebibytes of decoded pictures kept in memory. */
  cache: z.number().nonnegative().default(512),
};

interface DecodingOptions {
  readonly workers?: number | undefined;
  readonly cache: number;
}

export interface SampleOptions extends Ordering, DecodingOptions {}

export interface Ordering {
  readonly shuffle: boolean;
  readonly resampled: boolean;
  readonly weight?: number | undefined;
}

export interface Decoding {
  readonly workers: number;
  readonly cacheBytes: number;
}

/** How pictures are decoded and kept. */
export function decodingOf({ workers, cache }: DecodingOptions): Decoding {
  return { workers: workers ?? defaultWorkers(), cacheBytes: cache * 2 ** 20 };
}
