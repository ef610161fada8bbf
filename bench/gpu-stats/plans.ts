/** What is compiled: the towers of ViT-B/32 and a step of training them, and RN50's image tower, in both precisions. */
import type { Precision } from '../../compiler/compile.ts';
import type { BenchCase } from '../../zoo/bench/cases.ts';

export interface StatsPlan extends BenchCase {
  readonly precision: Precision;
}

const cases: readonly BenchCase[] = [
  { name: 'vit-b32', model: 'ViT-B/32', overrides: [], entry: 'logits', batch: 64, training: false },
  { name: 'vit-b32-train', model: 'ViT-B/32', overrides: [], entry: 'loss', batch: 64, training: true },
  { name: 'rn50', model: 'RN50', overrides: [], entry: 'encode_image', batch: 64, training: false },
];

export const plans: readonly StatsPlan[] = cases.flatMap((test) =>
  (['f32', 'mixed'] as const).map((precision) => ({ ...test, name: `${test.name}-${precision}`, precision })),
);
