/**
 * A ResNet from the command line: running statistics of `run --mode train`, of a training run cut in two, and
 * of an evaluation that uses them.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSafetensors, readSafetensors, type Tensor } from '../../zoo/weights/formats/safetensors.ts';
import { goldenZoo, Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const source = `${goldenZoo}
train "rn" of "tiny_rn" {
  data = tensors("batches.safetensors")
  batch = 4
  optimizer = adamw(lr = 1e-3)
  ema = 0.6
  schedule = cosine(warmup = 1 steps, total = 4 steps)
  checkpoint every 2 steps keep 2
}
`;

const norms = 19;

function batches(steps: number): Map<string, Tensor> {
  const tokens = new Int32Array(steps * 4 * 16);
  for (let row = 0; row < steps * 4; row++) tokens.set([510, 3 + row, 40 - row, 511], row * 16);
  const pixels = Float32Array.from(
    { length: steps * 4 * 3 * 4096 },
    (_, i) => Math.sin(i * 0.37) + (i % 7) / 7,
  );
  return new Map<string, Tensor>([
    ['images', { dtype: 'F32', shape: [steps, 4, 3, 64, 64], data: pixels }],
    ['tokens', { dtype: 'I32', shape: [steps, 4, 16], data: tokens }],
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

const bytesOf = ({ buffer, byteOffset, byteLength }: Tensor['data']) =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
const read = (name: string) => readSafetensors(readFileSync(workspace.path(name))).tensors;

async function run(device: string, mode: string, weights: string, out: string): Promise<Map<string, Tensor>> {
  const args = [
    ...['run', 'rn.zoo#tiny_rn', '--entry', 'loss', '--weights', weights, '--inputs', 'one.safetensors'],
    ...['--mode', mode, '--device', device, '--out', out],
  ];
  const { code, stderr } = await workspace.call(args);
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  return read(out);
}

describe('a ResNet', () => {
  it('in training mode gives its moved statistics, counted', async () => {
    const reference = await run('reference', 'train', 'init:1', 'reference.safetensors');
    const found = await run('webgpu', 'train', 'init:1', 'webgpu.safetensors');
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
    const still = await run('reference', 'eval', 'init:1', 'eval.safetensors');
    expect([...still.keys()]).not.toContain(moved[0]);
  });

  it('trains in two parts to the bits of one, statistics and counters among them', async () => {
    const train = async (out: string, ...more: string[]) =>
      expect(await workspace.call(['train', 'rn.zoo#rn', '--out', out, ...more])).toMatchObject({ code: 0 });
    await train('whole');
    await train('parts', '--steps', '3');
    await train('parts', '--resume');
    for (const file of ['weights', 'weights_ema']) {
      const bits = (folder: string) => readFileSync(workspace.path(`${folder}/${file}.safetensors`));
      expect(bits('parts').equals(bits('whole')), file).toBe(true);
    }
    const final = read('whole/weights.safetensors');
    expect(final.get('visual.layer4.0.bn3.num_batches_tracked')!.data).toEqual(BigInt64Array.of(4n));
    const mean = final.get('visual.bn1.running_mean')!.data as Float32Array;
    expect(mean.some((x) => x !== 0)).toBe(true);
    // Statistics have no moving average: they are one.
    const averaged = read('whole/weights_ema.safetensors');
    for (const [name, { data }] of final)
      if (/running_|num_batches/.test(name))
        expect(bytesOf(averaged.get(name)!.data).equals(bytesOf(data)), name).toBe(true);
    const convolution = 'visual.conv1.weight';
    expect(averaged.get(convolution)!.data).not.toEqual(final.get(convolution)!.data);
    // Evaluation uses what training left.
    const trained = (await run('webgpu', 'eval', 'whole', 'trained.safetensors')).get('image_features')!.data;
    const exact = (await run('reference', 'eval', 'whole', 'exact.safetensors')).get('image_features')!.data;
    const most = Math.max(...(exact as Float32Array).map(Math.abs));
    (trained as Float32Array).forEach((x, i) => {
      expect(Math.abs(x - Number(exact[i]))).toBeLessThan(3e-5 * most);
    });
  });
});
