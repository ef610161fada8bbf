/**
 * Adapters from the command line: the weights that training made, exported without those of their base, and
 * loaded with it wherever weights are named.
 *
 * Trained on the device; run on the reference, which needs no kernels.
 */
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors, type Tensor } from '../../../zoo/weights/formats/safetensors.ts';
import {
  added,
  bytesOf,
  changed,
  exportTo,
  manifestOf,
  outputOf,
  prepare,
  sha256,
  tensorsOf,
  workspace,
  zooc,
} from './setting.ts';

beforeAll(prepare);
afterAll(() => workspace.remove());

describe('an adapter', () => {
  it('holds the new weights alone, and names its base by digests and from where it lies', () => {
    expect(readdirSync(workspace.path('adapter')).sort()).toEqual([
      'README.md',
      'adapter.safetensors',
      'lora.zoo',
      'model.json',
      'model.zoo',
    ]);
    const { tensors, metadata } = readSafetensors(bytesOf('adapter/adapter.safetensors'));
    expect([...tensors.keys()]).toEqual(added);
    for (const name of added)
      expect(tensors.get(name)).toEqual(tensorsOf('whole/weights.safetensors').get(name));
    // Two matrices of 4 x 32 and 128 x 4 numbers, behind a header.
    expect(bytesOf('adapter/adapter.safetensors').length).toBeLessThan(4 * (4 * 32 + 128 * 4) + 1024);
    const { base } = manifestOf('adapter');
    expect(base).toEqual({
      path: '../base',
      weights_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      weights: 38,
      file_sha256: sha256('base/weights.safetensors'),
    });
    expect(metadata.get('zooc_adapter')).toBe('1');
    expect(JSON.parse(metadata.get('base')!)).toEqual(base);
    const card = bytesOf('adapter/README.md').toString();
    for (const text of ['`../base`', base.weights_sha256, base.file_sha256]) expect(card).toContain(text);
  });

  it('gives the bits of the whole weights, as folder, file and model', async () => {
    const whole = await outputOf(['--weights', 'whole']);
    for (const weights of ['adapter', 'adapter/adapter.safetensors']) {
      const { output, stderr } = await outputOf(['--weights', weights]);
      expect(output, weights).toEqual(whole.output);
      expect(stderr).toContain(
        'adapter/adapter.safetensors has 2 of the weights, the others are those of base/weights.safetensors\n',
      );
    }
    expect((await outputOf([], 'adapter')).output).toEqual(whole.output);
    expect((await outputOf(['--weights', 'base'])).output).not.toEqual(whole.output);
    await exportTo('again', 'adapter', 'lora', 'zoo');
    expect(changed('again/weights.safetensors', 'whole/weights.safetensors')).toEqual([]);
    expect(changed('whole/weights.safetensors', 'again/weights.safetensors')).toEqual([]);
  });

  it('takes its base in any format', async () => {
    const { output } = await outputOf(['--weights', 'whole']);
    await exportTo('pickled', 'base', 'tiny', 'open_clip');
    // Some training code keeps one number as a list of one.
    const tensors = new Map(tensorsOf('base/weights.safetensors'));
    tensors.set('logit_scale', { ...tensors.get('logit_scale')!, shape: [1] });
    workspace.writeTensors('listed.st', tensors);
    for (const base of ['published', 'published/model.safetensors', 'pickled', 'listed.st', 'init:3'])
      expect((await outputOf(['--weights', 'adapter', '--base', base])).output, base).toEqual(output);
  });

  it('is made beside a base in any format, too', async () => {
    await exportTo('beside', 'whole', 'lora', 'adapter', '--base', 'published');
    expect([...tensorsOf('beside/adapter.safetensors').keys()]).toEqual(added);
    expect(manifestOf('beside').base.weights_sha256).toBe(manifestOf('adapter').base.weights_sha256);
    await exportTo('ruled', 'whole', 'lora', 'adapter', '--base', 'init:3');
    expect(manifestOf('ruled').base).toMatchObject({ path: 'init:3', weights: 38 });
    expect(manifestOf('ruled').base.file_sha256).toBeUndefined();
    const { output } = await outputOf(['--weights', 'whole']);
    expect((await outputOf(['--weights', 'ruled'])).output).toEqual(output);
  });

  it('takes a base of halves that became floats for the same one', async () => {
    await exportTo('halves', 'base', 'tiny', 'zoo', '--dtype', 'f16');
    await exportTo('floats', 'halves', 'tiny', 'zoo', '--dtype', 'f32');
    await zooc('train', 'lora.zoo#t', '--weights', 'halves', '--out', 'from-halves', '--steps', '1');
    await exportTo('on-halves', 'from-halves', 'lora', 'adapter');
    expect(manifestOf('on-halves').base.path).toBe('../halves');
    const { output } = await outputOf(['--weights', 'from-halves']);
    for (const base of ['halves', 'floats'])
      expect((await outputOf(['--weights', 'on-halves', '--base', base])).output, base).toEqual(output);
  });

  it('is blended and taken in parts as the whole weights', async () => {
    await zooc('blend', 'whole', 'adapter', '--alpha', '1', '--out', 'blended.safetensors');
    expect(changed('blended.safetensors', 'whole/weights.safetensors')).toEqual([]);
    await zooc('train', 'lora.zoo#parts', '--out', 'parts', '--steps', '1');
    await zooc('train', 'lora.zoo#t', '--weights', 'whole', '--out', 'unparted', '--steps', '1');
    expect(bytesOf('parts/weights.safetensors')).toEqual(bytesOf('unparted/weights.safetensors'));
  });
});

describe('an adapter of trained weights', () => {
  it('is exported for other projects as the whole weights', async () => {
    const { stderr } = await exportTo('retrained', 'other', 'tiny', 'adapter', '--base', 'base');
    expect(stderr).toMatch(/^\d\d of 38 weights are not those of base: /m);
    const names = [...tensorsOf('retrained/adapter.safetensors').keys()];
    expect(names).toEqual(changed('other/weights.safetensors', 'base/weights.safetensors'));
    await exportTo('other-hf', 'other', 'tiny', 'hf');
    const made = await exportTo('retrained-hf', 'retrained', 'tiny', 'hf');
    expect(made.stderr).toContain(`retrained/adapter.safetensors has ${names.length} of the weights`);
    expect(bytesOf('retrained-hf/model.safetensors')).toEqual(bytesOf('other-hf/model.safetensors'));
  });
});

describe('training from an adapter', () => {
  it('goes on from the whole weights, and its run knows the base, through a resume as well', async () => {
    const train = (weights: string, out: string, ...more: string[]) =>
      zooc('train', 'lora.zoo#t', '--weights', weights, '--out', out, ...more);
    await train('whole', 'further-whole', '--steps', '4');
    await train('adapter', 'further', '--steps', '2');
    await zooc('train', 'lora.zoo#t', '--out', 'further', '--steps', '4', '--resume');
    expect(bytesOf('further/weights.safetensors')).toEqual(bytesOf('further-whole/weights.safetensors'));
    expect(JSON.parse(bytesOf('further/run.json').toString())).toMatchObject({ weights: '../adapter' });
    await exportTo('next', 'further', 'lora', 'adapter');
    expect([...tensorsOf('next/adapter.safetensors').keys()]).toEqual(added);
    expect(manifestOf('next').base).toEqual(manifestOf('adapter').base);
    await exportTo('copy', 'next', 'lora', 'adapter');
    expect(bytesOf('copy/adapter.safetensors')).toEqual(bytesOf('next/adapter.safetensors'));
  });

  it('without weights: the base is the rule that the run began with', async () => {
    await zooc('train', 'lora.zoo#t', '--out', 'fresh', '--steps', '1', '--set', 'seed=5');
    await exportTo('ruled-run', 'fresh', 'lora', 'adapter');
    expect(manifestOf('ruled-run').base.path).toBe('init:5');
    const { output } = await outputOf(['--weights', 'fresh']);
    expect((await outputOf(['--weights', 'ruled-run'])).output).toEqual(output);
  });
});

describe('learned prompts', () => {
  it('are an adapter of CLIP, in its own or published names', async () => {
    const out = ['--steps', '3', '--out'];
    await zooc('train', 'lora.zoo#prompt', '--weights', 'base', ...out, 'prompted');
    await zooc('train', 'lora.zoo#prompt', '--weights', 'published', ...out, 'prompted-hf');
    const { output } = await outputOf(['--weights', 'prompted'], 'lora.zoo#prompted', 'forward');
    for (const run of ['prompted', 'prompted-hf']) {
      await exportTo(`${run}-adapter`, run, 'prompted', 'adapter');
      const tensors = tensorsOf(`${run}-adapter/adapter.safetensors`);
      expect([...tensors].map(([name, { shape }]) => [name, shape])).toEqual([
        ['prompt_learner.ctx', [2, 32]],
      ]);
      const weights = ['--weights', `${run}-adapter`];
      expect((await outputOf(weights, 'lora.zoo#prompted', 'forward')).output).toEqual(output);
    }
  });
});

describe('running statistics', () => {
  it('that moved are part of an adapter, counters as well', async () => {
    await exportTo('still', 'init:1', 'resnet', 'zoo');
    const tensors = new Map(tensorsOf('still/weights.safetensors'));
    const mean = tensors.get('visual.bn1.running_mean')!;
    const moved = new Map<string, Tensor>([
      ['visual.bn1.running_mean', { ...mean, data: new Float32Array(mean.data.length).fill(0.25) }],
      ['visual.bn1.num_batches_tracked', { dtype: 'I64', shape: [], data: BigInt64Array.of(7n) }],
    ]);
    workspace.writeTensors('moved.safetensors', new Map([...tensors, ...moved]));
    await exportTo('statistics', 'moved.safetensors', 'resnet', 'adapter', '--base', 'still');
    expect(new Map(tensorsOf('statistics/adapter.safetensors'))).toEqual(
      new Map([...moved].sort(([, a]) => (a.dtype === 'I64' ? -1 : 1))),
    );
    await exportTo('whole-statistics', 'statistics', 'resnet', 'zoo');
    expect(changed('whole-statistics/weights.safetensors', 'moved.safetensors')).toEqual([]);
  });
});
