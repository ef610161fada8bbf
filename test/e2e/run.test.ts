/** `run`: outputs, agreement of the executors, and every way an input can be wrong. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeSafetensors, readSafetensors, type Tensor } from '../../zoo/weights/formats/safetensors.ts';
import { commandLine, goldenZoo, tinyZoo, Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());
workspace.write('tiny.zoo', tinyZoo);
workspace.write('golden.zoo', goldenZoo);

const batch = 3;
const images: Tensor = {
  dtype: 'F32',
  shape: [batch, 3, 16, 16],
  data: Float32Array.from({ length: batch * 3 * 256 }, (_, i) => Math.sin(i * 0.37)),
};
const rows = [
  [518, 5, 9, 519, 0, 0, 0, 0],
  [518, 7, 519, 0, 0, 0, 0, 0],
  [518, 3, 4, 5, 6, 7, 8, 519],
];
const tokens: Tensor = { dtype: 'I32', shape: [batch, 8], data: Int32Array.from(rows.flat()) };

function file(name: string, tensors: Record<string, Tensor>): string {
  workspace.write(name, encodeSafetensors(new Map(Object.entries(tensors))));
  return name;
}

file('both.safetensors', { images, tokens });
/** A batch of the golden model. */
const captions = [
  [510, 5, 9, 511],
  [510, 7, 511],
  [510, 3, 4, 5, 6, 7, 8, 511],
  [510, 11, 511],
];
file('golden.safetensors', {
  images: {
    dtype: 'F32',
    shape: [4, 3, 32, 32],
    data: Float32Array.from({ length: 4 * 3 * 1024 }, (_, i) => Math.sin(i * 0.37)),
  },
  tokens: {
    dtype: 'I32',
    shape: [4, 16],
    data: Int32Array.from(captions.flatMap((ids) => [...ids, ...new Array(16 - ids.length).fill(0)])),
  },
});

function runArgs(
  entry: string,
  options: Readonly<Record<string, string>> = {},
  model = 'tiny.zoo',
): string[] {
  const all = { weights: 'init:7', inputs: 'both.safetensors', out: 'out.safetensors', ...options };
  return ['run', model, '--entry', entry, ...Object.entries(all).flatMap(([k, v]) => [`--${k}`, v])];
}

function read(name: string): Map<string, Tensor> {
  return readSafetensors(readFileSync(workspace.path(name))).tensors;
}

/** Largest difference over the largest value. */
function relMax(a: Tensor, b: Tensor): number {
  const x = a.data as Float32Array;
  const y = b.data as Float32Array;
  const most = y.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-30);
  return x.reduce((m, v, i) => Math.max(m, Math.abs(v - y[i]!)), 0) / most;
}

describe('run', () => {
  it('writes what the entry produces', async () => {
    const { code, stdout, stderr } = await workspace.call([
      ...runArgs('loss', { device: 'reference' }),
      '--grad',
    ]);
    expect(stderr).not.toContain('error');
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    const out = read('out.safetensors');
    expect(out.get('image_features')!.shape).toEqual([batch, 16]);
    expect(out.get('text_features')!.shape).toEqual([batch, 16]);
    expect(out.get('logits_per_image')!.shape).toEqual([batch, batch]);
    expect(out.get('loss')!.shape).toEqual([]);
    expect(out.get('grad.visual.conv1.weight')!.shape).toEqual([32, 3, 8, 8]);
    expect(out.get('grad.token_embedding.weight')!.shape).toEqual([520, 32]);
  });

  it('agrees between WebGPU and the reference, with the same bits on every run', async () => {
    const outputs = ['gpu.safetensors', 'again.safetensors', 'reference.safetensors'];
    const devices = ['webgpu', 'webgpu', 'reference'];
    for (const [i, out] of outputs.entries()) {
      const [device, inputs] = [devices[i]!, 'golden.safetensors'];
      const args = [...runArgs('loss', { inputs, out, device }, 'golden.zoo#tiny_vit'), '--grad'];
      // The first in a process of its own: bits do not depend on what a process did before.
      const { code, stderr } = await (i === 0 ? workspace.zooc(args) : workspace.call(args));
      expect(stderr).not.toContain('error');
      expect(code).toBe(0);
    }
    const [gpu, again, reference] = outputs.map(read);
    expect(readFileSync(workspace.path('again.safetensors'))).toEqual(
      readFileSync(workspace.path('gpu.safetensors')),
    );
    expect([...gpu!.keys()].sort()).toEqual([...reference!.keys()].sort());
    expect(again!.size).toBe(gpu!.size);
    for (const [name, tensor] of reference!) {
      expect(gpu!.get(name)!.shape, name).toEqual(tensor.shape);
      // The golden tolerances: forward 3e-5; gradients of a whole tensor 1e-4 in L2, here 3e-4 for single elements. The
      // key third of an attention bias has no gradient in exact arithmetic, so only its size against the rest counts.
      expect(relMax(gpu!.get(name)!, tensor), name).toBeLessThan(name.startsWith('grad.') ? 3e-4 : 3e-5);
    }
  });

  it('takes I64 tokens, and the input of its entry alone or beside the other', async () => {
    const wide: Tensor = { dtype: 'I64', shape: tokens.shape, data: BigInt64Array.from(rows.flat(), BigInt) };
    const options = { device: 'reference', out: 'text.safetensors' };
    const first = await workspace.call(
      runArgs('encode_text', { ...options, inputs: file('i64.safetensors', { tokens: wide }) }),
    );
    expect(first.code).toBe(0);
    const wideBytes = readFileSync(workspace.path('text.safetensors'));
    await workspace.call(runArgs('encode_text', { ...options, inputs: file('i32.safetensors', { tokens }) }));
    expect(readFileSync(workspace.path('text.safetensors'))).toEqual(wideBytes);
    expect([...read('text.safetensors').keys()]).toEqual(['text_features']);
    await workspace.call(runArgs('encode_text', { ...options, inputs: 'both.safetensors' }));
    expect(readFileSync(workspace.path('text.safetensors'))).toEqual(wideBytes);
  });

  it('computes nothing, but checks everything, on the null device', async () => {
    const { code, stdout } = await workspace.call([
      ...runArgs('logits', { device: 'null', inputs: 'hash', batch: '2', out: 'null.safetensors' }),
      '--json',
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ out: 'null.safetensors', device: 'null device' });
    expect(read('null.safetensors').get('logits_per_image')!.shape).toEqual([2, 2]);
  });

  const odd: Tensor = { dtype: 'F32', shape: [batch, 3, 8, 8], data: new Float32Array(batch * 192) };
  const two: Tensor = { dtype: 'I32', shape: [2, 8], data: new Int32Array(16) };
  const floats: Tensor = { dtype: 'F32', shape: [batch, 8], data: new Float32Array(batch * 8) };
  const beyond: Tensor = {
    dtype: 'I32',
    shape: [1, 8],
    data: Int32Array.from([518, 1, 9999, 519, 0, 0, 0, 0]),
  };
  it.each<[string, Record<string, Tensor>, string[]]>([
    ['loss', { images }, ['tokens is missing, wanted is I32 or I64 [3, 8]']],
    [
      'loss',
      { images: odd, tokens: floats },
      [
        'images is F32 [3, 3, 8, 8], wanted is F32 [3, 3, 16, 16]',
        'tokens is F32 [3, 8], wanted is I32 or I64 [3, 8]',
      ],
    ],
    ['loss', { images, tokens: two }, ['tokens is I32 [2, 8], wanted is I32 or I64 [3, 8]']],
    ['encode_image', { images, text: tokens }, ['text is I32 [3, 8], but encode_image takes only images']],
    ['encode_text', { tokens: beyond }, ['tokens has id 9999 at position 2, it takes 0 to 519']],
  ])('names wrong inputs of %s: %#', async (entry, tensors, messages) => {
    const inputs = file('wrong.safetensors', tensors);
    const { code, stderr } = await workspace.call(
      runArgs(entry, { inputs, out: 'never.safetensors', device: 'reference' }),
    );
    expect(code).toBe(1);
    for (const message of messages) expect(stderr).toContain(`error[Z404]: wrong.safetensors: ${message}`);
    expect(existsSync(workspace.path('never.safetensors'))).toBe(false);
  });

  it('names weights that do not fit, all of them', async () => {
    const weights = file('weights.safetensors', { logit_scale: odd, extra: floats });
    const { code, stderr } = await workspace.call(runArgs('loss', { weights, device: 'reference' }));
    expect(code).toBe(1);
    expect(stderr).toContain(
      'error[Z401]: weights do not fit: logit_scale is [3, 3, 8, 8] in the file, [] in the model',
    );
    expect(stderr).toMatch(/not in the file: .*visual\.proj \[32, 16\]/);
    expect(stderr).toContain('not in the model: extra [3, 8]');
    expect(stderr).toContain('in weights.safetensors');
  });

  it.each([
    ['missing.safetensors', undefined],
    ['empty.safetensors', new Uint8Array(0)],
    ['text.safetensors', Buffer.from('this is no tensor file at all')],
    ['cut.safetensors', encodeSafetensors(new Map([['images', images]])).subarray(0, -1)],
  ])('refuses %s with one clear message', async (name, bytes) => {
    if (bytes !== undefined) workspace.write(`bad-${name}`, bytes);
    for (const option of ['inputs', 'weights']) {
      const { code, stderr } = await workspace.call(
        runArgs('loss', { [option]: `bad-${name}`, out: 'never.safetensors' }),
      );
      expect(code).toBe(1);
      expect(stderr.match(/^error\[Z\d{3}\]: .*/gm)).toEqual([expect.stringContaining(`bad-${name}`)]);
      expect(existsSync(workspace.path('never.safetensors'))).toBe(false);
    }
  });

  it('says in one line what to do without an adapter', () => {
    const { code, stdout, stderr } = workspace.zooc(runArgs('loss'), { VK_ICD_FILENAMES: '/nonexistent' });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('error[Z601]: no WebGPU adapter was found on this machine');
    expect(stderr).toContain('npm run setup:driver');
  });

  it('keeps an old output when the new one cannot be written', async () => {
    const { code, stderr } = await workspace.call(
      runArgs('loss', { device: 'reference', out: 'nowhere/out.safetensors' }),
    );
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z413]: cannot write nowhere/out.safetensors: no such file or folder');
  });

  it('keeps nothing half-written when the disk takes no more', () => {
    // A limit on the size of files stands for a full disk: the write fails in the middle, with another errno.
    const node = commandLine([...runArgs('loss', { device: 'null', out: 'full.safetensors' }), '--grad']);
    const script = `ulimit -f 32; exec "$0" "$@"`;
    const { status, stderr } = spawnSync('bash', ['-c', script, process.execPath, ...node], {
      cwd: workspace.folder,
      env: { ...process.env, TSX_DISABLE_CACHE: '1' },
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    expect(stderr).toContain('error[Z413]: cannot write full.safetensors: the file would be too large');
    expect(readdirSync(workspace.folder).filter((name) => name.includes('full'))).toEqual([]);
  });
});
