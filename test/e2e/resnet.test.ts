/**
 * A ResNet from the command line: running statistics of `run --mode train`, of a training run cut in two, and
 * of an evaluation that uses them.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSafetensors, readSafetensors, type Tensor } from '../../zoo/weights/formats/safetensors.ts';
import { Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const source = `
import clip { CLIP, ModifiedResNet, TextTransformer }

model "rn" = CLIP(
  vision = ModifiedResNet(layers = [1, 1, 1, 1], width = 8, resolution = 32, heads = 4, embed = 16),
  text = TextTransformer(context = 8, vocab = 520, width = 32, layers = 1, heads = 1, embed = 16)
)

train "rn" of "rn" {
  data = tensors("batches.safetensors")
  batch = 4
  optimizer = adamw(lr = 1e-3)
  schedule = cosine(warmup = 1 steps, total = 4 steps)
  checkpoint every 2 steps keep 2
}
`;

const norms = 19;

function batches(steps: number): Map<string, Tensor> {
  const tokens = new Int32Array(steps * 4 * 8);
  for (let row = 0; row < steps * 4; row++) tokens.set([518, 3 + row, 40 - row, 519], row * 8);
  const pixels = Float32Array.from(
    { length: steps * 4 * 3 * 1024 },
    (_, i) => Math.sin(i * 0.37) + (i % 7) / 7,
  );
  return new Map<string, Tensor>([
    ['images', { dtype: 'F32', shape: [steps, 4, 3, 32, 32], data: pixels }],
    ['tokens', { dtype: 'I32', shape: [steps, 4, 8], data: tokens }],
  ]);
}

beforeAll(() => {
  workspace.write('rn.zoo', source);
  workspace.write('batches.safetensors', encodeSafetensors(batches(3)));
  const [images, tokens] = [...batches(1).values()] as [Tensor, Tensor];
  const one = new Map<string, Tensor>([
    ['images', { ...images, shape: images.shape.slice(1) }],
    ['tokens', { ...tokens, shape: tokens.shape.slice(1) }],
  ]);
  workspace.write('one.safetensors', encodeSafetensors(one));
});

const read = (name: string) => readSafetensors(readFileSync(workspace.path(name))).tensors;

function run(device: string, mode: string, weights: string, out: string): Map<string, Tensor> {
  const args = ['run', 'rn.zoo', '--entry', 'loss', '--weights', weights, '--inputs', 'one.safetensors'];
  const { code, stderr } = workspace.zooc([...args, '--mode', mode, '--device', device, '--out', out]);
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  return read(out);
}

describe('a ResNet', () => {
  it('in training mode gives its moved statistics, counted', () => {
    const reference = run('reference', 'train', 'init:1', 'reference.safetensors');
    const found = run('webgpu', 'train', 'init:1', 'webgpu.safetensors');
    const moved = [...reference.keys()].filter((name) => name.startsWith('buffer.'));
    expect(moved).toHaveLength(3 * norms);
    expect([...found.keys()].sort()).toEqual([...reference.keys()].sort());
    for (const name of moved) {
      const [a, b] = [found.get(name)!, reference.get(name)!];
      expect([name, a.dtype, a.shape]).toEqual([name, b.dtype, b.shape]);
      if (name.endsWith('num_batches_tracked')) {
        expect([a.dtype, a.shape, [...a.data]]).toEqual(['I64', [], [1n]]);
        continue;
      }
      const most = Math.max(...(b.data as Float32Array).map(Math.abs));
      const values = b.data as Float32Array;
      (a.data as Float32Array).forEach((x, i) => {
        expect(Math.abs(x - values[i]!), name).toBeLessThan(1e-5 * most);
      });
    }
    expect([...run('reference', 'eval', 'init:1', 'eval.safetensors').keys()]).not.toContain(moved[0]);
  });

  it('trains in two parts to the bits of one, statistics and counters among them', () => {
    const train = (out: string, ...more: string[]) =>
      expect(workspace.zooc(['train', 'rn.zoo', '--out', out, ...more])).toMatchObject({ code: 0 });
    train('whole');
    train('parts', '--steps', '3');
    train('parts', '--resume');
    const bits = (folder: string) =>
      readFileSync(workspace.path(`${folder}/weights.safetensors`)).toString('hex');
    expect(bits('parts')).toBe(bits('whole'));
    const final = read('whole/weights.safetensors');
    expect(final.get('visual.layer4.0.bn3.num_batches_tracked')!.data).toEqual(BigInt64Array.of(4n));
    const mean = final.get('visual.bn1.running_mean')!.data as Float32Array;
    expect(mean.some((x) => x !== 0)).toBe(true);
    // Evaluation uses what training left.
    const trained = run('webgpu', 'eval', 'whole', 'trained.safetensors').get('image_features')!.data;
    const exact = run('reference', 'eval', 'whole', 'exact.safetensors').get('image_features')!.data;
    const most = Math.max(...(exact as Float32Array).map(Math.abs));
    (trained as Float32Array).forEach((x, i) => {
      expect(Math.abs(x - Number(exact[i]))).toBeLessThan(3e-5 * most);
    });
  });
});
