/**
 * Weights of published sizes, counted by timm 1.0.29 and transformers 5.18 (without a classifier), as the
 * scripts of test/fixtures/generate print them.
 */
import { describe, expect, it } from 'vitest';
import { resolveModel } from '../../../compiler/model/index.ts';
import { nodeHost } from '../../../zoo/host.ts';

describe('published sizes', () => {
  it.each([
    ['eva02_base_patch14_224', 85758720],
    ['eva02_large_patch14_224', 303268800],
    ['eva02_base_patch16_clip_224', 85869312],
    ['vit_small_patch14_reg4_dinov2', 22057344],
    ['vit_base_patch14_reg4_dinov2', 86582016],
    ['vit_large_patch14_reg4_dinov2', 304370688],
    ['swin_tiny_patch4_window7_224', 27519354],
    ['swin_base_patch4_window7_224', 86743224],
    ['swin_large_patch4_window12_384', 195198516],
    ['TinyLlama-1.1B', 1034512384],
    ['Llama-2-7b', 6607343616],
    ['Llama-3-8B', 7504924672],
    ['bert-base-uncased', 109482240],
    ['bert-large-uncased', 335141888],
    ['bert-mini', 11170560],
    ['t5-small', 35330816],
    ['t5-v1_1-base', 109628544],
    ['t5-v1_1-xl', 1223527424],
    ['Mixtral-8x7B', 1409318912],
    ['Mixtral-8x22B', 2415968256],
    ['Phi-3.5-MoE', 1258356736],
  ])('%s has %i weights', (name, parameters) => {
    const result = resolveModel(nodeHost(), `test/fixtures/models/sizes.zoo#${name}`);
    if (!result.ok) throw new Error(result.diagnostics.map((d) => d.message).join('\n'));
    expect(result.value.parameters).toBe(parameters);
  });
});
