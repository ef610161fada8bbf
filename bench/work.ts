/**
 * The same weights and inputs for every library, by the project's hash rule, in the layout that suits the
 * peers.
 *
 * Linear layers are [in, out], the picture tower's patch convolution is a matrix, and batch norm is folded
 * into the convolution before it: what a careful user of those libraries would do once, ahead of time. zooc
 * starts from the published layout and does this itself when its session opens.
 */
import type { Model } from '../compiler/model/types.ts';
import { type BenchCase, caseInputs, modelOf } from '../zoo/bench/cases.ts';
import { nodeHost } from '../zoo/host.ts';
import { hashWeight } from '../zoo/weights/hash-weights.ts';
import type { ProductRow } from './rows.ts';

export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export interface Work {
  readonly model: Model;
  readonly test: BenchCase;
  /** Names of the weights that the entry needs. */
  readonly names: readonly string[];
  /** All of them, made now. */
  weights(): Map<string, HostTensor>;
  /** The shape of one of them. */
  shape(name: string): readonly number[];
  readonly inputs: ReadonlyMap<string, HostTensor>;
}

/** Left factor and the two right factors of a chain of products; values keep their size along the chain. */
export function productOperands({ m, n, k }: ProductRow): { a: HostTensor; b: HostTensor; c: HostTensor } {
  // The rule scales by the second dimension, which here is the one summed over.
  const random = (name: string, rows: number, columns: number, summed: number): HostTensor => ({
    shape: [rows, columns],
    data: hashWeight(`bench.${name}`, [(rows * columns) / summed, summed]),
  });
  return { a: random('a', m, k, k), b: random('b', k, n, k), c: random('c', n, k, n) };
}

const linear = /\.(in_proj_weight|(out_proj|c_fc|c_proj|q_proj|k_proj|v_proj)\.weight)$/;
const normalized = /^(visual\.|.*\.)(conv[123]|downsample\.0)\.weight$/;

function transposed({ shape, data }: HostTensor): HostTensor {
  const rows = shape[0]!;
  const columns = data.length / rows;
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c]!;
  return { shape: [columns, rows], data: out };
}

/** `visual.layer1.0.bn2` for `visual.layer1.0.conv2`, `....downsample.1` for `....downsample.0`. */
function normOf(convolution: string): string {
  return convolution.replace(/conv(\d)$/, 'bn$1').replace(/downsample\.0$/, 'downsample.1');
}

/** Filter and bias of a convolution with the batch norm behind it. */
function folded(convolution: string, shape: readonly number[]): { filter: HostTensor; bias: HostTensor } {
  const channels = [shape[0]!];
  const norm = normOf(convolution);
  const [scale, shift, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map((part) =>
    hashWeight(`${norm}.${part}`, channels),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const filter = hashWeight(`${convolution}.weight`, shape);
  const per = filter.length / shape[0]!;
  const factors = scale.map((s, i) => s / Math.sqrt(variance[i]! + 1e-5));
  for (let i = 0; i < filter.length; i++) filter[i]! *= factors[Math.floor(i / per)]!;
  const bias = shift.map((b, i) => b - mean[i]! * factors[i]!);
  return { filter: { shape, data: filter }, bias: { shape: channels, data: bias } };
}

/** The weights that a case needs, as published; for zooc. */
export function publishedWeights(test: BenchCase, model: Model): Map<string, Float32Array> {
  const used = model.weights.filter((w) => usedBy(test, w.name));
  return new Map(used.map((w) => [w.name, hashWeight(w.name, w.shape)]));
}

function usedBy(test: BenchCase, name: string): boolean {
  if (test.entry === 'loss') return true;
  return name !== 'logit_scale' && name.startsWith('visual.') === (test.entry === 'encode_image');
}

export function modelWork(test: BenchCase): Work {
  const model = modelOf(nodeHost(), test);
  const shapes = new Map(model.weights.map((w) => [w.name, w.shape]));
  const isFolded = (name: string): boolean =>
    normalized.test(name) && shapes.has(`${normOf(name.slice(0, -'.weight'.length))}.running_mean`);
  const names = model.weights.flatMap(({ name }) => {
    if (!usedBy(test, name) || /(^|\.)(bn\d|downsample\.1)\./.test(name)) return [];
    return isFolded(name) ? [name, name.replace(/weight$/, 'bias')] : [name];
  });
  const images = test.entry !== 'encode_text';
  const tokens = test.entry !== 'encode_image';
  const inputNames = [...(images ? ['images'] : []), ...(tokens ? ['tokens'] : [])];
  const { batch } = test;
  const inputShapes: Record<string, number[]> = {
    images: [batch, 3, model.resolution!, model.resolution!],
    tokens: [batch, model.context!],
  };
  const isTransposed = (name: string): boolean =>
    linear.test(name) || (name === 'visual.conv1.weight' && !isFolded(name));
  const convolutionOf = (name: string): string => name.replace(/\.(weight|bias)$/, '');
  const isFoldedBias = (name: string): boolean =>
    name.endsWith('.bias') && isFolded(`${convolutionOf(name)}.weight`);
  const weight = (name: string): HostTensor => {
    if (isFolded(name) || isFoldedBias(name)) {
      const parts = folded(convolutionOf(name), shapes.get(`${convolutionOf(name)}.weight`)!);
      return name.endsWith('.bias') ? parts.bias : parts.filter;
    }
    const stored = { shape: shapes.get(name)!, data: hashWeight(name, shapes.get(name)!) };
    return isTransposed(name) ? transposed(stored) : stored;
  };
  return {
    model,
    test,
    names,
    weights: () => new Map(names.map((name) => [name, weight(name)])),
    shape(name) {
      if (isFoldedBias(name)) return [shapes.get(`${convolutionOf(name)}.weight`)![0]!];
      const [rows, ...rest] = shapes.get(name)!;
      return isTransposed(name) ? [rest.reduce((a, b) => a * b, 1), rows!] : shapes.get(name)!;
    },
    inputs: new Map(
      [...caseInputs(test, model, inputNames)].map(([name, data]) => [
        name,
        { shape: inputShapes[name]!, data },
      ]),
    ),
  };
}
