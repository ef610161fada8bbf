/** Forward selection of templates on features that were made up so that the answer is known. */
import { describe, expect, it } from 'vitest';
import { single } from '../../../runtime/dist/collective.ts';
import type { Visit } from '../../../runtime/eval/metrics/blocks.ts';
import { classFeatures } from '../../../runtime/eval/zeroshot.ts';
import {
  type Metric,
  nearestClasses,
  TemplateFeatures,
  valuesOf,
} from '../../../zoo/evaluate/prompt-search/ensembles.ts';
import { forwardSelection } from '../../../zoo/evaluate/prompt-search/forward-selection.ts';
import { promptsOf } from '../../../zoo/evaluate/prompts.ts';

const pictures = {
  data: Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1, -1, 0, 0),
  rows: 4,
  width: 3,
};
const labels = [0, 0, 1, 1];
/**
 * Of each class, of each template. The first template misses pictures 0 and 3, the second picture 1, the third is the second
 * again; the mean of the first two is right for all.
 */
const features = new TemplateFeatures([1, 1], 3, {
  data: Float32Array.from([
    ...[0.28, 0.96, 0, 0.8, -0.6, 0, 0.8, -0.6, 0],
    ...[0.36, -0.8, 0.48, 0, 0, 1, 0, 0, 1],
  ]),
  rows: 6,
  width: 3,
});

function values(metric: Metric) {
  return (ensembles: readonly (readonly number[])[]) =>
    valuesOf(ensembles, { pictures, labels, features, metric, device: async () => undefined });
}

describe('forward selection', () => {
  it('begins with the best single one, the first of equals, and adds what helps most', async () => {
    expect(await forwardSelection(3, values('acc1'))).toEqual({
      singles: [0.5, 0.75, 0.75],
      steps: [
        { added: 1, value: 0.75 },
        { added: 0, value: 1 },
      ],
    });
  });

  it('ends with as many as are asked for', async () => {
    const { steps } = await forwardSelection(3, values('acc1'), 1);
    expect(steps).toEqual([{ added: 1, value: 0.75 }]);
  });

  it('ends where no further one raises the value, though two would', async () => {
    const worth = new Map([
      ['0', 2],
      ['1', 1],
      ['2', 1],
      ['0 1', 2],
      ['0 2', 1],
      ['0 1 2', 3],
    ]);
    const asked: string[] = [];
    const { steps } = await forwardSelection(3, async (sets) =>
      sets.map((set) => {
        asked.push(set.join(' '));
        return worth.get(set.join(' '))!;
      }),
    );
    expect(steps).toEqual([{ added: 0, value: 2 }]);
    expect(asked).toEqual(['0', '1', '2', '0 1', '0 2']);
  });

  it('takes all where each helps', async () => {
    const { steps } = await forwardSelection(3, async (sets) => sets.map((set) => set.length));
    expect(steps.map(({ added }) => added)).toEqual([0, 1, 2]);
  });
});

describe('ensembles', () => {
  it('are told apart where blocks of similarities end within one', async () => {
    // Two pictures, three ensembles of three classes; of equal similarities the first class counts.
    const scores = [
      [0.1, 0.9, 0.3, 0.5, 0.5, 0.4, -1, -2, -0.5],
      [0.7, 0.2, 0.7, 0, -0.1, 0.2, -3, -0.1, -0.2],
    ];
    const visit: Visit = async (each) => {
      for (const [firstCandidate, candidates] of [
        [0, 4],
        [4, 4],
        [8, 1],
      ] as const)
        for (const firstQuery of [0, 1])
          each({
            scores: Float32Array.from(scores[firstQuery]!.slice(firstCandidate, firstCandidate + candidates)),
            ...{ firstQuery, firstCandidate, queries: 1, candidates },
          });
    };
    const best = await nearestClasses(visit, { pictures: 2, ensembles: 3, classes: 3 });
    expect(best.map((own) => [...own])).toEqual([
      [1, 0],
      [0, 2],
      [2, 1],
    ]);
  });

  it('are worth the mean over classes where that is asked', async () => {
    const uneven = {
      pictures: { ...pictures, rows: 3, data: pictures.data.subarray(0, 9) },
      labels: [0, 0, 1],
    };
    const [value] = await valuesOf([[1]], {
      ...uneven,
      features,
      metric: 'mean_per_class_recall',
      device: async () => undefined,
    });
    expect(value).toBe(0.75);
  });

  it('have the bits of zero-shot classification with these templates, of classes with several names', async () => {
    const classes = ['cat', ['dog', 'hound'], 'emu'];
    const templates = ['a {}', 'one {} here', '{}!'];
    // Anything that differs by text.
    const encode = async (texts: readonly string[]) =>
      Float32Array.from(
        texts.flatMap((text) => [text.length, text.charCodeAt(0) / 50, text.charCodeAt(2) / 70]),
      );
    const own = await TemplateFeatures.encode(classes, templates, {
      encoder: async () => ({ embed: 3, encodeTexts: encode }),
      identity: 'made up',
      cache: undefined,
      group: single,
      classes: new Map(),
    });
    for (const chosen of [[0], [2, 0], [1, 2, 0]]) {
      const prompts = promptsOf(classes, { templates: chosen.map((i) => templates[i]!) });
      // As the encoder gives them, rows of length 1 come in.
      const unit = async (texts: readonly string[]) =>
        classFeatures(
          encode,
          texts.map((t) => [t]),
          3,
        );
      expect(own.ensemble(chosen)).toEqual(await classFeatures(unit, prompts, 3));
    }
  });
});
