import { describe, expect, it } from 'vitest';
import { topAccuracy } from '../../../runtime/eval/metrics/classification.ts';
import { classFeatures, normalizeRows, trueRanks } from '../../../runtime/eval/zeroshot.ts';
import { promptsOf } from '../../../zoo/evaluate/prompts.ts';

describe('zero-shot classification', () => {
  it('averages normalised prompts over templates and names', async () => {
    const seen: string[] = [];
    const encode = async (texts: readonly string[]) => {
      seen.push(...texts);
      // Lengths differ, directions count.
      return Float32Array.from(texts.flatMap((_, i) => (i % 2 === 0 ? [3, 0] : [0, 5])));
    };
    const features = await classFeatures(
      encode,
      promptsOf(['cat', ['dog', '$& hound']], { templates: ['a {}', 'the {}, a {}'] }),
      2,
    );
    expect(seen).toEqual([
      'a cat',
      'the cat, a cat',
      'a dog',
      'the dog, a dog',
      'a $& hound',
      'the $& hound, a $& hound',
    ]);
    const half = Math.fround(Math.SQRT1_2);
    for (const [i, value] of features.entries()) expect(value, `${i}`).toBeCloseTo(half, 6);
  });

  it('normalises rows and leaves zeros', () => {
    expect([...normalizeRows(Float32Array.of(3, 4, 0, 0), 2)].map((v) => Math.round(v * 100) / 100)).toEqual([
      0.6, 0.8, 0, 0,
    ]);
  });

  it('ranks the true class: of equal scores the first is the better, NaN is the worst', () => {
    const classes = Float32Array.of(1, 0, 0, 1, 0.6, 0.8);
    const images = Float32Array.of(1, 0, 0, 1, 0, 0, Number.NaN, 0);
    const ranks = trueRanks(images, classes, 2, [0, 0, 1, 2]);
    expect(ranks).toEqual([0, 2, 1, 2]);
    expect(topAccuracy(ranks, 1)).toBe(0.25);
    expect(topAccuracy(ranks, 3)).toBe(1);
  });
});
