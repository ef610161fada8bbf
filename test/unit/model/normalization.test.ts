/** Which block says how a model's pictures are normalised. */
import { describe, expect, it } from 'vitest';
import { clipNormalization, resolveModel } from '../../../compiler/model/index.ts';
import type { ModuleHost } from '../../../compiler/model/types.ts';
import { nodeHost } from '../../../zoo/host.ts';

const host = (text: string): ModuleHost => ({
  ...nodeHost(),
  read: (path) => (path === 'm.zoo' ? text : undefined),
});

function normalizationOf(text: string, reference = 'm.zoo#m') {
  const loaded = resolveModel(host(text), reference);
  if (!loaded.ok) throw new Error(loaded.diagnostics.map((d) => d.message).join());
  return loaded.value.normalization;
}

const tower = (parameters = '') => `
block Tower(width: int${parameters}) {
  param weight: [3, width] = zeros
  forward(image: [B, 3, 4, 4]) -> [B, width] = mean(image, axis = [2, 3]) @ weight
}
`;
const half = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
const given = 'image_mean: [float] = [0.5, 0.5, 0.5], image_std: [float] = [0.5, 0.5, 0.5]';

describe('the normalisation of pictures', () => {
  it("is OpenAI's for its models and for blocks that say nothing, and 0.5 for SigLIP's", () => {
    expect(normalizationOf('', 'ViT-B/32')).toEqual(clipNormalization);
    expect(normalizationOf(`${tower()}model "m" = Tower(2)`)).toEqual(clipNormalization);
    expect(normalizationOf('', 'ViT-B/16-SigLIP')).toEqual(half);
  });

  it('is that of the outermost block with both parameters', () => {
    const outer = (parameters: string) => `
block Outer(tower: block${parameters}) {
  tower: tower
  forward(image: tower.input) = tower(image)
}
`;
    const inner = tower(`, ${given}`);
    expect(normalizationOf(`${inner}model "m" = Tower(2)`)).toEqual(half);
    expect(normalizationOf(`${inner}${outer('')}model "m" = Outer(Tower(2))`)).toEqual(half);
    const own = ', image_mean: [float] = [0, 0, 0], image_std: [float] = [1, 1, 1]';
    expect(normalizationOf(`${inner}${outer(own)}model "m" = Outer(Tower(2))`)).toEqual({
      mean: [0, 0, 0],
      std: [1, 1, 1],
    });
  });

  it('is no matter of parameters that are called so and are no lists', () => {
    const text = `${tower(', image_mean: float = 0.0, image_std: float = 1.0')}model "m" = Tower(2)`;
    expect(normalizationOf(text)).toEqual(clipNormalization);
  });
});
