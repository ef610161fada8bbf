/** Weights that do not fit: one diagnostic that lists every tensor. */
import { describe, expect, it } from 'vitest';
import { checkWeights, resolveModel, type TensorInfo } from '../../compiler/model/index.ts';
import type { Model } from '../../compiler/model/types.ts';
import { renderDiagnostics } from '../../grammar/render.ts';
import { nodeHost } from '../../zoo/host.ts';

function load(settings: { path: string; value: string }[] = []): Model {
  const result = resolveModel(nodeHost(), 'test/fixtures/models/tiny.zoo#tiny_vit', settings);
  if (!result.ok) throw new Error(renderDiagnostics(result.diagnostics));
  return result.value;
}

function tensorsOf(model: Model): Map<string, TensorInfo> {
  return new Map(model.weights.map((w) => [w.name, { shape: w.shape, dtype: 'F32' }]));
}

describe('weights that do not fit', () => {
  it('accepts the tensors of the model itself', () => {
    const model = load();
    expect(checkWeights(model, tensorsOf(model))).toEqual([]);
  });

  it('Z401: another resolution', () => {
    const tensors = tensorsOf(load());
    const wide = load([{ path: 'vision.resolution', value: '64' }]);
    expect(`\n${renderDiagnostics(checkWeights(wide, tensors))}\n`).toMatchInlineSnapshot(`
      "
      error[Z401]: weights do not fit: visual.positional_embedding is [17, 64] in the file, [65, 64] in the model (vision.resolution = 64)
         = help: init visual.positional_embedding = resize_grid(bicubic)
      "
    `);
  });

  it('Z401: another patch size, and a text of another length, which is no grid though its rows are squares', () => {
    const tensors = tensorsOf(load([{ path: 'text.context', value: '9' }]));
    const fine = load([{ path: 'vision.patch', value: '4' }]);
    expect(`\n${renderDiagnostics(checkWeights(fine, tensors))}\n`).toMatchInlineSnapshot(`
      "
      error[Z401]: weights do not fit: positional_embedding is [9, 64] in the file, [16, 64] in the model
         = note: of another shape: positional_embedding is [9, 64] in the file, [16, 64] in the model
         = note: of another shape: visual.positional_embedding is [17, 64] in the file, [65, 64] in the model (vision.resolution = 32)
         = note: of another shape: visual.conv1.weight is [64, 3, 8, 8] in the file, [64, 3, 4, 4] in the model
         = help: init visual.positional_embedding = resize_grid(bicubic), init visual.conv1.weight = resize_grid(bicubic)
      "
    `);
  });

  it('Z401: missing, extra, misshapen and mistyped tensors together', () => {
    const model = load();
    const tensors = tensorsOf(model);
    tensors.delete('visual.proj');
    tensors.delete('ln_final.bias');
    tensors.set('input_resolution', { shape: [], dtype: 'I64' });
    tensors.set('text_projection', { shape: [64, 48], dtype: 'F32' });
    tensors.set('visual.class_embedding', { shape: [32], dtype: 'F32' });
    tensors.set('logit_scale', { shape: [], dtype: 'I32' });
    expect(`\n${renderDiagnostics(checkWeights(model, tensors))}\n`).toMatchInlineSnapshot(`
      "
      error[Z401]: weights do not fit: text_projection is [64, 48] in the file, [64, 32] in the model
         = note: not in the file: visual.proj [64, 32]
         = note: not in the file: ln_final.bias [64]
         = note: not in the model: input_resolution []
         = note: of another shape: text_projection is [64, 48] in the file, [64, 32] in the model
         = note: of another shape: visual.class_embedding is [32] in the file, [64] in the model
         = note: of another element type: logit_scale is I32 in the file, f32 in the model
      "
    `);
  });

  it('Z401: tensors of quite another model are counted, not all listed', () => {
    const model = load([{ path: 'text.layers', value: '1' }]);
    const tensors = new Map([...tensorsOf(load())].map(([name, t]) => [`module.${name}`, t]));
    expect(`\n${renderDiagnostics(checkWeights(model, tensors))}\n`).toMatchInlineSnapshot(`
      "
      error[Z401]: weights do not fit tiny_vit
         = note: not in the file: positional_embedding [16, 64]
         = note: not in the file: text_projection [64, 32]
         = note: not in the file: logit_scale []
         = note: not in the file: visual.class_embedding [64]
         = note: not in the file: visual.positional_embedding [17, 64]
         = note: not in the file: visual.proj [64, 32]
         = note: not in the file: visual.conv1.weight [64, 3, 8, 8]
         = note: not in the file: visual.ln_pre.weight [64]
         = note: not in the file: visual.ln_pre.bias [64]
         = note: not in the file: visual.transformer.resblocks.0.attn.in_proj_weight [192, 64]
         = note: not in the file: visual.transformer.resblocks.0.attn.in_proj_bias [192]
         = note: not in the file: visual.transformer.resblocks.0.attn.out_proj.weight [64, 64]
         = note: not in the file: visual.transformer.resblocks.0.attn.out_proj.bias [64]
         = note: not in the file: visual.transformer.resblocks.0.ln_1.weight [64]
         = note: not in the file: visual.transformer.resblocks.0.ln_1.bias [64]
         = note: not in the file: visual.transformer.resblocks.0.mlp.c_fc.weight [256, 64]
         = note: not in the file: visual.transformer.resblocks.0.mlp.c_fc.bias [256]
         = note: not in the file: visual.transformer.resblocks.0.mlp.c_proj.weight [64, 256]
         = note: not in the file: visual.transformer.resblocks.0.mlp.c_proj.bias [64]
         = note: not in the file: visual.transformer.resblocks.0.ln_2.weight [64]
         = note: not in the file: visual.transformer.resblocks.0.ln_2.bias [64]
         = note: not in the file: visual.transformer.resblocks.1.attn.in_proj_weight [192, 64]
         = note: not in the file: visual.transformer.resblocks.1.attn.in_proj_bias [192]
         = note: not in the file: visual.transformer.resblocks.1.attn.out_proj.weight [64, 64]
         = note: not in the file: visual.transformer.resblocks.1.attn.out_proj.bias [64]
         = note: not in the file: visual.transformer.resblocks.1.ln_1.weight [64]
         = note: not in the file: visual.transformer.resblocks.1.ln_1.bias [64]
         = note: not in the file: visual.transformer.resblocks.1.mlp.c_fc.weight [256, 64]
         = note: not in the file: visual.transformer.resblocks.1.mlp.c_fc.bias [256]
         = note: not in the file: visual.transformer.resblocks.1.mlp.c_proj.weight [64, 256]
         = note: not in the file: visual.transformer.resblocks.1.mlp.c_proj.bias [64]
         = note: not in the file: visual.transformer.resblocks.1.ln_2.weight [64]
         = note: not in the file: visual.transformer.resblocks.1.ln_2.bias [64]
         = note: not in the file: visual.ln_post.weight [64]
         = note: not in the file: visual.ln_post.bias [64]
         = note: not in the file: transformer.resblocks.0.attn.in_proj_weight [192, 64]
         = note: not in the file: transformer.resblocks.0.attn.in_proj_bias [192]
         = note: not in the file: transformer.resblocks.0.attn.out_proj.weight [64, 64]
         = note: not in the file: transformer.resblocks.0.attn.out_proj.bias [64]
         = note: not in the file: transformer.resblocks.0.ln_1.weight [64]
         = note: not in the file: 10 more
         = note: not in the model: module.positional_embedding [16, 64]
         = note: not in the model: module.text_projection [64, 32]
         = note: not in the model: module.logit_scale []
         = note: not in the model: module.visual.class_embedding [64]
         = note: not in the model: module.visual.positional_embedding [17, 64]
         = note: not in the model: module.visual.proj [64, 32]
         = note: not in the model: module.visual.conv1.weight [64, 3, 8, 8]
         = note: not in the model: module.visual.ln_pre.weight [64]
         = note: not in the model: module.visual.ln_pre.bias [64]
         = note: not in the model: module.visual.transformer.resblocks.0.attn.in_proj_weight [192, 64]
         = note: not in the model: module.visual.transformer.resblocks.0.attn.in_proj_bias [192]
         = note: not in the model: module.visual.transformer.resblocks.0.attn.out_proj.weight [64, 64]
         = note: not in the model: module.visual.transformer.resblocks.0.attn.out_proj.bias [64]
         = note: not in the model: module.visual.transformer.resblocks.0.ln_1.weight [64]
         = note: not in the model: module.visual.transformer.resblocks.0.ln_1.bias [64]
         = note: not in the model: module.visual.transformer.resblocks.0.mlp.c_fc.weight [256, 64]
         = note: not in the model: module.visual.transformer.resblocks.0.mlp.c_fc.bias [256]
         = note: not in the model: module.visual.transformer.resblocks.0.mlp.c_proj.weight [64, 256]
         = note: not in the model: module.visual.transformer.resblocks.0.mlp.c_proj.bias [64]
         = note: not in the model: module.visual.transformer.resblocks.0.ln_2.weight [64]
         = note: not in the model: module.visual.transformer.resblocks.0.ln_2.bias [64]
         = note: not in the model: module.visual.transformer.resblocks.1.attn.in_proj_weight [192, 64]
         = note: not in the model: module.visual.transformer.resblocks.1.attn.in_proj_bias [192]
         = note: not in the model: module.visual.transformer.resblocks.1.attn.out_proj.weight [64, 64]
         = note: not in the model: module.visual.transformer.resblocks.1.attn.out_proj.bias [64]
         = note: not in the model: module.visual.transformer.resblocks.1.ln_1.weight [64]
         = note: not in the model: module.visual.transformer.resblocks.1.ln_1.bias [64]
         = note: not in the model: module.visual.transformer.resblocks.1.mlp.c_fc.weight [256, 64]
         = note: not in the model: module.visual.transformer.resblocks.1.mlp.c_fc.bias [256]
         = note: not in the model: module.visual.transformer.resblocks.1.mlp.c_proj.weight [64, 256]
         = note: not in the model: module.visual.transformer.resblocks.1.mlp.c_proj.bias [64]
         = note: not in the model: module.visual.transformer.resblocks.1.ln_2.weight [64]
         = note: not in the model: module.visual.transformer.resblocks.1.ln_2.bias [64]
         = note: not in the model: module.visual.ln_post.weight [64]
         = note: not in the model: module.visual.ln_post.bias [64]
         = note: not in the model: module.transformer.resblocks.0.attn.in_proj_weight [192, 64]
         = note: not in the model: module.transformer.resblocks.0.attn.in_proj_bias [192]
         = note: not in the model: module.transformer.resblocks.0.attn.out_proj.weight [64, 64]
         = note: not in the model: module.transformer.resblocks.0.attn.out_proj.bias [64]
         = note: not in the model: module.transformer.resblocks.0.ln_1.weight [64]
         = note: not in the model: 22 more
      "
    `);
  });
});
