/**
 * The families of encoders: what `encoders` passes on, LoRA over a published model, and weights of published
 * sizes, counted by timm 1.0.29 and transformers 5.18 (without a classifier), as the scripts of
 * test/fixtures/generate print them.
 */
import { describe, expect, it } from 'vitest';
import { checkFile, resolveModel } from '../../../compiler/model/index.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { memoryHost } from '../../errors/report.ts';
import { unwrap } from '../../support/models/families.ts';

describe('LoRALinear of the library', () => {
  it('replaces layers of a published model, keeps their weights and starts as they are', () => {
    const text = `import adapters { LoRALinear }
model "lora" = "ViT-B/32" with "visual.**.mlp.c_fc" as LoRALinear(rank = 4)`;
    const lora = unwrap(resolveModel(memoryHost({ 'main.zoo': text }), 'main.zoo#lora'));
    const plain = unwrap(resolveModel(nodeHost(), 'ViT-B/32'));
    const known = new Set(plain.weights.map((w) => w.name));
    const fresh = lora.weights.filter((w) => !known.has(w.name));
    expect(lora.weights.length).toBe(known.size + fresh.length);
    expect(fresh.length).toBe(2 * 12);
    for (const { name, shape, init } of fresh) {
      expect(name).toMatch(/^visual\.transformer\.resblocks\.\d+\.mlp\.c_fc\.lora_[AB]$/);
      expect(shape).toEqual(name.endsWith('A') ? [4, 768] : [3072, 4]);
      expect(init.kind).toBe(name.endsWith('A') ? 'uniform' : 'const');
      if (init.kind === 'const') expect(init.value).toBe(0);
    }
  });
});

describe('imports', () => {
  it('of a bundled package can be imported from it, those of a file cannot', () => {
    const host = memoryHost({
      'own.zoo': 'import swin { Swin }\nblock A { forward(x: [B, 2]) = x }',
      'other.zoo': 'import encoders { Swim }\nimport "./own.zoo" { Swin }',
    });
    expect(checkFile(host, 'other.zoo').diagnostics.map((d) => d.message)).toEqual([
      'package encoders exports no `Swim`; did you mean `Swin`?',
      'own.zoo exports no `Swin`; it is in package swin',
    ]);
  });
});

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
    const model = unwrap(resolveModel(nodeHost(), `test/fixtures/models/sizes.zoo#${name}`));
    expect(model.parameters).toBe(parameters);
  });
});
