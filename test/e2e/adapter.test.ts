/**
 * Adapters from the command line: the weights that training made, exported without those of their base, and
 * loaded with it wherever weights are named.
 *
 * Trained on the device; run on the reference, which needs no kernels.
 */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSafetensors, readSafetensors, type Tensor } from '../../zoo/weights/formats/safetensors.ts';
import { fixedBatches, loraSettings, tinyZoo, Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const sizes = { resolution: 16, context: 8, vocab: 520 };

const source = `import adapters { LoRALinear }
import prompts { CoOp }
import clip { ModifiedResNet }
${tinyZoo}
model "lora" = "tiny" with "visual.**.mlp.c_fc" as LoRALinear(rank = 4)
model "both" = "lora" with "transformer.**.mlp.c_fc" as LoRALinear(rank = 2)
model "picture" = VisionTransformer(resolution = 16, patch = 8, width = 32, layers = 1, heads = 2, embed = 16)
model "resnet" = CLIP(
  vision = ModifiedResNet(layers = [1, 1, 1, 1], width = 4, resolution = 32, embed = 16),
  text = TextTransformer(context = 8, vocab = 520, width = 32, layers = 1, heads = 2, embed = 16)
)
model "prompted" = CoOp(
  vision = VisionTransformer(resolution = 16, patch = 8, width = 32, layers = 1, heads = 2, embed = 16),
  text = TextTransformer(context = 8, vocab = 520, width = 32, layers = 1, heads = 2, embed = 16),
  classes = 3,
  context = 8,
  width = 32,
  length = 2
)
train "t" of "lora" {${loraSettings}}
train "parts" of "lora" {${loraSettings}  from { "**" = "adapter" }
}
train "prompt" of "prompted" {
  data = tensors("classes.safetensors")
  objective = classify
  batch = 4
  optimizer = sgd(lr = 0.1)
  schedule = constant(warmup = 1 steps)
  init prompt_learner.ctx = normal(0.02)
  freeze "logit_scale", "positional_embedding", "text_projection", "token_embedding.**", "visual.**", "transformer.**", "ln_final.**"
}
`;

const zooc = (...args: string[]) => workspace.succeed(args);

async function refused(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await workspace.call(args);
  expect([code, stdout], stderr).toEqual([1, '']);
  return stderr;
}

const bytesOf = (name: string) => readFileSync(workspace.path(name));
const tensorsOf = (name: string) => readSafetensors(bytesOf(name)).tensors;
const sha256 = (name: string) => createHash('sha256').update(bytesOf(name)).digest('hex');
const manifestOf = (folder: string) => JSON.parse(bytesOf(`${folder}/model.json`).toString());

const exportTo = (out: string, from: string, model: string, format: string, ...more: string[]) =>
  zooc('export', from, '--model', `lora.zoo#${model}`, '--format', format, '--out', out, ...more);

const call = (model: string, weights: readonly string[], out: string, entry = 'logits') => [
  ...['run', model, ...weights, '--entry', entry, '--inputs', 'hash', '--batch', '2'],
  ...['--device', 'reference', '--out', out],
];

/** What an entry gives with these weights. */
async function outputOf(weights: readonly string[], model = 'lora.zoo#lora', entry?: string) {
  const { stderr } = await zooc(...call(model, weights, 'out.safetensors', entry));
  return { output: bytesOf('out.safetensors'), stderr };
}

const layer = 'visual.transformer.resblocks.0.mlp.c_fc';
const added = [`${layer}.lora_A`, `${layer}.lora_B`];

const changed = (name: string, other: string) => workspace.changed(name, other);

beforeAll(async () => {
  const batches = fixedBatches(2, 4, sizes);
  workspace.writeTensors('batches.safetensors', batches);
  workspace.writeTensors(
    'classes.safetensors',
    new Map<string, Tensor>([
      ['images', batches.get('images')!],
      ['label', { dtype: 'I32', shape: [2, 4], data: Int32Array.of(0, 1, 2, 0, 1, 2, 0, 1) }],
      [
        'prompts',
        {
          dtype: 'I32',
          shape: [3, 8],
          data: Int32Array.from([7, 9, 11].flatMap((name) => [518, name, 5, 519, 0, 0, 0, 0])),
        },
      ],
    ]),
  );
  workspace.write('lora.zoo', source);
  await exportTo('base', 'init:3', 'tiny', 'zoo');
  await exportTo('published', 'init:3', 'tiny', 'hf');
  await exportTo('other', 'init:4', 'tiny', 'zoo');
  await zooc('train', 'lora.zoo#t', '--weights', 'base', '--out', 'whole', '--steps', '4');
  const { stderr } = await exportTo('adapter', 'whole', 'lora', 'adapter');
  expect(stderr).toContain('2 of 40 weights are not those of base: 2.5 KiB of 197.3 KiB\n');
});

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

describe('a base in shards', () => {
  it('is recorded by a digest over its shards, which sha256sum of them gives, too', async () => {
    const tensors = [...tensorsOf('base/weights.safetensors')];
    const names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const shardOf = (i: number) => names[i % 2]!;
    mkdirSync(workspace.path('shards'));
    for (const name of names)
      workspace.writeTensors(`shards/${name}`, new Map(tensors.filter((_, i) => shardOf(i) === name)));
    const map = Object.fromEntries(tensors.map(([name], i) => [name, shardOf(i)]));
    workspace.write('shards/model.safetensors.index.json', JSON.stringify({ weight_map: map }));
    await exportTo('of-shards', 'whole', 'lora', 'adapter', '--base', 'shards');
    const lines = names.map((name) => `${sha256(`shards/${name}`)}  ${name}\n`).join('');
    expect(manifestOf('of-shards').base).toEqual({
      ...manifestOf('adapter').base,
      path: '../shards',
      file_sha256: createHash('sha256').update(lines).digest('hex'),
    });
  });
});

describe('a base', () => {
  const identity = () => {
    const { base } = manifestOf('adapter');
    return [
      `SHA-256 of the 38 weights that are taken from it: ${base.weights_sha256}`,
      `SHA-256 of its file: ${base.file_sha256}`,
    ];
  };

  it('that is another one is refused with both digests, and nothing is written', async () => {
    const args = call('lora.zoo#lora', ['--weights', 'adapter', '--base', 'other'], 'never.safetensors');
    const stderr = await refused(...args);
    expect(stderr).toContain(
      'error[Z442]: other/weights.safetensors is not the base of adapter/adapter.safetensors\n',
    );
    expect(stderr).toMatch(/note: SHA-256 of these weights in other\/weights\.safetensors: [0-9a-f]{64}\n/);
    for (const text of [...identity(), 'help: --base FILE: what was ../base']) expect(stderr).toContain(text);
    expect(existsSync(workspace.path('never.safetensors'))).toBe(false);
  });

  it('moves along with its adapter, lies beside it, or is named', async () => {
    const { output } = await outputOf(['--weights', 'whole']);
    mkdirSync(workspace.path('far/away'), { recursive: true });
    cpSync(workspace.path('adapter'), workspace.path('far/away/adapter'), { recursive: true });
    const away = ['--weights', 'far/away/adapter'];
    const stderr = await refused(...call('lora.zoo#lora', away, 'never.safetensors'));
    expect(stderr).toContain('error[Z441]: the base of far/away/adapter/adapter.safetensors is not there\n');
    expect(stderr).toContain('note: looked for far/away/base, far/away/adapter/base\n');
    for (const text of [...identity(), 'help: --base FILE']) expect(stderr).toContain(text);
    expect(existsSync(workspace.path('never.safetensors'))).toBe(false);
    expect((await outputOf([...away, '--base', 'base'])).output).toEqual(output);
    await exportTo('far/whole', 'far/away/adapter', 'lora', 'zoo', '--base', 'base');
    expect(changed('far/whole/weights.safetensors', 'whole/weights.safetensors')).toEqual([]);
    await exportTo('near', 'far/away/adapter', 'lora', 'adapter', '--base', 'base');
    expect(bytesOf('near/adapter.safetensors')).toEqual(bytesOf('adapter/adapter.safetensors'));
    const train = ['train', 'lora.zoo#t', '--steps', '1', '--weights'];
    await zooc(...train, 'far/away/adapter', '--base', 'base', '--out', 'far/run');
    await zooc(...train, 'whole', '--out', 'far/run-whole');
    expect(bytesOf('far/run/weights.safetensors')).toEqual(bytesOf('far/run-whole/weights.safetensors'));
    const texts = ['--texts', 'a dog', '--device', 'reference', '--out'];
    await zooc('embed', 'far/away/adapter', '--base', 'base', ...texts, 'far.npy');
    await zooc('embed', 'lora.zoo#lora', '--weights', 'whole', ...texts, 'near.npy');
    expect(bytesOf('far.npy')).toEqual(bytesOf('near.npy'));
    await zooc(
      ...['blend', 'whole', 'far/away/adapter', '--base', 'base'],
      '--alpha',
      '1',
      '--out',
      'far.st',
    );
    expect(changed('far.st', 'whole/weights.safetensors')).toEqual([]);
    cpSync(workspace.path('base'), workspace.path('far/away/adapter/base'), { recursive: true });
    expect((await outputOf(away)).output).toEqual(output);
    renameSync(workspace.path('far/away/adapter/base'), workspace.path('far/away/base'));
    expect((await outputOf(away)).output).toEqual(output);
  });

  it('may hold more than the model takes', async () => {
    const full = tensorsOf('base/weights.safetensors');
    const prefix = 'visual.';
    const own = new Map(
      [...full].flatMap(([name, t]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), t] as const] : [],
      ),
    );
    workspace.writeTensors('more.safetensors', new Map([...own, ['head', full.get('logit_scale')!]]));
    const proj = own.get('proj')!;
    workspace.writeTensors(
      'tuned.safetensors',
      new Map([...own, ['proj', { ...proj, data: new Float32Array(proj.data.length).fill(0.5) }]]),
    );
    await exportTo('tuned', 'tuned.safetensors', 'picture', 'adapter', '--base', 'more.safetensors');
    expect([...tensorsOf('tuned/adapter.safetensors').keys()]).toEqual(['proj']);
    const { output } = await outputOf(['--weights', 'tuned.safetensors'], 'lora.zoo#picture', 'forward');
    expect((await outputOf(['--weights', 'tuned'], 'lora.zoo#picture', 'forward')).output).toEqual(output);
  });

  it('is no adapter, and belongs to one', async () => {
    expect(
      await refused(...call('lora.zoo#lora', ['--weights', 'adapter', '--base', 'adapter'], 'x')),
    ).toContain('error[Z440]: adapter is an adapter itself, so it is no base\n');
    for (const weights of ['whole', 'init:3'])
      expect(
        await refused(...call('lora.zoo#lora', ['--weights', weights, '--base', 'base'], 'x')),
      ).toContain(`error[Z703]: --base base: only an adapter has a base, and ${weights} is none`);
    expect(
      await refused('blend', 'base', 'other', '--alpha', '0.5', '--base', 'base', '--out', 'x'),
    ).toContain('error[Z703]: --base base: only an adapter has a base, and neither base nor other is one');
  });
});

describe('what is refused', () => {
  const make = (from: string, ...more: string[]) =>
    refused('export', from, '--model', 'lora.zoo#lora', '--format', 'adapter', '--out', 'none', ...more);

  it('an adapter that would hold nothing or everything, or whose base nobody knows', async () => {
    expect(await make('whole', '--base', 'whole')).toContain(
      'error[Z443]: whole and whole have the same weights, so an adapter would hold nothing\n',
    );
    expect(await make('whole', '--base', 'hash')).toContain(
      'error[Z443]: no weight of whole is that of hash, so an adapter would hold all of them\n',
    );
    expect(await make('again')).toContain(
      'error[Z703]: --format adapter needs a base: again does not say what it started from\n',
    );
    expect(await make('whole', '--base', 'adapter')).toContain('error[Z440]: adapter is an adapter itself');
    renameSync(workspace.path('base'), workspace.path('elsewhere'));
    expect(await make('whole')).toContain('error[Z441]: whole started from base, which is not there\n');
    renameSync(workspace.path('elsewhere'), workspace.path('base'));
    expect(existsSync(workspace.path('none'))).toBe(false);
  });

  it('another model', async () => {
    const stderr = await refused(...call('lora.zoo#tiny', ['--weights', 'adapter'], 'x'));
    expect(stderr).toContain('error[Z401]: weights do not fit tiny');
    expect(stderr).toContain(`not in the model: ${layer}.lora_A [4, 32]`);
    expect(stderr).toContain('note: in adapter/adapter.safetensors, an adapter that was exported for lora\n');
    const wide = ['--weights', 'adapter', '--set', 'text.layers=2'];
    expect(await refused(...call('lora.zoo#lora', wide, 'x'))).toContain(
      'note: as the base of adapter/adapter.safetensors\n',
    );
    const rule = ['--weights', 'ruled'];
    expect(await refused(...call('lora.zoo#both', rule, 'x'))).toContain(
      'error[Z440]: ruled/adapter.safetensors does not fit both: it was exported for lora, which takes 38 weights of its base, not 40\n',
    );
  });

  it('an adapter that was changed, is of a version to come, or is malformed', async () => {
    cpSync(workspace.path('adapter'), workspace.path('changed'), { recursive: true });
    const { tensors, metadata } = readSafetensors(bytesOf('adapter/adapter.safetensors'));
    // Without its checksum, as whoever changes a file on purpose has to, and yet of its size.
    const kept = [...metadata].map(
      ([key, value]) => [key.replace('zooc.sha256', 'none.sha256'), value] as const,
    );
    const write = (more: readonly (readonly [string, string])[]) =>
      workspace.write('changed/adapter.safetensors', encodeSafetensors(tensors, new Map([...kept, ...more])));
    write([['zooc_adapter', '2']]);
    expect(await refused(...call('changed', [], 'x'))).toContain(
      'error[Z430]: changed/adapter.safetensors is not what was exported',
    );
    const named = call('lora.zoo#lora', ['--weights', 'changed/adapter.safetensors'], 'x');
    expect(await refused(...named)).toContain(
      'error[Z440]: changed/adapter.safetensors is an adapter of version 2, this zooc reads version 1\n',
    );
    for (const base of ['{', '{"path":"../base"}']) {
      write([['base', base]]);
      expect(await refused(...named)).toContain(
        'error[Z440]: changed/adapter.safetensors is an adapter whose metadata does not say what its base is\n',
      );
    }
  });

  it('an adapter where no model says what its weights are, and as a file of another project', async () => {
    mkdirSync(workspace.path('bare'));
    copyFileSync(workspace.path('adapter/adapter.safetensors'), workspace.path('bare/adapter.safetensors'));
    expect(await refused('blend', 'whole', 'bare', '--alpha', '1', '--out', 'x')).toContain(
      'error[Z440]: bare/adapter.safetensors is an adapter without its model.zoo beside it',
    );
    const args = ['--format', 'openai', '--model', 'lora.zoo#lora', '--out', 'x'];
    expect(await refused('import', 'adapter', ...args)).toContain(
      'error[Z424]: adapter is an adapter of zooc, no file of another project\n',
    );
    rmSync(workspace.path('bare'), { recursive: true });
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
