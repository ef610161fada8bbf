/**
 * jax-js: every row is one jitted function.
 *
 * Its arrays are owned by whom they are given to, so each use of a tensor takes a reference of its own. The
 * gradient of its embedding lookup did not end within 100 s, so the training step looks up by a product with
 * one-hot rows. Its einsum needs iterator helpers, which Node has from version 22 on; core-js brings them to
 * older ones.
 */
import 'core-js/actual/iterator/index.js';
import {
  defaultDevice,
  init,
  type Array as JaxArray,
  jit,
  lax,
  nn,
  numpy as np,
  tree,
  valueAndGrad,
} from '@jax-js/jax';
import { benchOptimizer, benchScaleBounds } from '../../zoo/bench/cases.ts';
import { benchHyper } from '../../zoo/bench/measure.ts';
import { encodeImage, encodeText, type Ops } from '../towers.ts';
import { type HostTensor, productOperands, type Work } from '../work.ts';
import { type Contestant, chain, type Job, type Prepared } from './contestant.ts';

type Params = Record<string, JaxArray>;

async function open(): Promise<void> {
  const found = await init('webgpu');
  if (!found.includes('webgpu')) throw new Error('jax-js finds no WebGPU');
  defaultDevice('webgpu');
}

function upload({ shape, data }: HostTensor): JaxArray {
  const own = data as Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;
  return np.array(own, { shape: [...shape], dtype: data instanceof Int32Array ? np.int32 : np.float32 });
}

function towerOps(params: Params, oneHotLookup: boolean): Ops<JaxArray> {
  const weight = (name: string): JaxArray => params[name]!.ref;
  return {
    weight,
    reshape: (x, shape) => np.reshape(x.ref, [...shape]),
    transpose: (x, order) => np.transpose(x.ref, [...order]),
    slice: (x, axis, start, size) =>
      x.ref.slice(
        ...x.shape.map((all, i): [number, number] => (i === axis ? [start, start + size] : [0, all])),
      ),
    concat: (parts, axis) =>
      np.concatenate(
        parts.map((p) => p.ref),
        axis,
      ),
    broadcast: (x, shape) => np.broadcastTo(x.ref, [...shape]),
    add: (a, b) => np.add(a.ref, b.ref),
    relu: (x) => nn.relu(x.ref),
    matmul: (x, matrix) => np.matmul(x.ref, matrix.ref),
    linear(x, _shape, matrix, bias, quickGelu) {
      const y = np.add(np.matmul(x.ref, matrix.ref), bias.ref);
      return quickGelu ? np.multiply(y.ref, nn.sigmoid(np.multiply(1.702, y.ref))) : y;
    },
    layerNorm: (x, prefix) =>
      np.add(
        np.multiply(nn.standardize(x.ref, -1, { epsilon: 1e-5 }), weight(`${prefix}.weight`)),
        weight(`${prefix}.bias`),
      ),
    attention(q, k, v, { batch, queries, rows, heads, causal }) {
      const split = (x: JaxArray, count: number): JaxArray => np.reshape(x.ref, [batch, count, heads, -1]);
      const mixed = nn.dotProductAttention(split(q, queries), split(k, rows), split(v, rows), {
        isCausal: causal,
      });
      return np.reshape(mixed, [batch, queries, -1]);
    },
    embedding: (table, tokens) =>
      oneHotLookup
        ? np.matmul(nn.oneHot(tokens.ref, table.shape[0]!), table.ref)
        : np.take(table.ref, tokens.ref, 0),
    lastToken(x, tokens, context, width) {
      const chosen = np.reshape(nn.oneHot(np.argmax(tokens.ref, 1), context), [-1, 1, context]);
      return np.reshape(np.matmul(chosen, x.ref), [-1, width]);
    },
    toPicture: (x) => x,
    convolution(x, name, { stride, padding, relu }) {
      const pad: [number, number] = [padding, padding];
      const y = lax.convGeneralDilated(x.ref, weight(`${name}.weight`), [stride, stride], [pad, pad]);
      const z = np.add(y, np.reshape(weight(`${name}.bias`), [1, -1, 1, 1]));
      return relu ? nn.relu(z) : z;
    },
    averagePool(x, kernel, { batch, channels, side }) {
      const small = side / kernel;
      return np.mean(np.reshape(x.ref, [batch, channels, small, kernel, small, kernel]), [3, 5]);
    },
    toRows: (x, { batch, channels, side }) =>
      np.transpose(np.reshape(x.ref, [batch, channels, side * side]), [0, 2, 1]),
    meanOfRows: (x) => np.mean(x.ref, 1, { keepdims: true }),
  };
}

/** The mean of the two cross-entropies of CLIP. */
function clipLoss(params: Params, work: Work, images: JaxArray, tokens: JaxArray): JaxArray {
  const ops = towerOps(params, true);
  const unit = (x: JaxArray): JaxArray =>
    np.multiply(x.ref, np.reciprocal(np.sqrt(np.sum(np.multiply(x.ref, x.ref), -1, { keepdims: true }))));
  const image = unit(encodeImage(ops, work, images));
  const text = unit(encodeText(ops, work, tokens));
  const scores = np.multiply(np.exp(ops.weight('logit_scale')), np.matmul(image, np.transpose(text, [1, 0])));
  const own = np.eye(work.test.batch);
  const along = (axis: number): JaxArray => np.sum(np.multiply(nn.logSoftmax(scores.ref, axis), own.ref));
  return np.multiply(np.add(along(1), along(0)), -0.5 / work.test.batch);
}

type State = [loss: JaxArray, params: Params, m: Params, v: Params];

function trainingStep(work: Work) {
  const { weightDecay, decayMinDims } = benchOptimizer;
  const { beta1, beta2, eps } = benchOptimizer.rule;
  const { lr, bias_correction1, bias_correction2 } = benchHyper;
  const gradient = valueAndGrad((p: Params, images: JaxArray, tokens: JaxArray) =>
    clipLoss(p, work, images, tokens),
  );
  const mix = (beta: number, old: JaxArray, fresh: JaxArray): JaxArray =>
    np.add(np.multiply(beta, old), np.multiply(1 - beta, fresh));
  return jit((params: Params, m: Params, v: Params, images: JaxArray, tokens: JaxArray): State => {
    const [loss, grads] = gradient(tree.ref(params), images, tokens) as [JaxArray, Params];
    const next: [Params, Params, Params] = [{}, {}, {}];
    for (const name of work.names) {
      const g = grads[name]!;
      const m1 = mix(beta1, m[name]!, g.ref);
      const v1 = mix(beta2, v[name]!, np.multiply(g.ref, g));
      const move = np.divide(
        np.multiply(lr / bias_correction1, m1.ref),
        np.add(np.sqrt(np.multiply(1 / bias_correction2, v1.ref)), eps),
      );
      const decay = work.shape(name).length >= decayMinDims ? 1 - lr * weightDecay : 1;
      const p1 = np.subtract(np.multiply(decay, params[name]!), move);
      next[0][name] = name === 'logit_scale' ? np.clip(p1, benchScaleBounds.min, benchScaleBounds.max) : p1;
      next[1][name] = m1;
      next[2][name] = v1;
    }
    return [loss, ...next];
  });
}

async function read(x: JaxArray): Promise<Float32Array> {
  return (await x.data()) as Float32Array;
}

function products(job: Extract<Job, { kind: 'products' }>): Prepared {
  const operands = productOperands(job.row);
  return async () => {
    await open();
    const [b, c] = [upload(operands.b), upload(operands.c)];
    const f = jit((x: JaxArray, y: JaxArray, z: JaxArray) =>
      chain({ a: x, b: y, c: z }, job.length, (p, q) => np.matmul(p.ref, q.ref)),
    );
    return { run: () => read(f(upload(operands.a), b.ref, c.ref)), close: () => {} };
  };
}

/** The weights move to the device; the host's copy goes. */
function uploadAll(weights: Map<string, HostTensor>): Params {
  const params = Object.fromEntries([...weights].map(([name, tensor]) => [name, upload(tensor)]));
  weights.clear();
  return params;
}

function tower(work: Work): Prepared {
  const weights = work.weights();
  return async () => {
    await open();
    const params = uploadAll(weights);
    const [input] = [...work.inputs.values()] as [HostTensor];
    const encode = work.test.entry === 'encode_image' ? encodeImage : encodeText;
    const f = jit((p: Params, x: JaxArray) => encode(towerOps(p, false), work, x));
    return { run: () => read(f(tree.ref(params), upload(input))), close: () => {} };
  };
}

function training(work: Work): Prepared {
  const weights = work.weights();
  return async () => {
    await open();
    let params = uploadAll(weights);
    const zeros = (): Params => Object.fromEntries(work.names.map((n) => [n, np.zeros([...work.shape(n)])]));
    let [m, v] = [zeros(), zeros()];
    const step = trainingStep(work);
    const input = (name: string): JaxArray => upload(work.inputs.get(name)!);
    return {
      async run() {
        const [loss, ...next] = step(params, m, v, input('images'), input('tokens')) as State;
        [params, m, v] = next;
        return read(loss);
      },
      close: () => {},
    };
  };
}

export const contestant: Contestant = {
  async prepare(job) {
    if (job.kind === 'products') return products(job);
    return job.kind === 'tower' ? tower(job.work) : training(job.work);
  },
};
