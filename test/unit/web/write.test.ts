/** What the playground's editor makes of texts, beside what a page shows of it. */
import { describe, expect, it } from 'vitest';
import { bundledStart } from '../../../web/worker/write/starts.ts';
import { withSettings } from '../../../web/worker/write/with-settings.ts';
import { rangeOf } from '../../../web/write/ranges.ts';
import * as zooc from '../../../zoo/api/node.ts';
import { nodeHost } from '../../../zoo/host.ts';

describe('programs to begin with', () => {
  it.each(zooc.models())('declares %s under a name of its own, the same and without mistakes', (name) => {
    const text = bundledStart(nodeHost(), name);
    const made = zooc.model(text);
    expect(made.warnings).toEqual([]);
    const bundled = zooc.model(name);
    expect(made.name).toBe(`my-${name}`);
    expect(made.weights).toEqual(bundled.weights);
    expect(made.model.config).toEqual(bundled.model.config);
  });
});

describe('settings written into the text', () => {
  const towers = `import clip { CLIP, VisionTransformer, TextTransformer }

model "a" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 64),
  text = TextTransformer(context = 24, vocab = 600, width = 64, layers = 1, embed = 64)
)
`;
  const head = `import clip { CLIP, VisionTransformer, TextTransformer }

model "a"(layers: int = 2) = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = layers, embed = 64),
  text = TextTransformer(context = 24, vocab = 600, width = 64, layers = layers, embed = 64)
)
`;
  const settings = { 'vision.layers': '3', 'vision.heads': '2', 'text.act': 'gelu', 'text.width': '128' };

  it.each([
    ['in place of values and behind `with`', towers],
    [
      'behind the changes of a `with`',
      `${towers}\nmodel "b" = "a" with vision.layers = 1, vision.act = gelu\n`,
    ],
    ['not in place of the name of a parameter that others read', head],
  ])('gives the model that the settings gave: %s', (_, text) => {
    const model = text === head || text === towers ? 'a' : 'b';
    const written = withSettings(text, model, settings);
    const [after, wanted] = [zooc.model(written, {}, model), zooc.model(text, settings, model)];
    expect(after.model.config).toEqual(wanted.model.config);
    expect(after.weights).toEqual(wanted.weights);
  });

  it('puts a number where one stood, and leaves the rest as it was', () => {
    expect(withSettings(towers, 'a', { 'vision.layers': '5' })).toBe(
      towers.replace('layers = 2', 'layers = 5'),
    );
  });
});

describe('ranges of sliders', () => {
  it.each([
    ['int', 224],
    ['int', 12],
    ['int', 77],
    ['int', 768],
    ['int', 0],
    ['float', 0],
    ['float', 0.1],
    ['float', 20],
  ] as const)('has the value of the text on a step: %s %d', (kind, value) => {
    const { min, max, step } = rangeOf(kind, value)!;
    expect(value).toBeGreaterThanOrEqual(min);
    expect(value).toBeLessThanOrEqual(max);
    expect((value - min) / step).toBeCloseTo(Math.round((value - min) / step), 9);
  });

  it('leaves an epsilon to typing', () => expect(rangeOf('float', 1e-5)).toBeUndefined());
});
