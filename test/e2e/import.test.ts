/** `import`, and other projects' weights given straight to `run`, `classify`, `train` and `export`. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { roundToHalf } from '../../compiler/graph/half.ts';
import { resolveModel } from '../../compiler/model/index.ts';
import { nodeHost } from '../../zoo/host.ts';
import { encodeSafetensors, readSafetensors, type Tensor } from '../../zoo/weights/formats/safetensors.ts';
import { initialWeight } from '../../zoo/weights/initial-weights.ts';
import { torchFile } from '../support/files/torch-writer.ts';
import { commandLine, tinyZoo, Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const loaded = resolveModel(nodeHost(), workspace.write('tiny.zoo', tinyZoo));
if (!loaded.ok) throw new Error('tiny.zoo has errors');
const model = loaded.value;

/** The weights of `init:7` as open_clip's checkpoints of data-parallel training name them. */
function checkpoint(dtype: 'F32' | 'F16'): Uint8Array {
  const tensors = model.weights.map(({ name, shape, init }): [string, Tensor] => {
    const theirs = /^(visual\.|logit_scale$)/.test(name) ? name : `text.${name}`;
    return [`module.${theirs}`, { dtype, shape, data: initialWeight(7, name, shape, init) }];
  });
  return torchFile(new Map(tensors), 'checkpoint');
}

workspace.write('theirs.pt', checkpoint('F32'));
workspace.write('half.pt', checkpoint('F16'));

function importArgs(weights: string, out: string, format = 'open_clip', ...more: string[]): string[] {
  return ['import', weights, '--format', format, '--model', 'tiny.zoo', '--out', out, ...more];
}

async function features(weights: string): Promise<Uint8Array> {
  const { code, stderr } = await workspace.call([
    ...['run', 'tiny.zoo', '--entry', 'logits', '--weights', weights, '--inputs', 'hash', '--batch', '2'],
    ...['--device', 'reference', '--out', 'features.safetensors'],
  ]);
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  return readFileSync(workspace.path('features.safetensors'));
}

describe('import', () => {
  it('writes the same weights under our names; features stay bit for bit', async () => {
    const { code, stdout, stderr } = await workspace.call(importArgs('theirs.pt', 'ours.safetensors'));
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'ours.safetensors\n' });
    expect(stderr).toContain(`${model.weights.length} weights of tiny from theirs.pt (names of open_clip)`);
    const { tensors } = readSafetensors(readFileSync(workspace.path('ours.safetensors')));
    for (const { name, shape, init } of model.weights)
      expect(tensors.get(name), name).toEqual({
        dtype: 'F32',
        shape,
        data: initialWeight(7, name, shape, init),
      });
    const wanted = await features('init:7');
    expect(await features('theirs.pt')).toEqual(wanted);
    expect(await features('ours.safetensors')).toEqual(wanted);
  });

  it.each([
    [[], 'F16'],
    [['--dtype', 'f32'], 'F32'],
  ])('writes halves with %j as %s', async (options, dtype) => {
    const { code } = await workspace.call(importArgs('half.pt', 'half.safetensors', 'open_clip', ...options));
    expect(code).toBe(0);
    const { tensors } = readSafetensors(readFileSync(workspace.path('half.safetensors')));
    expect(new Set([...tensors.values()].map((t) => t.dtype))).toEqual(new Set([dtype]));
  });

  it.each([
    ['hf', 'theirs.pt', 'error[Z424]: theirs.pt does not hold tiny under the names of hf'],
    ['openai', 'tiny.zoo', 'error[Z420]: tiny.zoo has no format that weights come in'],
    ['openai', 'hash', 'error[Z410]: cannot read hash: no such file or folder'],
    ['onnx', 'theirs.pt', 'error[Z424]: theirs.pt is no ONNX file'],
    ['onnx', 'hash', 'error[Z410]: cannot read hash: no such file or folder'],
  ])('refuses --format %s for %s and writes nothing', async (format, weights, message) => {
    const { code, stdout, stderr } = await workspace.call(importArgs(weights, 'never.safetensors', format));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
    expect(existsSync(workspace.path('never.safetensors'))).toBe(false);
  });

  it('reads back what was exported as ONNX, from f16 with the rounding of halves', async () => {
    for (const [dtype, file] of [
      ['f32', 'model.onnx'],
      ['f16', 'model_fp16.onnx'],
    ] as const) {
      const args = [
        'export',
        'init:7',
        '--model',
        'tiny.zoo',
        '--format',
        'onnx',
        '--dtype',
        dtype,
        '--out',
        dtype,
      ];
      expect((await workspace.call(args)).code).toBe(0);
      const { code } = await workspace.call(
        importArgs(`${dtype}/onnx/${file}`, `${dtype}.safetensors`, 'onnx'),
      );
      expect(code).toBe(0);
      const { tensors } = readSafetensors(readFileSync(workspace.path(`${dtype}.safetensors`)));
      for (const { name, shape, init } of model.weights) {
        const exact = initialWeight(7, name, shape, init);
        const half = dtype === 'f16' && shape.length > 1;
        expect(tensors.get(name)?.data, name).toEqual(half ? exact.map(roundToHalf) : exact);
      }
    }
  });

  it('keeps nothing half-written when the disk takes no more', () => {
    const script = `ulimit -f 16; exec "$0" "$@"`;
    const { status, stderr } = spawnSync(
      'bash',
      ['-c', script, process.execPath, ...commandLine(importArgs('theirs.pt', 'full.safetensors'))],
      { cwd: workspace.folder, env: { ...process.env, TSX_DISABLE_CACHE: '1' }, encoding: 'utf8' },
    );
    expect(status).toBe(1);
    expect(stderr).toContain('error[Z413]: cannot write full.safetensors');
    expect(readdirSync(workspace.folder).filter((name) => name.includes('full'))).toEqual([]);
  });
});

describe("other projects' weights", () => {
  it('are exported under our names', async () => {
    const args = ['export', 'theirs.pt', '--model', 'tiny.zoo', '--format', 'zoo', '--out', 'package'];
    expect((await workspace.call(args)).code).toBe(0);
    const { tensors } = readSafetensors(readFileSync(workspace.path('package/weights.safetensors')));
    expect([...tensors.keys()].sort()).toEqual(model.weights.map((w) => w.name).sort());
    expect(await features('package')).toEqual(await features('init:7'));
  });

  it('embed texts', async () => {
    const embed = async (weights: string) => {
      const args = ['embed', 'tiny.zoo', '--weights', weights, '--texts', 'a,b', '--out', 'e.npy'];
      expect((await workspace.call([...args, '--device', 'reference'])).code).toBe(0);
      return readFileSync(workspace.path('e.npy'));
    };
    expect(await embed('theirs.pt')).toEqual(await embed('init:7'));
  });

  it('start a training', async () => {
    const train = `${tinyZoo}
train "t" of "tiny" {
  data = tensors("batches.safetensors")
  objective = contrastive
  batch = 2
  optimizer = adamw(lr = 1e-3)
  schedule = constant(warmup = 0 steps, total = 1 steps)
}
`;
    workspace.write('train.zoo', train);
    const images: Tensor = { dtype: 'F32', shape: [1, 2, 3, 16, 16], data: new Float32Array(1536).fill(0.5) };
    const rows = [518, 5, 9, 519, 0, 0, 0, 0, 518, 7, 519, 0, 0, 0, 0, 0];
    const tokens: Tensor = { dtype: 'I32', shape: [1, 2, 8], data: Int32Array.from(rows) };
    workspace.write(
      'batches.safetensors',
      encodeSafetensors(
        new Map([
          ['images', images],
          ['tokens', tokens],
        ]),
      ),
    );
    const run = async (weights: string, out: string) => {
      const args = ['train', 'train.zoo', '--out', out, '--weights', weights, '--device', 'reference'];
      const { code, stderr } = await workspace.call(args);
      expect(stderr).not.toContain('error');
      expect(code).toBe(0);
      return readFileSync(workspace.path(`${out}/weights.safetensors`));
    };
    expect(await run('theirs.pt', 'a')).toEqual(await run('init:7', 'b'));
  });
});
