/** The base of an adapter from the command line: how it is recorded and found, and which bases and adapters are refused. */
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSafetensors, readSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import {
  bytesOf,
  call,
  changed,
  exportTo,
  layer,
  manifestOf,
  outputOf,
  prepare,
  refused,
  sha256,
  tensorsOf,
  workspace,
  zooc,
} from './setting.ts';

beforeAll(prepare);
afterAll(() => workspace.remove());

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
  beforeAll(async () => {
    await exportTo('again', 'adapter', 'lora', 'zoo');
    await exportTo('ruled', 'whole', 'lora', 'adapter', '--base', 'init:3');
  });

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
