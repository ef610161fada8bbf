/** The local zoo: models under names of one's own, in every verb, on a page, and packed for npm. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { hubSetting } from '../../support/hub/setting.ts';
import { tinyZoo } from '../harness.ts';

const { hub, workspace, zooc, refused, files } = hubSetting();
const embedding = ['--texts', 'a dog', '--device', 'reference', '--out'];
const results = [
  { dataset: 'pets', task: 'zeroshot_classification', n: 10, metrics: { acc1: 0.625, acc5: 1 } },
  { dataset: '<b>', task: 'zeroshot_retrieval', n: 4, metric: 'r@5', metrics: { 'r@1': 0.25, 'r@5': 0.75 } },
];

beforeAll(async () => {
  workspace.write('tiny.zoo', tinyZoo);
  workspace.write('results.json', JSON.stringify(results));
  const make = (seed: number) =>
    zooc('export', `init:${seed}`, '--model', 'tiny.zoo', '--format', 'zoo', '--out', `tiny-${seed}`);
  await make(1);
  await make(2);
  await zooc('embed', 'tiny-1', ...embedding, 'here.npy');
  expect((await zooc('zoo', 'add', 'tiny-1', '--results', 'results.json')).stdout).toBe('tiny\n');
  await zooc('zoo', 'add', 'tiny-2', '--name', 'second');
});

describe('zooc zoo', () => {
  it('lists what was added, shows cards and results', async () => {
    const listed = JSON.parse((await zooc('zoo', 'list', '--json')).stdout);
    expect(listed).toMatchObject([
      { name: 'second', model: 'tiny', results: [] },
      { name: 'tiny', model: 'tiny', results },
    ]);
    expect((await zooc('zoo', 'list')).stdout).toMatch(
      /^tiny +tiny +[\d,]+ +[\d.]+ MiB {2}pets 0\.625, <b> 0\.75$/m,
    );
    const { stdout } = await zooc('zoo', 'show', 'tiny');
    expect(stdout).toContain('# tiny\n');
    expect(stdout).toMatch(/^pets +zeroshot_classification +acc1 +0\.625$/m);
  });

  it('refuses what is no package, names that are taken, and what it has not', async () => {
    expect(await refused('zoo', 'add', 'tiny-2')).toContain('error[Z484]: the local zoo has a tiny already');
    expect(await refused('zoo', 'add', 'tiny-2', '--name', 'RN50')).toContain('RN50 is a bundled model');
    for (const name of ['../x', 'a/b', '.x', 'x.zoo', ''])
      expect(await refused('zoo', 'add', 'tiny-2', '--name', name)).toContain('cannot be a name in the zoo');
    mkdirSync(workspace.path('empty'));
    expect(await refused('zoo', 'add', 'empty', '--name', 'e')).toContain('error[Z430]: empty is no package');
    cpSync(workspace.path('tiny-2'), workspace.path('damaged'), { recursive: true });
    writeFileSync(workspace.path('damaged/README.md'), 'edited');
    expect(await refused('zoo', 'add', 'damaged', '--name', 'd')).toContain('error[Z430]');
    expect(await refused('zoo', 'add', 'tiny-2', '--name', 'r', '--results', 'tiny.zoo')).toContain(
      'error[Z702]',
    );
    for (const verb of ['show', 'remove'])
      expect(await refused('zoo', verb, '../tiny-1')).toContain('the local zoo has no "../tiny-1"');
    expect(await refused('zoo', 'show', 'third')).toContain('help: it has second, tiny');
    expect(readdirSync(workspace.path('zoo')).sort()).toEqual(['second', 'second.json', 'tiny', 'tiny.json']);
  });

  it('refuses an adapter whose base would not be found from there', async () => {
    const lora = `import adapters { LoRALinear }\n${tinyZoo}model "lora" = "tiny" with "visual.**.mlp.c_fc" as LoRALinear(rank = 2)\n`;
    workspace.write('lora.zoo', lora);
    const source = [
      'export',
      'init:1',
      '--model',
      'lora.zoo#lora',
      '--format',
      'adapter',
      '--base',
      'tiny-1',
    ];
    await zooc(...source, '--out', 'relative');
    expect(await refused('zoo', 'add', 'relative')).toContain('that looks for its base at ../tiny-1');
    source[source.length - 1] = 'tiny';
    await zooc(...source, '--out', 'absolute');
    await zooc('zoo', 'add', 'absolute', '--name', 'lora');
    await zooc('embed', 'lora', ...embedding, 'lora.npy');
    await zooc('zoo', 'remove', 'lora');
  });

  it('takes models from a hub', async () => {
    hub.commit('a/b', files('tiny-2', ['README.md', 'model.json', 'model.zoo', 'weights.safetensors']));
    await zooc('zoo', 'add', 'hf:a/b', '--name', 'from-hub');
    expect(workspace.changed('zoo/from-hub', 'tiny-2')).toEqual([]);
    await zooc('zoo', 'remove', 'from-hub');
    expect(existsSync(workspace.path('zoo/from-hub'))).toBe(false);
  });

  it('makes a page of all models that runs and loads nothing, whatever its texts say', async () => {
    await zooc('zoo', 'catalogue', '--out', 'zoo.html');
    const page = workspace.bytes('zoo.html').toString();
    expect(page).toContain('<section id="second">');
    expect(page).toContain('pets: acc1 0.625, &#60;b&#62;: r@5 0.75');
    expect(page).not.toContain('<b>');
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/src=|http:|https:/);
  });
});

describe('a name of the zoo', () => {
  it('is a model and weights in every verb, where nothing else has the name', async () => {
    const embed = async (out: string, ...args: string[]) => {
      await zooc('embed', ...args, ...embedding, out);
      return workspace.bytes(out);
    };
    const here = workspace.bytes('here.npy');
    expect((await embed('a.npy', 'tiny')).equals(here)).toBe(true);
    expect((await embed('b.npy', 'tiny.zoo', '--weights', 'tiny')).equals(here)).toBe(true);
    expect((await embed('c.npy', 'second')).equals(here)).toBe(false);
    await zooc('export', 'tiny', '--model', 'tiny', '--format', 'zoo', '--out', 'again');
    expect(workspace.changed('again', 'tiny-1')).toEqual([]);
    await zooc('blend', 'tiny', 'second', '--alpha', '0', '--out', 'blended.safetensors');
    expect(workspace.changed('blended.safetensors', 'tiny-1')).toEqual([]);
    // What lies here goes before.
    cpSync(workspace.path('tiny-1'), workspace.path('second'), { recursive: true });
    expect((await embed('d.npy', 'second')).equals(here)).toBe(true);
  });
});

describe('zooc zoo pack', () => {
  it('makes an npm package whose models programs import, with their weights', async () => {
    await zooc('zoo', 'pack', 'tiny', 'second', '--name', '@me/my-zoo', '--out', 'node_modules/@me/my-zoo');
    const folder = workspace.path('node_modules/@me/my-zoo');
    const about = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
    expect(about).toMatchObject({ name: '@me/my-zoo', version: '1.0.0', zoo: './zoo.zoo' });
    workspace.write('user.zoo', 'import "@me/my-zoo" { "tiny", "second" }\nmodel "mine" = "second"\n');
    await zooc('check', 'user.zoo');
    const weights = ['--weights', 'node_modules/@me/my-zoo/second'];
    await zooc('embed', 'user.zoo#mine', ...weights, ...embedding, 'mine.npy');
    await zooc('embed', 'tiny-2', ...embedding, 'two.npy');
    expect(workspace.bytes('mine.npy').equals(workspace.bytes('two.npy'))).toBe(true);
    await zooc('embed', 'node_modules/@me/my-zoo/tiny', ...embedding, 'packed.npy');
    expect(workspace.bytes('packed.npy').equals(workspace.bytes('here.npy'))).toBe(true);
  });

  it('refuses names that npm or the zoo has not', async () => {
    const pack = (model: string, name: string, ...more: string[]) =>
      refused('zoo', 'pack', model, '--name', name, ...more, '--out', 'never');
    expect(await pack('tiny', '../x')).toContain('error[Z484]: ../x is no name of an npm package');
    expect(await pack('tiny', 'x', '--package-version', 'one')).toContain('one is no version');
    expect(await pack('third', 'x')).toContain('the local zoo has no "third"');
    expect(existsSync(workspace.path('never'))).toBe(false);
  });
});
