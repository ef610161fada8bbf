/**
 * Golden sets made with PyTorch: a small model's starting weights, one batch with its features, logits, loss
 * and gradients, and five training steps.
 *
 * Sets in `test/fixtures/golden` belong to the repository. Larger ones lie in a folder `shared/golden` beside
 * it, where there is one, and are judged by the suite of `test/shared`. A set whose metadata says `hash`
 * stores neither weights nor inputs, since they follow from the hash rule, and of large gradients and final
 * weights only every s-th element.
 */
import { resolveModel } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import { readSafetensors, type Tensor } from '../../../runtime/data/safetensors/tensors.ts';
import { hashImages, hashTokens, hashWeight } from '../../../zoo/weights/hash-weights.ts';
import { goldenBytes, modelHost } from './source.ts';

export interface GoldenFile {
  readonly tensors: ReadonlyMap<string, RefTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

export interface GoldenSet extends GoldenFile {
  readonly model: Model;
  /** Every weight of the model before training, by name; whole. */
  readonly weights: ReadonlyMap<string, RefTensor>;
  /** A tensor's steps between stored elements; 1 for those that are stored whole. */
  stride(name: string): number;
  /** What is stored of a whole tensor. */
  sample(name: string, whole: ArrayLike<number>): Float64Array;
}

export function readGolden(file: string): GoldenFile {
  const { tensors, metadata } = readSafetensors(goldenBytes(file), file);
  return { tensors: new Map([...tensors].map(([name, t]) => [name, reference(t)])), metadata };
}

/** One batch (`golden`) or five training steps (`train`) of a set. */
export function goldenSet(set: string, part: 'golden' | 'train'): GoldenSet {
  const { tensors, metadata } = readGolden(`${set}.${part}.safetensors`);
  const model = resolveModel(modelHost(), `test/fixtures/models/tiny.zoo#${metadata.get('model') ?? set}`);
  if (!model.ok) throw new Error(model.diagnostics.map((d) => d.message).join('\n'));
  const strides = JSON.parse(metadata.get('strides') ?? '{}') as Record<string, number>;
  const stride = (name: string): number => strides[name] ?? 1;
  const hashed = metadata.get('weights') === 'hash';
  return {
    metadata,
    tensors: hashed ? new Map([...tensors, ...hashInputs(model.value, metadata, part)]) : tensors,
    model: model.value,
    weights: hashed ? hashWeights(model.value) : readGolden(`${set}.weights.safetensors`).tensors,
    stride,
    sample: (name, whole) =>
      Float64Array.from(
        { length: Math.ceil(whole.length / stride(name)) },
        (_, i) => whole[i * stride(name)]!,
      ),
  };
}

function reference({ shape, data }: Tensor): RefTensor {
  return { shape, data: Float64Array.from(data as ArrayLike<number | bigint>, Number) };
}

function hashWeights(model: Model): ReadonlyMap<string, RefTensor> {
  return new Map(
    model.weights.map(({ name, shape }) => {
      const sizes = shape as readonly number[];
      return [name, { shape: sizes, data: Float64Array.from(hashWeight(name, sizes)) }];
    }),
  );
}

/**
 * Images and tokens of a batch, or of all steps: pair `i` of the rule is pair `i % batch` of step `i /
 * batch`.
 */
function hashInputs(
  { resolution, context, vocab }: Model,
  metadata: ReadonlyMap<string, string>,
  part: 'golden' | 'train',
): [string, RefTensor][] {
  const batch = Number(metadata.get('batch'));
  const steps = part === 'train' ? Number(metadata.get('steps')) : 1;
  const leading = part === 'train' ? [steps, batch] : [batch];
  const images = Float64Array.from(hashImages([steps * batch, 3, resolution!, resolution!]));
  const tokens = Float64Array.from(hashTokens(steps * batch, context!, vocab!));
  return [
    ['in.images', { shape: [...leading, 3, resolution!, resolution!], data: images }],
    ['in.tokens', { shape: [...leading, context!], data: tokens }],
  ];
}

/** max|a - ref| / max|ref| */
export function relMax(a: Float64Array, ref: Float64Array): number {
  return (
    a.reduce((m, v, i) => Math.max(m, Math.abs(v - ref[i]!)), 0) /
    ref.reduce((m, v) => Math.max(m, Math.abs(v)), 0)
  );
}

/** ||a - ref|| / ||ref|| */
export function relL2(a: Float64Array, ref: Float64Array): number {
  return Math.sqrt(a.reduce((s, v, i) => s + (v - ref[i]!) ** 2, 0) / ref.reduce((s, v) => s + v * v, 0));
}

/** ||a|| */
export function norm(a: Float64Array): number {
  return Math.sqrt(a.reduce((s, v) => s + v * v, 0));
}
