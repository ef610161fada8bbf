/**
 * Encoders written in the language only: every weight's gradient of the loss along a random direction against
 * central differences of the f64 reference, and values against what the papers define.
 */
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { verify } from '../../compiler/graph/verify.ts';
import { resolveModel, traceEntry } from '../../compiler/model/index.ts';
import type { Model } from '../../compiler/model/types.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { memoryHost } from '../errors/report.ts';
import { type SmallEncoder, smallEncoder, smallEncoders } from '../support/models/encoders.ts';
import { unwrap } from '../support/models/families.ts';
import { randomTensor } from '../support/ops/differences.ts';
import { randomNumbers } from '../support/random.ts';

const step = 1e-5;

function run({ graph, params, inputs }: SmallEncoder): (name: string) => Float64Array {
  const results = executeReference(verify(graph), { inputs, params });
  return (name) => results.get(name)!.data;
}

describe.each(smallEncoders)('%s', (name) => {
  it('has the gradients that differences of its loss show', () => {
    const encoder = smallEncoder(name);
    const { graph, params, inputs, trained } = encoder;
    const whole = verify(differentiate(verify(graph), { loss: 'loss', wrt: [...trained] }));
    const gradients = executeReference(whole, { inputs, params });
    const random = randomNumbers(11);
    for (const weight of trained) {
      const { shape, data } = params.get(weight)!;
      const direction = randomTensor(shape, random).data;
      const lossAt = (h: number): number => {
        params.set(weight, { shape, data: data.map((x, i) => x + h * direction[i]!) });
        return run(encoder)('loss')[0]!;
      };
      const difference = (lossAt(step) - lossAt(-step)) / (2 * step);
      params.set(weight, { shape, data });
      const slope = gradients.get(`grad.${weight}`)!.data.reduce((sum, g, i) => sum + g * direction[i]!, 0);
      expect(Math.abs(slope - difference), weight).toBeLessThan(1e-7 * (1 + Math.abs(difference)));
    }
  });
});

const normalised = (data: Float64Array, row: number, width: number): number[] => {
  const values = [...data.subarray(row * width, (row + 1) * width)];
  const norm = Math.hypot(...values);
  return values.map((v) => v / norm);
};

describe('values', () => {
  it('gelu_tanh is the published approximation', () => {
    const program = `
block Act { forward(image: [B, 3, 2, 2]) -> [B, 12] = rearrange(gelu_tanh(image), [b, c, h, w] -> [b, (c h w)]) }
model "act" = Act()`;
    const model = resolveModel(memoryHost({ 'a.zoo': program }), 'a.zoo#act');
    if (!model.ok) throw new Error(model.diagnostics[0]!.message);
    const traced = traceEntry(model.value, 'encode_image', { batch: 1 });
    if (!traced.ok) throw new Error(traced.diagnostics[0]!.message);
    const data = Float64Array.from([-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 5, 6]);
    const images: RefTensor = { shape: [1, 3, 2, 2], data };
    const feeds = { inputs: new Map([['image', images]]), params: new Map() };
    const out = executeReference(verify(traced.value), feeds).get('image_features')!.data;
    // 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), by Python's math.tanh.
    const wanted = [
      -0.0036373920817729943, -0.04540230591222494, -0.15880800939172324, -0.15428599017485606, 0.0,
      0.34571400982514394, 0.8411919906082768, 1.954597694087775, 2.996362607918227,
    ];
    wanted.forEach((y, i) => {
      expect(out[i]!).toBeCloseTo(y, 14);
    });
  });

  it("SigLIP's logits have scale and bias, and its loss is the mean over pictures of -log sigmoid(z l)", () => {
    const siglip = smallEncoder('siglip');
    const read = run(siglip);
    const [scale, bias] = ['logit_scale', 'logit_bias'].map((n) => siglip.params.get(n)!.data[0]!);
    let loss = 0;
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 3; j++) {
        const text = normalised(read('text_features'), j, 12);
        const cosine = normalised(read('image_features'), i, 12).reduce((s, v, k) => s + v * text[k]!, 0);
        const logit = Math.exp(scale!) * cosine + bias!;
        expect(read('logits_per_image')[3 * i + j]!).toBeCloseTo(logit, 12);
        loss += Math.log(1 + Math.exp(i === j ? -logit : logit)) / 3;
      }
    expect(read('loss')[0]!).toBeCloseTo(loss, 12);
    expect(siglip.model.objective).toBe('sigmoid_loss');
    expect(smallEncoder('gelu').model.objective).toBe('contrastive');
  });

  it('SigLIP starts from scale 10 and bias -10', () => {
    const start = new Map(smallEncoder('siglip').model.weights.map((w) => [w.name, w.init]));
    expect(start.get('logit_scale')).toEqual({ kind: 'const', value: Math.log(10) });
    expect(start.get('logit_bias')).toEqual({ kind: 'const', value: -10 });
  });

  it('a bag of words is the mean of its tokens up to EOT, in any order, whatever stands behind', () => {
    const cbow = smallEncoder('cbow');
    const features = run(cbow)('text_features');
    const tokens = cbow.inputs.get('tokens')!.data;
    const table = cbow.params.get('token_embedding.weight')!.data;
    const projection = cbow.params.get('text_projection')!.data;
    for (let row = 0; row < 3; row++) {
      const ids = [...tokens.subarray(row * 6, row * 6 + row + 3)];
      expect(ids.at(-1)).toBe(39);
      for (let e = 0; e < 6; e++) {
        let sum = 0;
        for (const id of ids) for (let k = 0; k < 8; k++) sum += table[id * 8 + k]! * projection[k * 6 + e]!;
        expect(features[row * 6 + e]!).toBeCloseTo(sum / ids.length, 12);
      }
    }
  });

  it('tokens of a ViT are what its last layer gives, normed; the first of them, projected, is its feature', () => {
    const sizes = 'resolution = 16, patch = 8, width = 8, heads = 2, embed = 3';
    const program = `import clip { VisionTransformer }
model "one" = VisionTransformer(${sizes}, layers = 1)
model "two" = VisionTransformer(${sizes}, layers = 2)`;
    const resolved = (name: string) =>
      unwrap(resolveModel(memoryHost({ 'a.zoo': program }), `a.zoo#${name}`));
    const [one, two] = [resolved('one'), resolved('two')];
    const random = randomNumbers(13);
    const params = new Map(two.weights.map(({ name, shape }) => [name, randomTensor(shape, random)]));
    const inputs = new Map([['image', randomTensor([2, 3, 16, 16], random)]]);
    const out = (model: Model, entry: string, name = 'out') =>
      executeReference(verify(unwrap(traceEntry(model, entry, { batch: 2 }))), { inputs, params }).get(name)!;
    const tokens = out(one, 'tokens');
    expect(tokens.shape).toEqual([2, 5, 8]);
    // The first of two layers is all of one with the same weights.
    const before = out(two, 'penultimate_patches').data;
    const [weight, bias, proj] = ['ln_post.weight', 'ln_post.bias', 'proj'].map((n) => params.get(n)!.data);
    for (let row = 0; row < 10; row++) {
      const x = [...before.subarray(8 * row, 8 * row + 8)];
      const mean = x.reduce((a, b) => a + b) / 8;
      const deviation = Math.sqrt(x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 8 + 1e-5);
      x.forEach((v, i) => {
        const wanted = ((v - mean) / deviation) * weight![i]! + bias![i]!;
        expect(tokens.data[8 * row + i]!).toBeCloseTo(wanted, 12);
      });
    }
    const features = out(one, 'encode_image', 'image_features').data;
    for (let b = 0; b < 2; b++)
      for (let e = 0; e < 3; e++) {
        let sum = 0;
        for (let i = 0; i < 8; i++) sum += tokens.data[40 * b + i]! * proj![3 * i + e]!;
        expect(features[3 * b + e]!).toBeCloseTo(sum, 12);
      }
  });

  it('every token of a SigLIP text counts, and positions do', () => {
    const siglip = smallEncoder('siglip');
    const before = run(siglip)('text_features').slice();
    const tokens = siglip.inputs.get('tokens')!.data;
    [tokens[1], tokens[2]] = [tokens[2]!, tokens[1]!];
    const after = run(siglip)('text_features');
    expect(after.slice(0, 12)).not.toEqual(before.slice(0, 12));
    expect(after.slice(12)).toEqual(before.slice(12));
  });
});
