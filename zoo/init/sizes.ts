/** Sizes of a new model: what the data can teach and the device can train in reasonable time. */
import type { DeviceKind } from '../../compiler/profile.ts';
import { createTokenizer } from '../../runtime/data/texts/tokenizer.ts';
import type { Survey } from './survey.ts';

/** A model by how much there is to learn from. */
interface Class {
  /** Up to so many samples. */
  readonly samples: number;
  readonly resolution: number;
  /** Patches along a side. */
  readonly grid: number;
  readonly width: number;
  readonly layers: number;
  readonly embed: number;
  readonly text: { readonly width: number; readonly layers: number; readonly vocab: number };
  readonly batch: number;
  readonly lr: number;
}

/** The first two are those of the emoji example, the last one is ViT-B/32 with its text tower. */
const modelClasses: readonly Class[] = [
  {
    ...{ samples: 10_000, resolution: 32, grid: 4, width: 64, layers: 2, embed: 64 },
    text: { width: 64, layers: 1, vocab: 4096 },
    ...{ batch: 128, lr: 3e-3 },
  },
  {
    ...{ samples: 200_000, resolution: 64, grid: 8, width: 256, layers: 6, embed: 256 },
    text: { width: 256, layers: 4, vocab: 8192 },
    ...{ batch: 512, lr: 5e-4 },
  },
  {
    ...{ samples: 3_000_000, resolution: 128, grid: 8, width: 384, layers: 12, embed: 384 },
    text: { width: 384, layers: 6, vocab: 49408 },
    ...{ batch: 1024, lr: 5e-4 },
  },
  {
    ...{ samples: Number.POSITIVE_INFINITY, resolution: 224, grid: 7, width: 768, layers: 12, embed: 512 },
    text: { width: 512, layers: 12, vocab: 49408 },
    ...{ batch: 4096, lr: 5e-4 },
  },
];

export interface ModelSizes {
  readonly resolution: number;
  readonly patch: number;
  readonly width: number;
  readonly layers: number;
  readonly embed: number;
  readonly text: Class['text'] & { readonly context: number };
  readonly batch: number;
  readonly lr: number;
}

/** CLIP's, above which captions are cut. */
const mostContext = 77;

/** Room for nearly all captions, a multiple of 8; with a template around each. */
async function contextFor(captions: readonly string[], vocab: number, template: string): Promise<number> {
  const tokenizer = await createTokenizer({ vocab, context: mostContext });
  const lengths = captions
    .map((caption) => tokenizer.encode(template.replaceAll('{}', () => caption)).length)
    .sort((a, b) => a - b);
  const long = lengths[Math.min(lengths.length - 1, Math.floor(0.99 * lengths.length))]!;
  return Math.min(mostContext, 8 * Math.ceil(long / 8));
}

/** The largest power of two with which an epoch has four batches, as far as there are as many samples. */
export function batchFor(samples: number, most: number): number {
  return Math.max(2, Math.min(most, 2 ** Math.floor(Math.log2(samples / 4))));
}

/** Software adapters train nothing but the smallest in minutes; pictures are not enlarged. */
export async function sizesFor(
  { samples, side, captions }: Pick<Survey, 'samples' | 'side' | 'captions'>,
  kind: DeviceKind,
  template: string,
): Promise<ModelSizes> {
  const chosen = kind === 'cpu' ? modelClasses[0]! : modelClasses.find((c) => samples <= c.samples)!;
  const { grid, text } = chosen;
  const patch = Math.max(2, Math.floor(Math.min(chosen.resolution, side) / grid));
  return {
    ...chosen,
    resolution: patch * grid,
    patch,
    text: { ...text, context: await contextFor(captions, text.vocab, template) },
    batch: batchFor(samples, chosen.batch),
  };
}
