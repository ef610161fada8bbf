/**
 * `train` from the golden weights on the golden batches, as users run it: losses, rates and logit_scale of
 * five steps against PyTorch, on the reference (about twice the golden run's own noise) and on the adapter
 * (tolerances of the golden README). And what `train` refuses: another model's checkpoint, parts of recipes
 * that cannot run yet.
 */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSafetensors, type Tensor } from '../../../runtime/data/safetensors/tensors.ts';
import { readGolden } from '../../support/golden/golden.ts';
import { goldenPath } from '../../support/golden/source.ts';
import { Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
import losses { contrastive }

model "tiny" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32)
)

train "golden" of "tiny" {
  data = tensors("batches.safetensors")
  objective = contrastive
  batch = 4
  optimizer = adamw(lr = 5e-4, beta1 = 0.9, beta2 = 0.98, eps = 1e-6, weight_decay = 0.2, decay_when = ndim >= 2)
  schedule = cosine(warmup = 2 steps, total = 5 steps)
  clamp logit_scale in 0 .. ln(100)
  checkpoint every 2 steps keep 2
}
`;

const golden = readGolden('tiny_vit.train.safetensors');
const weights = ['--weights', goldenPath('tiny_vit.weights.safetensors')];

beforeAll(() => {
  const batch = (name: string, dtype: 'F32' | 'I32'): Tensor => {
    const { shape, data } = golden.tensors.get(`in.${name}`)!;
    return { dtype, shape, data: dtype === 'F32' ? Float32Array.from(data) : Int32Array.from(data) };
  };
  const tensors = new Map([
    ['images', batch('images', 'F32')],
    ['tokens', batch('tokens', 'I32')],
  ]);
  workspace.write('batches.safetensors', encodeSafetensors(tensors));
  workspace.write('golden.zoo', source);
});

/** Of the final weights, and of their moving averages where the run keeps some. */
const bits = (run: string) =>
  ['weights', 'weights_ema']
    .map((file) => workspace.path(`${run}/${file}.safetensors`))
    .map((path) => (existsSync(path) ? readFileSync(path).toString('hex') : ''));

describe('train on the golden batches', () => {
  it.each([
    ['reference', 2.5e-6, 5e-7],
    ['webgpu', 1e-4, 1e-5],
  ])('on %s meets PyTorch: losses within %f, logit_scale within %f', async (device, loss, scale) => {
    const args = ['train', 'golden.zoo', ...weights, '--device', device, '--out', device];
    const outcome = device === 'reference' ? await workspace.call(args) : workspace.zooc(args);
    expect(outcome).toMatchObject({ code: 0 });
    const rows = workspace.metrics(device);
    expect(rows.map((r) => r.step)).toEqual([0, 1, 2, 3, 4]);
    const wanted = (name: string): Float64Array => golden.tensors.get(`step.${name}`)!.data;
    for (const row of rows) {
      const reference = wanted('loss')[row.step]!;
      expect(Math.abs(row.loss - reference) / reference, `loss of step ${row.step}`).toBeLessThan(loss);
      const difference = Math.abs(Number(row.logit_scale) - wanted('logit_scale')[row.step]!);
      expect(difference, `logit_scale of step ${row.step}`).toBeLessThan(scale);
    }
    for (const [i, lr] of [2.5e-4, 5e-4, 5e-4, 3.75e-4, 1.25e-4].entries())
      expect(rows[i]!.lr).toBeCloseTo(lr, 15);
  });

  it('in two parts ends with the bits of one', async () => {
    const args = ['train', 'golden.zoo', ...weights, '--device', 'reference', '--out', 'parts'];
    expect(await workspace.call([...args, '--steps', '3'])).toMatchObject({ code: 0 });
    expect(workspace.metrics('parts')).toHaveLength(3);
    expect(await workspace.call([...args, '--resume'])).toMatchObject({ code: 0 });
    expect(bits('parts')).toEqual(bits('reference'));
  });

  it('refuses the checkpoint of another model, and changes nothing', async () => {
    workspace.write(
      'other.zoo',
      source.replace('text = TextTransformer(', 'text = TextTransformer(heads = 2, '),
    );
    const before = workspace.metrics('reference');
    const args = [
      'train',
      'other.zoo',
      ...weights,
      '--device',
      'reference',
      '--out',
      'reference',
      '--resume',
    ];
    const { code, stderr } = await workspace.call(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/error\[Z612\]: .*belongs to another model/);
    expect(workspace.metrics('reference')).toEqual(before);
  });

  it('in chunks meets PyTorch as well, in two parts with the bits of one', async () => {
    const text = source.replace(
      '  batch = 4\n',
      '  batch = 4\n  chunk = 2\n  ema = 0.5\n  remat "**.resblocks.*"\n',
    );
    workspace.write('chunks.zoo', text);
    const args = ['train', 'chunks.zoo', ...weights];
    const train = (out: string, ...more: string[]) => workspace.call([...args, '--out', out, ...more]);
    expect(await train('chunks')).toMatchObject({ code: 0 });
    expect(await train('chunks-reference', '--device', 'reference')).toMatchObject({ code: 0 });
    for (const [run, tolerance] of [
      ['chunks', 1e-4],
      ['chunks-reference', 2.5e-6],
    ] as const)
      for (const { step, loss } of workspace.metrics(run)) {
        const wanted = golden.tensors.get('step.loss')!.data[step]!;
        expect(Math.abs(loss - wanted) / wanted, `loss of step ${step}`).toBeLessThan(tolerance);
      }
    expect(await train('chunks-parts', '--steps', '3')).toMatchObject({ code: 0 });
    expect(await train('chunks-parts', '--resume')).toMatchObject({ code: 0 });
    expect(bits('chunks-parts')).toEqual(bits('chunks'));
    expect(bits('chunks')[1]).not.toBe('');
  });

  it('in mixed precision reports the loss scale, and in two parts ends with the bits of one', async () => {
    const text = source.replace(
      '  batch = 4\n',
      '  batch = 4\n  ema = 0.5\n  precision = mixed(loss_scale = dynamic)\n',
    );
    workspace.write('mixed.zoo', text);
    const train = (out: string, ...more: string[]) =>
      workspace.call(['train', 'mixed.zoo', ...weights, '--out', out, ...more]);
    expect(await train('mixed')).toMatchObject({ code: 0 });
    const rows = workspace.metrics('mixed');
    // The golden gradients are large: the first scale overflows, and is halved until it does not.
    expect(rows[0]).toMatchObject({ overflow: true, loss_scale: 32768, grad_norm: null });
    const updated = rows.filter((row) => row.overflow === false);
    expect(updated.length).toBeGreaterThan(0);
    expect(updated.every((row) => row.grad_norm! > 0)).toBe(true);
    // What a skipped step leaves is the starting weights, so the loss in front of both is PyTorch's, within halves.
    expect(rows[0]!.loss).toBeCloseTo(golden.tensors.get('step.loss')!.data[0]!, 2);
    expect(await train('mixed-parts', '--steps', '3')).toMatchObject({ code: 0 });
    expect(await train('mixed-parts', '--resume')).toMatchObject({ code: 0 });
    expect(bits('mixed-parts')).toEqual(bits('mixed'));
    expect(bits('mixed')[1]).not.toBe('');
    const resume = ['train', 'golden.zoo', ...weights, '--out', 'mixed', '--resume'];
    const { code, stderr } = await workspace.call([...resume, '--device', 'reference']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/error\[Z612\]: .*precision/);
  });

  it('says which parts of a recipe cannot run yet, before anything is written', async () => {
    const mixed = source.replace('  batch = 4\n', '  batch = 4\n  precision = mixed(compute = f16)\n');
    workspace.write('later.zoo', mixed);
    const args = ['train', 'later.zoo', ...weights, '--device', 'reference', '--out', 'later'];
    const { code, stderr } = await workspace.call(args);
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z607]: recipe golden: precision = mixed(...) on the reference is not');
    expect(existsSync(workspace.path('later'))).toBe(false);
  });
});
