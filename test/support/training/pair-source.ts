/** Sources of pairs for tests: pictures of one plain colour each, so that a batch's pixels tell which it holds. */

import sharp from 'sharp';
import { clipNormalization } from '../../../compiler/model/index.ts';
import type { ModelInput, StaticCall } from '../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import { openBatchSource } from '../../../runtime/data/sources/open.ts';
import type { HttpTiming } from '../../../runtime/data/sources/streams/http.ts';
import { createTokenizer } from '../../../runtime/data/texts/tokenizer.ts';
import type { Batch, BatchSource } from '../../../runtime/data/types.ts';
import { imagesOf, pairs, tokensOf } from './batches.ts';

const vocab = 1000;
const context = 24;
const size = 4;
export const pairInputs: readonly ModelInput[] = [
  { name: 'images', dtype: 'f32', sizes: [3, size, size] },
  { name: 'tokens', dtype: 'i32', sizes: [context], ids: { min: 0, max: vocab - 1 } },
];

/** Up to 256 of them. */
export function plainPicture(level: number, format: 'png' | 'jpeg' | 'webp' = 'png'): Promise<Buffer> {
  const colour = { r: level, g: level, b: level };
  return sharp({ create: { width: size, height: size, channels: 3, background: colour } })
    .toFormat(format)
    .toBuffer();
}

export interface SourceOptions {
  readonly batch?: number;
  readonly seed?: number;
  readonly folder: string;
  readonly warn?: (warning: Diagnostic) => void;
  readonly note?: (text: string) => void;
  readonly untrusted?: boolean;
  readonly share?: { readonly rank: number; readonly size: number };
  readonly timing?: HttpTiming;
}

export function openPairs(call: StaticCall, options: SourceOptions): Promise<BatchSource> {
  return openBatchSource(call, {
    batch: 4,
    seed: 1,
    normalization: clipNormalization,
    inputs: pairInputs,
    ...options,
  });
}

/** Batches that stay as they are. */
export async function takeBatches(source: BatchSource, count: number): Promise<Batch[]> {
  const taken: Batch[] = [];
  for (let i = 0; i < count; i++) {
    const batch = await source.next();
    taken.push({ ...pairs(imagesOf(batch).slice(), tokensOf(batch).slice()), skipped: batch.skipped });
  }
  return taken;
}

/** Of which level the pictures of a batch are. */
export function levelsOf(batch: Batch): number[] {
  const plane = size * size;
  return Array.from({ length: imagesOf(batch).length / (3 * plane) }, (_, row) =>
    Math.round((imagesOf(batch)[row * 3 * plane]! * 0.26862954 + 0.48145466) * 255),
  );
}

export async function captionsOf(batch: Batch): Promise<string[]> {
  const tokenizer = await createTokenizer({ vocab, context });
  return Array.from({ length: tokensOf(batch).length / context }, (_, row) => {
    const ids = [...tokensOf(batch).subarray(row * context, (row + 1) * context)];
    return tokenizer.decode(ids.slice(1, ids.indexOf(vocab - 1))).trim();
  });
}
