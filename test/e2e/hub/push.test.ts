/** `zooc push`: what arrives at a hub is what a pull then gets, the token reaches the hub alone, and nobody reads it. */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hubSetting } from '../../support/hub/setting.ts';
import { tinyZoo } from '../harness.ts';

const secret = 'hf_aVerySecretToken';
const { hub, workspace, call, zooc } = hubSetting();
const packageFiles = ['README.md', 'model.json', 'model.zoo', 'weights.safetensors'];

beforeAll(async () => {
  workspace.write('tiny.zoo', tinyZoo);
  await zooc('export', 'init:3', '--model', 'tiny.zoo', '--format', 'zoo', '--out', 'tiny');
});
beforeEach(() => {
  hub.token = secret;
  hub.partBytes = undefined;
  hub.leaked.length = 0;
});

async function push(...args: string[]) {
  const { code, stdout, stderr } = await call(['push', ...args], { HF_TOKEN: secret });
  expect(`${stdout}${stderr}`).not.toContain(secret);
  return { code, stdout, stderr };
}

function arrived(name: string, folder: string, files: readonly string[]): void {
  const found = hub.head(name);
  expect([...found.keys()].sort()).toEqual(['.gitattributes', ...files].sort());
  for (const file of files)
    expect(Buffer.compare(found.get(file)!, workspace.bytes(`${folder}/${file}`)), file).toBe(0);
}

const puts = () => hub.asked.filter((line) => line.startsWith('PUT'));

describe('zooc push', () => {
  it('sends a package, which a pull gets again', async () => {
    hub.faults.set('put', { status: 503, times: 1 });
    const { code, stdout, stderr } = await push('tiny', 'hf:me/new');
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^hf:me\/new@[0-9a-f]{40}\n$/);
    arrived('me/new', 'tiny', packageFiles);
    expect(puts()).toHaveLength(2);
    expect(hub.leaked).toEqual([]);
    const pulled = await call(['pull', stdout.trim()], { HF_TOKEN: secret });
    expect(pulled.code, pulled.stderr).toBe(0);
  });

  it('sends again what has changed, and no weights that are there', async () => {
    cpSync(workspace.path('tiny'), workspace.path('edited'), { recursive: true });
    const manifest = JSON.parse(workspace.bytes('edited/model.json').toString());
    const card = 'another card';
    const sha256 = createHash('sha256').update(card).digest('hex');
    manifest.files['README.md'] = { bytes: card.length, sha256 };
    writeFileSync(workspace.path('edited/README.md'), card);
    writeFileSync(workspace.path('edited/model.json'), JSON.stringify(manifest));
    expect((await push('edited', 'hf:me/new')).code).toBe(0);
    arrived('me/new', 'edited', packageFiles);
    expect(puts()).toEqual([]);
  });

  it('sends large files in parts where the hub wants them so', async () => {
    hub.partBytes = 50_000;
    await zooc('export', 'init:4', '--model', 'tiny.zoo', '--format', 'zoo', '--out', 'other');
    const { code, stderr } = await push('other', 'hf:me/parts');
    expect(code, stderr).toBe(0);
    const size = workspace.bytes('other/weights.safetensors').byteLength;
    expect(puts()).toHaveLength(Math.ceil(size / 50_000));
    arrived('me/parts', 'other', packageFiles);
  });

  it('sends folders for other loaders, without what lies beside', async () => {
    await zooc('export', 'init:3', '--model', 'tiny.zoo', '--format', 'hf', '--out', 'hf');
    writeFileSync(workspace.path('hf/secret.txt'), 'x');
    expect((await push('hf', 'hf:me/hf')).code).toBe(0);
    const found = [...hub.head('me/hf').keys()];
    expect(found).toEqual(expect.arrayContaining(['README.md', 'config.json', 'model.safetensors']));
    expect(found).not.toContain('secret.txt');
  });

  it('sends exports to ONNX, whatever their elements', async () => {
    await zooc(
      'export',
      'init:3',
      '--model',
      'tiny.zoo',
      '--format',
      'onnx',
      '--dtype',
      'f16',
      '--out',
      'onnx',
    );
    expect((await push('onnx', 'hf:me/onnx')).code).toBe(0);
    const graphs = ['model', 'text_model', 'vision_model'].map((name) => `onnx/${name}_fp16.onnx`);
    const found = hub.head('me/onnx');
    for (const name of graphs)
      expect(Buffer.compare(found.get(name)!, workspace.bytes(`onnx/${name}`))).toBe(0);
    expect([...found.keys()]).toEqual(expect.arrayContaining(['README.md', 'config.json', 'tokenizer.json']));
  });

  it('sends a model of the local zoo', async () => {
    await zooc('zoo', 'add', 'tiny', '--name', 'pets');
    expect((await push('pets', 'hf:me/pets')).code).toBe(0);
    arrived('me/pets', 'tiny', packageFiles);
  });
});

describe('refuses', () => {
  const refused = async (...args: string[]) => {
    const { code, stderr } = await push(...args);
    expect([code, puts()]).toEqual([1, []]);
    return stderr;
  };

  it('folders that are no export', async () => {
    mkdirSync(workspace.path('empty'));
    expect(await refused('empty', 'hf:me/x')).toContain('error[Z410]: empty holds no weights');
    cpSync(workspace.path('tiny/weights.safetensors'), workspace.path('empty/model.safetensors'));
    expect(await refused('empty', 'hf:me/x')).toContain('error[Z485]: empty holds no model card');
    cpSync(workspace.path('tiny'), workspace.path('damaged'), { recursive: true });
    rmSync(workspace.path('damaged/README.md'));
    expect(await refused('damaged', 'hf:me/x')).toContain('error[Z430]');
    expect(hub.repositories.has('me/x')).toBe(false);
  });

  it('names that are no repository, and to send anything offline', async () => {
    for (const name of ['me/x', 'openai:RN50', 'open_clip:ViT-B-32/laion2b_s34b_b79k'])
      expect(await refused('tiny', name)).toContain(`error[Z480]: ${name} is no repository to push to`);
    expect(await refused('tiny', 'hf:me/x', '--offline')).toContain('error[Z703]');
  });

  it('without a token, or with one that may not write', async () => {
    const without = await call(['push', 'tiny', 'hf:me/x']);
    expect([without.code, without.stderr]).toEqual([
      1,
      expect.stringContaining('takes nothing without a token'),
    ]);
    hub.token = 'another';
    expect(await refused('tiny', 'hf:me/x')).toContain('does not let this token write to me/x (401)');
  });
});
