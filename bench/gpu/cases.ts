/** What is run on the day there is a GPU, by zooc and by PyTorch. */
import type { Precision } from '../../compiler/compile.ts';
import { type BenchCase, smallOverrides } from '../../zoo/bench/cases.ts';

export interface DayCase extends BenchCase {
  /** The smallest of interest: what does not fit is halved down to it. */
  readonly least: number;
}

export const precisions: readonly Precision[] = ['mixed', 'f32'];

const towers = { overrides: [], training: false } as const;
const step = { overrides: [], entry: 'loss', training: true } as const;

/** The first ones have estimates (`estimates.ts`); `fill` asks for what the largest cards hold. */
const cases: readonly DayCase[] = [
  { ...step, name: 'vit-b32-train', model: 'ViT-B/32', batch: 64, least: 8 },
  { ...towers, name: 'vit-b32-image', model: 'ViT-B/32', entry: 'encode_image', batch: 256, least: 8 },
  { ...towers, name: 'vit-b32-text', model: 'ViT-B/32', entry: 'encode_text', batch: 256, least: 8 },
  { ...towers, name: 'vit-l14-image', model: 'ViT-L/14', entry: 'encode_image', batch: 64, least: 4 },
  { ...step, name: 'vit-l14-train', model: 'ViT-L/14', batch: 32, least: 2 },
  { ...step, name: 'vit-b32-train-fill', model: 'ViT-B/32', batch: 1024, least: 64 },
];

/**
 * For adapters without a GPU, so that every stage can be tried: a model of some 5 million parameters. What takes longest there is compiling
 * kernels, of which a step has most, so it comes last.
 */
const small: readonly DayCase[] = ['vit-b32-image', 'vit-b32-text', 'vit-b32-train'].map((name) => ({
  ...cases.find((c) => c.name === name)!,
  overrides: smallOverrides,
  batch: 4,
  least: 2,
}));

export function casesFor(tiny: boolean): readonly DayCase[] {
  return tiny ? small : cases;
}
