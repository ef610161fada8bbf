/**
 * TensorFlow.js with its WebGPU backend: operations run as they are called, without a graph.
 *
 * Its convolutions are made for NHWC, so pictures are turned around on the device and filters on the host
 * ahead of time. The backend looks for a `window` before it registers.
 */
import { createRequire } from 'node:module';
import type * as TensorFlow from '@tensorflow/tfjs';
import type { Tensor, Tensor2D, Tensor4D, Variable } from '@tensorflow/tfjs';
import { benchOptimizer, benchScaleBounds } from '../../zoo/bench/cases.ts';
import { benchHyper } from '../../zoo/bench/measure.ts';
import { encodeImage, encodeText, type Ops } from '../towers.ts';
import { type HostTensor, productOperands, type Work } from '../work.ts';
import { type Contestant, chain, type Job, type Prepared } from './contestant.ts';

Object.assign(globalThis, { window: globalThis });
const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs') as typeof TensorFlow;
require('@tensorflow/tfjs-backend-webgpu');

async function open(): Promise<void> {
  if (!(await tf.setBackend('webgpu'))) throw new Error('TensorFlow.js refuses its WebGPU backend');
  await tf.ready();
}

function upload({ shape, data }: HostTensor): Tensor {
  return tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32');
}

/** Filters from [out, in, h, w] to [h, w, in, out]; everything else as it is. */
function suited(name: string, tensor: HostTensor): HostTensor {
  const { shape, data } = tensor;
  if (shape.length !== 4 || !name.endsWith('.weight')) return tensor;
  const [outputs, inputs, height, width] = shape as [number, number, number, number];
  const area = height * width;
  const out = new Float32Array(data.length);
  let from = 0;
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++)
      for (let at = 0; at < area; at++) out[(at * inputs + i) * outputs + o] = data[from++]!;
  return { shape: [height, width, inputs, outputs], data: out };
}

type Params = Record<string, Tensor>;

/** Large and negative where a row may not look: behind itself. */
function futureMask(rows: number): Tensor {
  return tf.tensor2d(
    Float32Array.from({ length: rows * rows }, (_, i) => (i % rows > Math.floor(i / rows) ? -1e9 : 0)),
    [rows, rows],
  );
}

function towerOps(params: Params, mask: Tensor | undefined): Ops<Tensor> {
  const weight = (name: string): Tensor => params[name]!;
  return {
    weight,
    reshape: (x, shape) => tf.reshape(x, [...shape]),
    transpose: (x, order) => tf.transpose(x, [...order]),
    slice(x, axis, start, size) {
      const begin = x.shape.map((_, i) => (i === axis ? start : 0));
      return tf.slice(
        x,
        begin,
        x.shape.map((length, i) => (i === axis ? size : length)),
      );
    },
    concat: (parts, axis) => tf.concat([...parts], axis),
    broadcast: (x, shape) => tf.broadcastTo(x, [...shape]),
    add: (a, b) => tf.add(a, b),
    relu: (x) => tf.relu(x),
    matmul(x, matrix) {
      const flat = tf.matMul(tf.reshape(x, [-1, matrix.shape[0]!]), matrix);
      return tf.reshape(flat, [...x.shape.slice(0, -1), matrix.shape[1]!]);
    },
    linear(x, { batch, rows, inputs, outputs }, matrix, bias, quickGelu) {
      const a = tf.reshape(x, [batch * rows, inputs]) as Tensor2D;
      const y = tf.fused.matMul({ a, b: matrix as Tensor2D, bias });
      const shaped = tf.reshape(y, [batch, rows, outputs]);
      return quickGelu ? tf.mul(shaped, tf.sigmoid(tf.mul(shaped, 1.702))) : shaped;
    },
    layerNorm(x, prefix) {
      const { mean, variance } = tf.moments(x, -1, true);
      const unit = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
      return tf.add(tf.mul(unit, weight(`${prefix}.weight`)), weight(`${prefix}.bias`));
    },
    attention(q, k, v, { batch, queries, rows, heads, causal }) {
      const split = (x: Tensor, count: number): Tensor =>
        tf.transpose(tf.reshape(x, [batch, count, heads, -1]), [0, 2, 1, 3]);
      const width = q.shape[2]!;
      const scores = tf.mul(
        tf.matMul(split(q, queries), split(k, rows), false, true),
        (width / heads) ** -0.5,
      );
      const shares = tf.softmax(causal ? tf.add(scores, mask!) : scores);
      const mixed = tf.matMul(shares, split(v, rows));
      return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch, queries, width]);
    },
    embedding: (table, tokens) => tf.gather(table, tokens),
    lastToken(x, tokens, context, width) {
      const chosen = tf.cast(tf.oneHot(tf.argMax(tokens, 1), context), 'float32');
      return tf.reshape(tf.matMul(tf.reshape(chosen, [-1, 1, context]), x), [-1, width]);
    },
    toPicture: (x) => tf.transpose(x, [0, 2, 3, 1]),
    convolution(x, name, { stride, padding, relu }) {
      return tf.fused.conv2d({
        x: x as Tensor4D,
        filter: weight(`${name}.weight`) as Tensor4D,
        strides: stride,
        pad: padding,
        bias: weight(`${name}.bias`),
        activation: relu ? 'relu' : 'linear',
      });
    },
    averagePool: (x, kernel) => tf.avgPool(x as Tensor4D, kernel, kernel, 'valid'),
    toRows: (x, { batch, channels, side }) => tf.reshape(x, [batch, side * side, channels]),
    meanOfRows: (x) => tf.mean(x, 1, true),
  };
}

function maskFor(work: Work): Tensor | undefined {
  return work.names.includes('positional_embedding')
    ? tf.keep(futureMask(work.shape('positional_embedding')[0]!))
    : undefined;
}

function clipLoss(
  params: Params,
  work: Work,
  mask: Tensor | undefined,
  images: Tensor,
  tokens: Tensor,
): Tensor {
  const ops = towerOps(params, mask);
  const unit = (x: Tensor): Tensor => tf.mul(x, tf.rsqrt(tf.sum(tf.square(x), -1, true)));
  const image = unit(encodeImage(ops, work, images));
  const text = unit(encodeText(ops, work, tokens));
  const scores = tf.mul(tf.exp(ops.weight('logit_scale')), tf.matMul(image, text, false, true));
  const own = tf.eye(work.test.batch);
  const of = (logits: Tensor): Tensor => tf.sum(tf.mul(tf.logSoftmax(logits, -1), own));
  return tf.mul(tf.add(of(scores), of(tf.transpose(scores))), -0.5 / work.test.batch);
}

/** Runs `f`, frees what it leaves behind, and reads its result. */
async function read(f: () => Tensor): Promise<Float32Array> {
  const result = tf.tidy(f);
  const data = (await result.data()) as Float32Array;
  result.dispose();
  return data;
}

function products(job: Extract<Job, { kind: 'products' }>): Prepared {
  const operands = productOperands(job.row);
  return async () => {
    await open();
    const [b, c] = [upload(operands.b), upload(operands.c)];
    const run = () =>
      read(() => chain({ a: upload(operands.a), b, c }, job.length, (x, y) => tf.matMul(x, y)));
    return { run, close: () => {} };
  };
}

function hostWeights(work: Work): [string, HostTensor][] {
  return [...work.weights()].map(([name, tensor]) => [name, suited(name, tensor)]);
}

function tower(work: Work): Prepared {
  const weights = hostWeights(work);
  return async () => {
    await open();
    const params = Object.fromEntries(weights.splice(0).map(([name, tensor]) => [name, upload(tensor)]));
    const ops = towerOps(params, maskFor(work));
    const [input] = [...work.inputs.values()] as [HostTensor];
    const encode = work.test.entry === 'encode_image' ? encodeImage : encodeText;
    return { run: () => read(() => encode(ops, work, upload(input))), close: () => {} };
  };
}

type Variables = Record<string, Variable>;

/** AdamW as in zooc's training case, variable by variable. */
function update(work: Work, grads: Params, params: Variables, m: Variables, v: Variables): void {
  const { weightDecay, decayMinDims } = benchOptimizer;
  const { beta1, beta2, eps } = benchOptimizer.rule;
  const { lr, bias_correction1, bias_correction2 } = benchHyper;
  for (const name of work.names) {
    const g = grads[name]!;
    m[name]!.assign(tf.add(tf.mul(m[name]!, beta1), tf.mul(g, 1 - beta1)));
    v[name]!.assign(tf.add(tf.mul(v[name]!, beta2), tf.mul(tf.square(g), 1 - beta2)));
    const deviation = tf.add(tf.sqrt(tf.mul(v[name]!, 1 / bias_correction2)), eps);
    const move = tf.div(tf.mul(m[name]!, lr / bias_correction1), deviation);
    const decays = work.shape(name).length >= decayMinDims;
    const kept = decays ? tf.mul(params[name]!, 1 - lr * weightDecay) : params[name]!;
    const next = tf.sub(kept, move);
    const { min, max } = benchScaleBounds;
    params[name]!.assign(name === 'logit_scale' ? tf.clipByValue(next, min, max) : next);
  }
}

function training(work: Work): Prepared {
  const weights = hostWeights(work);
  return async () => {
    await open();
    const variables = (of: (name: string) => Tensor, trainable: boolean): Variables =>
      Object.fromEntries(work.names.map((name) => [name, tf.variable(of(name), trainable)]));
    const byName = new Map(weights.splice(0));
    const params = variables((name) => upload(byName.get(name)!), true);
    byName.clear();
    const zeros = (name: string): Tensor => tf.zeros([...work.shape(name)]);
    const [m, v] = [variables(zeros, false), variables(zeros, false)];
    const nameOf = new Map(work.names.map((name) => [params[name]!.name, name]));
    const mask = maskFor(work);
    const step = (): Tensor => {
      const [images, tokens] = ['images', 'tokens'].map((name) => upload(work.inputs.get(name)!)) as [
        Tensor,
        Tensor,
      ];
      const { value, grads } = tf.variableGrads(() =>
        clipLoss(params, work, mask, images, tokens).asScalar(),
      );
      const named = Object.entries(grads).map(([name, g]) => [nameOf.get(name)!, g] as const);
      update(work, Object.fromEntries(named), params, m, v);
      return value;
    };
    return { run: () => read(step), close: () => {} };
  };
}

export const contestant: Contestant = {
  async prepare(job) {
    if (job.kind === 'products') return products(job);
    return job.kind === 'tower' ? tower(job.work) : training(job.work);
  },
};
