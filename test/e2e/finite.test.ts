/** Weights and features that are no finite numbers, and the probabilities of a model with a learned bias. */
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveModel } from '../../compiler/model/index.ts';
import { nodeHost } from '../../zoo/host.ts';
import { encodeSafetensors, readSafetensors, type Tensor } from '../../zoo/weights/formats/safetensors.ts';
import { initialWeight } from '../../zoo/weights/initial-weights.ts';
import { Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const program = `import encoders { SigLIP, SigLIPVisionTransformer, SigLIPTextTransformer }

model "sig" = SigLIP(
  vision = SigLIPVisionTransformer(resolution = 16, patch = 8, width = 8, layers = 1, heads = 1),
  text = SigLIPTextTransformer(context = 8, vocab = 600, width = 8, layers = 1, heads = 1)
)

train "short" of "sig" {
  data = csv("t.csv", image = "file", text = "caption")
  batch = 1
  optimizer = adamw(lr = 0.001, weight_decay = 0)
  steps = 1
}
`;
const loaded = resolveModel(nodeHost(), workspace.write('sig.zoo', program));
if (!loaded.ok) throw new Error('sig.zoo has errors');
const model = loaded.value;

/** `init:1` with one value of some weights set. */
function weights(file: string, changes: Readonly<Record<string, number>> = {}): string {
  const tensors = model.weights.map(({ name, shape, init }): [string, Tensor] => {
    const data = initialWeight(1, name, shape, init);
    if (changes[name] !== undefined) data[data.length - 1] = changes[name];
    return [name, { dtype: 'F32', shape, data }];
  });
  return workspace.write(file, encodeSafetensors(new Map(tensors)));
}

const rest = ['--device', 'reference'];
const classify = (file: string, ...more: string[]) =>
  workspace.call([
    'classify',
    'sig.zoo',
    '--weights',
    file,
    '--labels',
    'red,blue',
    ...rest,
    ...more,
    'a.png',
  ]);
const embed = (file: string, ...more: string[]) =>
  workspace.call(['embed', 'sig.zoo', '--weights', file, '--out', 'x.safetensors', ...rest, ...more]);

beforeAll(async () => {
  await sharp({ create: { width: 16, height: 16, channels: 3, background: '#d02020' } })
    .png()
    .toFile(workspace.path('a.png'));
  workspace.write('t.csv', 'file,caption\na.png,red\n');
});

describe('weights that are not finite', () => {
  it.each([Number.NaN, Infinity, -Infinity])(
    'end classify, embed and train by their name: %s',
    async (value) => {
      weights('bad.safetensors', { 'text.ln_final.weight': value });
      const said = `error[Z435]: text.ln_final.weight in bad.safetensors is not finite: value 7 is ${value}`;
      for (const { code, stdout, stderr } of [
        await classify('bad.safetensors'),
        await embed('bad.safetensors', '--texts', 'red'),
        await workspace.call([
          'train',
          'sig.zoo',
          '--weights',
          'bad.safetensors',
          '--out',
          `run${value}`,
          ...rest,
        ]),
      ]) {
        expect(stderr).toContain(said);
        expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      }
    },
  );

  it('end them where the scale or the bias is none', async () => {
    weights('bias.safetensors', { logit_bias: Number.NaN });
    weights('scale.safetensors', { logit_scale: 1000 });
    expect((await classify('bias.safetensors')).stderr).toContain('Z435]: logit_bias in bias.safetensors');
    expect((await classify('scale.safetensors')).stderr).toContain('Z435]: exp(logit_scale) is not finite');
  });
});

describe('features that are not finite', () => {
  it('end classify and embed by the name of the tensor, and of the picture or text', async () => {
    // Finite in f32, and infinite when they are multiplied.
    weights('large.safetensors', { 'text.ln_final.bias': 3e38, 'text.text_projection.weight': 1e3 });
    const { code, stderr } = await embed('large.safetensors', '--texts', 'fine red');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /error\[Z435\]: text_features of "fine red" is not finite: value \d is -?(Infinity|NaN)/,
    );
  });
});

describe('classify with a learned bias', () => {
  it('gives the probability of each pair alone: the sigmoid of its logit', async () => {
    weights('good.safetensors', { logit_bias: -0.5 });
    const { stdout, stderr } = await classify('good.safetensors', '--json');
    expect(stderr).not.toContain('error');
    const [{ predictions }] = JSON.parse(stdout) as [
      { predictions: { label: string; probability: number }[] },
    ];
    const run = async (kind: string, value: string) => {
      await embed('good.safetensors', kind, value);
      const { tensors } = readSafetensors(readFileSync(workspace.path('x.safetensors')));
      return tensors.values().next().value!.data as Float32Array;
    };
    const image = await run('--images', 'a.png');
    for (const { label, probability } of predictions) {
      const text = await run('--texts', label);
      const cosine = image.reduce((sum, x, i) => sum + x * text[i]!, 0);
      // scale starts at ln 10; both sides are doubles over features in f32
      expect(probability).toBeCloseTo(1 / (1 + Math.exp(0.5 - 10 * cosine)), 6);
    }
    expect(predictions.map((p) => p.label).sort()).toEqual(['blue', 'red']);
  });
});
