/**
 * The ablation example: models that start equal and see equal pairs, their scores of captions, the test, and
 * the page.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveModel, resolveRecipe } from '../../../compiler/model/index.ts';
import type { Model, Recipe } from '../../../compiler/model/types.ts';
import { lavapipeProfile } from '../../../compiler/profile.ts';
import { type Curve, objectives, pairsUntil, runnerUp } from '../../../examples/ablation/curves.ts';
import { zeroShot } from '../../../examples/ablation/evaluate.ts';
import { renderAblation } from '../../../examples/ablation/page.ts';
import { readCatalog } from '../../../examples/emoji/catalog.ts';
import { alternateStyles } from '../../../examples/emoji/tables.ts';
import { createTokenizer } from '../../../runtime/data/texts/tokenizer.ts';
import { planTraining } from '../../../runtime/train/plan.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { type Executor, openExecutor } from '../../../zoo/run/devices.ts';
import { openEntry } from '../../../zoo/run/entry.ts';
import { openStart } from '../../../zoo/weights/start-weights.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { unwrap } from '../../support/models/families.ts';
import { noise } from '../../support/models/training-models.ts';

const program = 'examples/ablation/ablation.zoo';
const names = objectives.map((objective) => objective.name);
const recipeOf = (name: string): Recipe => unwrap(resolveRecipe(nodeHost(), `${program}#${name}`, []));
const recipes = names.map(recipeOf);

/** Values of the weights that a recipe starts from, by name. */
async function startOf(recipe: Recipe): Promise<Map<string, Float32Array>> {
  const source = await openStart(recipe, undefined);
  const values = new Map<string, Float32Array>();
  for (const weight of recipe.model.weights) values.set(weight.name, await source.read(weight));
  await source.close();
  return values;
}

describe('recipes', () => {
  it.each(recipes)('$name has a plan in which every weight that is not frozen is trained', (recipe) => {
    const { plan, unread } = planTraining(recipe, lavapipeProfile);
    expect(plan.inputs.map((input) => input.name)).toEqual(['images', 'tokens']);
    expect(unread).toEqual([]);
    expect(recipe.freeze).toEqual(recipe.name === 'caption' ? ['visual.proj'] : []);
  });

  it('see the same pairs in the same order, and move the weights by the same rule', () => {
    const setting = ({ data, batch, seed, optimizer, schedule }: Recipe) => ({
      data: data.span!.file.text.slice(data.span!.start, data.span!.end),
      batch,
      seed,
      optimizer,
      schedule,
    });
    for (const recipe of recipes) expect(setting(recipe), recipe.name).toEqual(setting(recipes[0]!));
    expect(recipes.map(({ objective }) => objective?.name)).toEqual([
      'caption',
      'bag_of_words',
      'contrastive',
    ]);
  });

  it('start from the same numbers in every weight of the image tower, which are drawn by name and seed', async () => {
    const starts = await Promise.all(recipes.map(startOf));
    const tower = (start: Map<string, Float32Array>) =>
      [...start].filter(([name]) => name.startsWith('visual.'));
    expect(tower(starts[0]!)).toHaveLength(32);
    for (const start of starts) expect(tower(start)).toEqual(tower(starts[0]!));
    const other = await startOf({ ...recipes[0]!, seed: 2 });
    expect(other.get('visual.proj')).not.toEqual(starts[0]!.get('visual.proj'));
  });

  it('have room for the held-out captions, none of which is cut', async () => {
    const heldOut = readCatalog().filter((emoji) => emoji.heldOut);
    const tables = recipes.map(({ model }) => model.entries.find((e) => e.name === 'scores')!.inputs[1]!);
    const { sizes, ids } = tables[0]!;
    for (const table of tables) expect([table.sizes, table.ids]).toEqual([sizes, ids]);
    const [labels, context] = sizes as [number, number];
    expect(labels).toBe(heldOut.length);
    const tokenizer = await createTokenizer({ vocab: ids!.max + 1, context });
    const row = new Int32Array(context);
    expect(heldOut.filter(({ title }) => tokenizer.encodeInto(row, title))).toEqual([]);
  });
});

describe('scores', () => {
  let reference: Executor;
  beforeAll(async () => {
    reference = await openExecutor('reference', { notify: () => {} });
  });
  afterAll(() => reference.close());

  const context = 6;
  const small = (name: string, labels: number, vocab: number, length = context): Model => {
    const text = name === 'contrastive' ? { 'text.vocab': vocab, 'text.context': length } : { vocab };
    const settings = { ...text, context: length, labels, 'vision.layers': 1 };
    const overrides = Object.entries(settings).map(([path, value]) => ({ path, value: `${value}` }));
    return unwrap(resolveModel(nodeHost(), `${program}#${name}`, overrides));
  };
  const run = async (
    model: Model,
    entry: string,
    batch: number,
    inputs: Record<string, Float32Array | Int32Array>,
  ) => {
    const weights = await openWeights(model, 'hash');
    const ready = await openEntry(reference, model, weights, {
      entry,
      batch,
      mode: 'eval',
      gradients: false,
    });
    const results = await ready.run(new Map(Object.entries(inputs)));
    return (name: string) => [...results.get(name)!.data];
  };

  const vocab = 20;
  const size = 3 * 32 * 32;
  const images = noise(2 * size, 5);
  // SOT is 18, EOT 19, padding 0; the second repeats a word, and the last has no room for padding.
  const prompts = Int32Array.from([18, 4, 19, 0, 0, 0, 18, 7, 3, 7, 19, 0, 18, 5, 1, 2, 17, 19]);
  const labels = 3;
  const row = (k: number): number[] => [...prompts.subarray(k * context, (k + 1) * context)];
  /** The logarithms of a softmax. */
  const logs = (values: readonly number[]): number[] => {
    const total = values.reduce((sum, v) => sum + Math.exp(v), 0);
    return values.map((v) => v - Math.log(total));
  };
  const sumOf = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
  /** Every picture with every caption. */
  const pairs = [0, 1].flatMap((image) => [0, 1, 2].map((text) => ({ image, text })));
  // Scores are stored in single precision, as are the words that they are computed from here.
  const expectClose = (found: readonly number[], wanted: readonly number[]) => {
    expect(found).toHaveLength(wanted.length);
    for (const [i, value] of wanted.entries())
      expect(Math.abs(found[i]! - value)).toBeLessThan(1e-5 * (1 + Math.abs(value)));
  };

  it('of a caption model are the log-likelihoods of captions token by token, padding left out', async () => {
    const model = small('caption', labels, vocab);
    const scores = await run(model, 'scores', 2, { images, prompts });
    const beside = new Float32Array(pairs.length * size);
    for (const [i, { image }] of pairs.entries())
      beside.set(images.subarray(image * size, (image + 1) * size), i * size);
    const tokens = Int32Array.from(pairs.flatMap(({ text }) => row(text)));
    const words = (await run(model, 'forward', pairs.length, { images: beside, tokens }))('words');
    const wanted = pairs.map(({ text }, i) => {
      const next = row(text)
        .slice(1)
        .filter((id) => id !== 0);
      return next.map((id, t) => {
        const from = (i * context + t) * vocab;
        return logs(words.slice(from, from + vocab))[id]!;
      });
    });
    expectClose(scores('sum'), wanted.map(sumOf));
    expectClose(
      scores('mean'),
      wanted.map((list) => sumOf(list) / list.length),
    );
    expect(new Set(scores('sum')).size).toBe(pairs.length);
  });

  it('of a bag of words are the log-probabilities of distinct words, marks and padding left out', async () => {
    const model = small('bag_of_words', labels, vocab);
    const scores = await run(model, 'scores', 2, { images, prompts });
    const tokens = prompts.slice(0, 2 * context);
    const words = (await run(model, 'forward', 2, { images, tokens }))('words');
    const wanted = pairs.map(({ image, text }) => {
      const p = logs(words.slice(image * vocab, (image + 1) * vocab));
      return [...new Set(row(text))].filter((id) => id !== 0 && id < vocab - 2).map((id) => p[id]!);
    });
    expectClose(scores('sum'), wanted.map(sumOf));
    expectClose(
      scores('mean'),
      wanted.map((list) => sumOf(list) / list.length),
    );
  });

  it('of a contrastive model are the cosines of features', async () => {
    const model = small('contrastive', labels, vocab);
    const scores = await run(model, 'scores', 2, { images, prompts });
    const features = async (name: string, batch: number, tokens: Int32Array) => {
      const pictures = new Float32Array(batch * size);
      pictures.set(images);
      return (await run(model, 'forward', batch, { images: pictures, tokens }))(name);
    };
    const image = await features('image', 3, prompts);
    const text = await features('text', 3, prompts);
    expectClose(
      scores('cosine'),
      pairs.map((pair) =>
        sumOf(Array.from({ length: 64 }, (_, e) => image[pair.image * 64 + e]! * text[pair.text * 64 + e]!)),
      ),
    );
  });

  it('rank each picture’s caption, whatever the batch', async () => {
    const captions = ['red apple', 'sleeping face', 'snowman', 'guitar'];
    const model = small('bag_of_words', captions.length, 600, 8);
    const weights = await openWeights(model, 'hash');
    const test = { captions, truth: [2, 0, 1, 3, 0], pixels: noise(5 * size, 9) };
    const tokenizer = await createTokenizer({ vocab: 600, context: 8 });
    const table = new Int32Array(captions.length * 8);
    for (const [i, caption] of captions.entries())
      tokenizer.encodeInto(table.subarray(8 * i, 8 * i + 8), caption);
    const scores = (await run(model, 'scores', 5, { images: test.pixels, prompts: table }))('mean');
    const ranks = test.truth.map((right, i) => {
      const own = scores.slice(4 * i, 4 * i + 4);
      return own.filter((score) => score > own[right]!).length;
    });
    const share = (k: number): number => ranks.filter((rank) => rank < k).length / 5;
    for (const batch of [2, 5]) {
      const found = await zeroShot(reference, model, weights, test, batch);
      expect(found.mean).toEqual({ top1: share(1), top5: 1 });
    }
    expect(share(1)).toBeGreaterThan(0);
    expect(share(1)).toBeLessThan(1);
  });
});

describe('test pictures', () => {
  it('are every emoji once, in alternating styles', () => {
    const rows = ['a', 'b'].flatMap((style) =>
      [0, 1, 2].map((n) => ({ filepath: `${style}${n}`, title: `${n}`, tags: [] })),
    );
    expect(alternateStyles(rows).map((r) => r.filepath)).toEqual(['a0', 'b1', 'a2']);
  });
});

/** A curve whose drawn score has these accuracies after 100, 200, 400, … pairs. */
function curve(index: number, accuracies: readonly number[]): Curve {
  const objective = objectives[index]!;
  const points = accuracies.map((top1, i) => ({
    pairs: 100 * 2 ** i,
    scores: Object.fromEntries(
      Object.keys(objective.scores).map((name, s) => [name, { top1: top1 / (s + 1), top5: top1 }]),
    ),
  }));
  return { ...objective, points };
}

describe('curves', () => {
  it('reach an accuracy between points by the logarithm of pairs, or never', () => {
    const rising = curve(0, [0.1, 0.3, 0.2, 0.4]);
    expect(pairsUntil(rising, 0.2)).toBeCloseTo(100 * Math.SQRT2, 9);
    expect(pairsUntil(rising, 0.4)).toBeCloseTo(800, 9);
    expect(pairsUntil(rising, 0.05)).toBe(100);
    expect(pairsUntil(rising, 0.5)).toBeUndefined();
    expect(runnerUp([rising, curve(1, [0.1, 0.35]), curve(2, [0.2, 0.1])])).toBe(0.35);
  });
});

describe('page', () => {
  const curves = [curve(0, [0.01, 0.05]), curve(1, [0.02, 0.1]), curve(2, [0.05, 0.2])];
  const html = renderAblation({ facts: ['a <fact>'], curves, choices: 50 });

  it('is one file without anything from outside, for light and dark', () => {
    expect(html).not.toMatch(/src=|href=|url\(/);
    expect(html).toContain('prefers-color-scheme: dark');
    expect(html).toContain('name="viewport"');
    expect(html).toContain('a &#60;fact&#62;');
    expect(html).toContain('CC BY 4.0');
  });

  it('draws every point where it belongs, the highest on top, with chance and axes named', () => {
    const lines = [...html.matchAll(/<polyline class="line" points="([^"]+)"/g)].map(([, points]) =>
      points!.split(' ').map((point) => point.split(',').map(Number) as [number, number]),
    );
    expect(lines).toHaveLength(3);
    for (const [s, line] of lines.entries()) {
      expect(line.map(([x]) => x)).toEqual([56, 464]);
      // 0 lies at 288 and 0.21, the highest accuracy and a twentieth, at 14.
      for (const [i, [, y]] of line.entries()) {
        const accuracy = curves[s]!.points[i]!.scores[Object.keys(curves[s]!.scores)[0]!]!.top1;
        expect(y).toBeCloseTo(288 - (accuracy / 0.21) * 274, 0);
      }
    }
    expect(html).toContain('pairs seen (logarithmic); dashed: chance, 2.0 %</text>');
    const level = /class="level" .*?y1="([\d.]+)"/.exec(html)![1];
    expect(Number(level)).toBeCloseTo(288 - (0.02 / 0.21) * 274, 0);
    expect(html).toContain('zero-shot top-1 accuracy</text>');
    expect(html.match(/<circle /g)).toHaveLength(2);
    for (const { label } of objectives) expect(html).toContain(`${label}</span>`);
  });

  it('has the numbers of every point, of every score at the end, and the pairs until the second best is matched', () => {
    expect(html).toContain('<td>100</td><td>1.0 % / 1.0 %</td><td>2.0 % / 2.0 %</td><td>5.0 % / 5.0 %</td>');
    expect(html).toContain('pairs until 10.0 %');
    expect(html).toContain('summed over tokens</td><td>5.0 %</td><td>5.0 %</td><td>not reached</td>');
    expect(html).toContain('mean over tokens</td><td>2.5 %</td><td>5.0 %</td><td></td>');
    expect(html).toContain('mean over words</td><td>10.0 %</td><td>10.0 %</td><td>200</td>');
    expect(html).toContain('cosine of features</td><td>20.0 %</td><td>20.0 %</td><td>126</td>');
  });
});
