/** Models of a hub, from a server on this machine that speaks its protocol: fetched once, verified, and taken by name everywhere. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { hubSetting } from '../../support/hub/setting.ts';
import { fixedBatches, tinyZoo } from '../harness.ts';

const { hub, workspace, env, call, zooc, refused, files } = hubSetting();
const packageFiles = ['README.md', 'model.json', 'model.zoo', 'weights.safetensors'];
const embedding = ['--texts', 'a dog', '--device', 'reference', '--out'];
let commit = '';

beforeAll(async () => {
  workspace.write('tiny.zoo', tinyZoo);
  await zooc('export', 'init:3', '--model', 'tiny.zoo', '--format', 'zoo', '--out', 'tiny');
  commit = hub.commit('someone/tiny', {
    ...files('tiny', packageFiles),
    '.gitattributes': '*.safetensors filter=lfs',
    'train.py': 'raise SystemExit',
    'pytorch_model.bin': 'a pickle',
  });
  await zooc('embed', 'tiny', ...embedding, 'here.npy');
});

const cached = (at = commit) =>
  join(
    workspace.path('cache/hub'),
    new URL(hub.endpoint).host.replace(':', '_'),
    'someone--tiny/commits',
    at,
  );
const fetchesOf = (name: string) => hub.asked.filter((line) => line.includes(`/${name}`));

describe('zooc pull', () => {
  it('fetches the files of a package and no others, and says by which commit they are', async () => {
    const { stdout } = await zooc('pull', 'hf:someone/tiny', '--json');
    const { name, path, files, fetched } = JSON.parse(stdout);
    expect(name).toBe(`hf:someone/tiny@${commit}`);
    expect(readdirSync(path).sort()).toEqual(packageFiles);
    for (const file of packageFiles) {
      const bytes = workspace.bytes(`tiny/${file}`);
      expect(readFileSync(join(path, file)).equals(bytes)).toBe(true);
      expect(files[file]).toEqual({
        bytes: bytes.byteLength,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      });
    }
    const bytes = packageFiles.reduce((sum, file) => sum + workspace.bytes(`tiny/${file}`).byteLength, 0);
    expect(fetched).toBe(bytes);
    expect(readdirSync(join(path, '../../partial'))).toEqual([]);
  });

  it('asks again whether a branch has moved on, and fetches what has changed', async () => {
    const again = JSON.parse((await zooc('pull', 'hf:someone/tiny', '--json')).stdout);
    expect(again.fetched).toBe(0);
    const changed = { ...files('tiny', packageFiles), 'README.md': 'another card' };
    const manifest = JSON.parse(workspace.bytes('tiny/model.json').toString());
    manifest.files['README.md'] = {
      bytes: 12,
      sha256: createHash('sha256').update('another card').digest('hex'),
    };
    const next = hub.commit('someone/tiny', { ...changed, 'model.json': JSON.stringify(manifest) });
    hub.asked.length = 0;
    const { path } = JSON.parse((await zooc('pull', 'hf:someone/tiny', '--json')).stdout);
    expect(path).toBe(cached(next));
    expect(readFileSync(join(path, 'README.md'), 'utf8')).toBe('another card');
    expect(fetchesOf('weights.safetensors')).toEqual([]);
    await zooc('pull', `hf:someone/tiny@${commit}`);
    expect(readFileSync(join(cached(), 'README.md'), 'utf8')).not.toBe('another card');
  });

  it('mends what was damaged since', async () => {
    const path = join(cached(), 'weights.safetensors');
    rmSync(path);
    const bytes = workspace.bytes('tiny/weights.safetensors');
    writeFileSync(path, Buffer.from(bytes).fill(0, bytes.byteLength - 8));
    await zooc('pull', `hf:someone/tiny@${commit}`);
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });
});

describe('processes', () => {
  const partial = () => {
    const folder = join(cached(), '../../partial');
    const file = existsSync(folder) ? readdirSync(folder).find((name) => name !== 'lock') : undefined;
    return file === undefined ? 0 : statSync(join(folder, file)).size;
  };
  afterEach(() => vi.unstubAllEnvs());

  it('that are killed leave what the next one goes on from; they end when they are done', async () => {
    rmSync(workspace.path('cache'), { recursive: true, force: true });
    for (const [name, value] of Object.entries(env())) vi.stubEnv(name, value);
    hub.faults.set('weights.safetensors', { stall: 10_000, times: 1 });
    const name = `hf:someone/tiny@${commit}`;
    const killed = await workspace.interrupt(['pull', name], 'SIGKILL', () => partial() === 10_000);
    expect([killed.code, partial()]).toEqual([null, 10_000]);
    hub.asked.length = 0;
    const { code, stdout, stderr } = await workspace.interrupt(['pull', name], 'SIGTERM', () => false);
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(`${cached()}\n`);
    expect(hub.asked.filter((line) => line.includes('bytes='))).toEqual(
      expect.arrayContaining([expect.stringMatching(/\/weights\.safetensors bytes=10000-$/)]),
    );
    expect(
      readFileSync(join(cached(), 'weights.safetensors')).equals(workspace.bytes('tiny/weights.safetensors')),
    ).toBe(true);
  });
});

describe('a name of a hub', () => {
  it('is a model with its weights, fetched at the first use and not asked for again', async () => {
    rmSync(workspace.path('cache'), { recursive: true, force: true });
    await zooc('embed', `hf:someone/tiny@${commit}`, ...embedding, 'first.npy');
    expect(workspace.bytes('first.npy').equals(workspace.bytes('here.npy'))).toBe(true);
    hub.asked.length = 0;
    await zooc('embed', `hf:someone/tiny@${commit}`, ...embedding, 'again.npy');
    expect(hub.asked).toEqual([]);
    expect((await zooc('show', 'hf:someone/tiny')).stdout).toContain('tiny');
  });

  it('is weights wherever weights are named', async () => {
    const name = `hf:someone/tiny@${commit}`;
    await zooc('embed', 'tiny.zoo', '--weights', name, ...embedding, 'weights.npy');
    expect(workspace.bytes('weights.npy').equals(workspace.bytes('here.npy'))).toBe(true);
    await zooc('blend', 'tiny', name, '--alpha', '0.5', '--out', 'blended.safetensors');
    expect(workspace.changed('blended.safetensors', 'tiny')).toEqual([]);
    await zooc('export', name, '--model', 'tiny.zoo', '--format', 'hf', '--out', 'as-hf');
    await zooc('import', name, '--format', 'openai', '--model', 'tiny.zoo', '--out', 'imported.safetensors');
    expect(workspace.changed('imported.safetensors', 'tiny')).toEqual([]);
  });

  it('is what a recipe starts from, and what an adapter is made for, with its commit', async () => {
    const sizes = { resolution: 16, context: 8, vocab: 520 };
    workspace.writeTensors('batches.safetensors', fixedBatches(2, 4, sizes));
    const recipe = (more: string) => `${tinyZoo}
train "t" of "tiny" ${more} {
  data = tensors("batches.safetensors")
  objective = contrastive
  batch = 4
  optimizer = sgd(lr = 0.1)
  schedule = constant(warmup = 1 steps)
  freeze "**", "!logit_scale"
}
`;
    workspace.write('recipe.zoo', recipe(`from "hf:someone/tiny@${commit}"`));
    const train = (...args: string[]) => zooc('train', ...args, '--steps', '1', '--device', 'reference');
    await train('recipe.zoo', '--out', 'run');
    workspace.write('plain.zoo', recipe(''));
    await train('plain.zoo', '--weights', 'tiny', '--out', 'plain');
    expect(workspace.changed('run', 'plain')).toEqual([]);
    const { weights } = JSON.parse(workspace.bytes('run/run.json').toString());
    expect(weights).toBe(`hf:someone/tiny@${commit}`);
    await zooc('export', 'run', '--model', 'tiny.zoo', '--format', 'adapter', '--out', 'adapter');
    expect(JSON.parse(workspace.bytes('adapter/model.json').toString()).base.path).toBe(weights);
    await zooc('export', 'adapter', '--model', 'adapter', '--format', 'zoo', '--out', 'whole');
    expect(workspace.changed('whole', 'run')).toEqual([]);
  });

  it('in an adapter, or in a recipe of a package, is taken if it was pulled and never fetched', async () => {
    const empty = { ZOOC_CACHE: workspace.path('empty-cache') };
    hub.asked.length = 0;
    const { code, stderr } = await call(['embed', 'adapter', ...embedding, 'never.npy'], empty);
    expect([code, hub.asked]).toEqual([1, []]);
    expect(stderr).toContain('error[Z441]');
    expect(stderr).toContain(`help: zooc pull hf:someone/tiny@${commit}, or --base FILE`);
    const text = workspace.bytes('recipe.zoo').toString();
    writeFileSync(workspace.path('adapter/recipe.zoo'), text.replaceAll('batches.safe', '../batches.safe'));
    const args = ['train', 'adapter/recipe.zoo', '--out', 'never', '--steps', '1', '--device', 'reference'];
    const refusal = await call(args, empty);
    expect([refusal.code, hub.asked]).toEqual([1, []]);
    expect(refusal.stderr).toContain(`error[Z483]: hf:someone/tiny@${commit} was not pulled`);
  });

  it('of weights of another project is the bundled model that they fit', async () => {
    hub.commit('other/none', { 'README.md': 'no weights' });
    expect(await refused('show', 'hf:other/none')).toContain('error[Z481]: other/none holds no weights');
    hub.commit('other/tiny', { 'model.safetensors': workspace.bytes('tiny/weights.safetensors') });
    expect(await refused('show', 'hf:other/tiny')).toContain(
      'error[Z704]: the weights of hf:other/tiny fit no bundled model\n',
    );
    await zooc('embed', 'tiny.zoo', '--weights', 'hf:other/tiny', ...embedding, 'other.npy');
    expect(workspace.bytes('other.npy').equals(workspace.bytes('here.npy'))).toBe(true);
  });

  it('is refused where it is malformed or not known', async () => {
    for (const name of ['hf:tiny', 'hf:../../etc', 'hf:a/b/c', 'hf:a/..', 'hf:a/b@../c', 'hf:a/b@', 'hf:'])
      expect(await refused('show', name)).toContain('error[Z480]');
    expect(await refused('pull', 'openai:ViT-B/33')).toContain('openai:ViT-B/32');
    expect(await refused('pull', 'open_clip:ViT-B-32/none')).toContain(
      'open_clip:ViT-B-32/laion2b_s34b_b79k',
    );
    expect(await refused('pull', 'tiny')).toContain('error[Z480]: tiny is no name of a hub');
  });
});

describe('offline', () => {
  it('takes what was pulled, and refuses anything else without a connection', async () => {
    await zooc('--offline', 'embed', `hf:someone/tiny@${commit}`, ...embedding, 'offline.npy');
    await zooc('pull', `hf:someone/tiny@${commit}`, '--offline');
    expect(await refused('show', 'hf:someone/else', '--offline')).toContain(
      'error[Z483]: hf:someone/else was not pulled, and nothing is fetched offline',
    );
    for (const variable of ['ZOOC_OFFLINE', 'HF_HUB_OFFLINE']) {
      const { code, stderr } = await call(['show', 'openai:RN50'], { [variable]: '1' });
      expect([code, stderr]).toEqual([1, expect.stringContaining('error[Z483]')]);
    }
    expect(hub.asked).toEqual([]);
    expect(existsSync(workspace.path('cache/hub/openai'))).toBe(false);
  });
});
