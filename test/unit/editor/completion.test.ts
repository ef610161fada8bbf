/** What can be written at a place, exactly. */
import { describe, expect, it } from 'vitest';
import { encoder, labels, mini, opened } from '../../support/service.ts';

describe('completion', () => {
  const recipe = (body: string) => `${mini}train "t" of "mini" {\n  data = csv("a.csv")\n  ${body}\n}\n`;

  it('of paths of weights inside `freeze`', () => {
    expect(labels(recipe('freeze "visual.‸'))).toEqual([
      'visual.class_embedding',
      'visual.positional_embedding',
      'visual.proj',
      'visual.conv1',
      'visual.ln_pre',
      'visual.transformer',
      'visual.ln_post',
      'visual.**',
    ]);
    expect(labels(recipe('freeze "**", "!visual.transformer.resblocks.*.mlp.‸"'))).toEqual([
      '!visual.transformer.resblocks.*.mlp.c_fc',
      '!visual.transformer.resblocks.*.mlp.c_proj',
      '!visual.transformer.resblocks.*.mlp.**',
    ]);
    expect(labels(recipe('clamp logit‸'))).toContain('logit_scale');
  });

  it('replaces the whole text of a string', () => {
    const { service, offset, text } = opened(recipe('freeze "visual.con‸v2" batch = 4'));
    const { start, end } = service.completion('main.zoo', offset);
    expect(text.slice(start, end)).toBe('visual.conv2');
  });

  it('of settings, the calls that they can be, options and their words', () => {
    const settings = labels(recipe('‸'));
    expect(settings).toContain('optimizer');
    expect(settings).toContain('freeze');
    expect(settings).not.toContain('data');
    expect(labels(recipe('optimizer = ‸'))).toEqual(['adamw', 'sgd', 'lion']);
    expect(labels(recipe('optimizer = adamw(lr = 1e-3, ‸)'))).toEqual([
      'beta1',
      'beta2',
      'eps',
      'weight_decay',
      'decay_when',
    ]);
    expect(labels(recipe('precision = mixed(loss_scale = ‸'))).toEqual(['dynamic']);
    expect(labels(recipe('evaluate ‸'))).toEqual(['zeroshot', 'retrieval', 'probe', 'knn', 'loss']);
  });

  it('of parameters that have no argument yet', () => {
    const call = 'import nn { Linear }\nblock A(width: int) {\n  a: Linear(width, ‸, bias = false)\n}\n';
    expect(labels(call).slice(0, 4)).toEqual(['outputs', 'start', 'bias_start', 'width']);
    expect(labels('model "m" = "ViT-L/14" with ‸')).toEqual([
      'resolution',
      'vision',
      'text',
      'image_mean',
      'image_std',
    ]);
    expect(labels('model "m" = "ViT-L/14" with vision.pa‸')).toContain('patch_dropout');
  });

  it('of imports: packages, and what one exports and is not imported yet', () => {
    expect(labels('import ‸')).toContain('clip');
    expect(labels('import adapters { ‸ }').slice(0, 2)).toEqual(['LoRALinear', 'Adapter']);
    expect(labels('import adapters { LoRALinear, ‸ }')[0]).toBe('Adapter');
    expect(labels('import clip { "ViT-B‸" }')).toContain('ViT-B/32');
    expect(labels('import "./other.zoo" { ‸', { 'other.zoo': 'block Mine() {}\n' })).toEqual(['Mine']);
  });

  it('of names in reach, members behind a dot, and bundled models', () => {
    const body = encoder.replace('return flat + down(gelu(wide))', 'return ‸');
    const names = [
      'B',
      'x',
      'flat',
      'wide',
      'T',
      'doubled',
      'norm',
      'up',
      'down',
      'width',
      'hidden',
      'Encoder',
    ];
    expect(labels(body).slice(0, names.length)).toEqual(names);
    const chain = encoder.replace('return flat + down(gelu(wide))', 'return up.‸');
    expect(labels(chain)).toEqual(['weight', 'offset']);
    expect(labels('model "m" = "‸')).toContain('ViT-B/32-gelu');
  });

  it('of blocks by pattern behind `with`', () => {
    expect(labels('model "m" = "ViT-B/32" with "visual.‸" as x')).toEqual([
      'visual.conv1',
      'visual.ln_pre',
      'visual.transformer',
      'visual.ln_post',
      'visual.**',
    ]);
  });

  it('is silent in comments', () => {
    expect(labels('# a ‸comment\n')).toEqual([]);
  });
});
