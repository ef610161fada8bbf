/**
 * onnxruntime-node with its WebGPU provider: every row is one ONNX graph of standard operators, which the
 * library optimises on its own at its highest level.
 *
 * It brings a Dawn of its own and chooses the adapter itself, so neither the counts of gpu.ts nor its
 * patience apply; it waits for the device in native code. It cannot train.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { OnnxGraph } from '../onnx/graph.ts';
import { encodeImage, encodeText, type Ops } from '../towers.ts';
import { type HostTensor, productOperands, type Work } from '../work.ts';
import { type Contestant, chain, type Job, type Prepared } from './contestant.ts';

function towerOps(g: OnnxGraph, weights: ReadonlyMap<string, HostTensor>): Ops<string> {
  const weight = (name: string): string => g.constant(name, weights.get(name)!);
  const reshape = (x: string, shape: readonly number[]): string => g.add('Reshape', [x, g.integers(shape)]);
  const transpose = (x: string, perm: readonly number[]): string => g.add('Transpose', [x], { perm });
  const times = (x: string, factor: number): string => g.add('Mul', [x, g.scalar(factor)]);
  const add = (a: string, b: string): string => g.add('Add', [a, b]);
  const matmul = (a: string, b: string): string => g.add('MatMul', [a, b]);
  return {
    weight,
    reshape,
    transpose,
    slice: (x, axis, start, size) =>
      g.add('Slice', [x, g.integers([start]), g.integers([start + size]), g.integers([axis])]),
    concat: (parts, axis) => g.add('Concat', parts, { axis }),
    broadcast: (x, shape) => g.add('Expand', [x, g.integers(shape)]),
    add,
    relu: (x) => g.add('Relu', [x]),
    matmul,
    linear(x, _shape, matrix, bias, quickGelu) {
      const y = add(matmul(x, matrix), bias);
      return quickGelu ? g.add('Mul', [y, g.add('Sigmoid', [times(y, 1.702)])]) : y;
    },
    layerNorm: (x, prefix) =>
      g.add('LayerNormalization', [x, weight(`${prefix}.weight`), weight(`${prefix}.bias`)], {
        axis: -1,
        epsilon: { float: 1e-5 },
      }),
    attention(q, k, v, { batch, queries, rows, heads, causal }) {
      const split = (x: string, count: number, order: readonly number[]): string =>
        transpose(reshape(x, [batch, count, heads, -1]), order);
      const scores = matmul(times(split(q, queries, [0, 2, 1, 3]), 64 ** -0.5), split(k, rows, [0, 2, 3, 1]));
      const shares = g.add('Softmax', [causal ? add(scores, futureMask(g, rows)) : scores], { axis: -1 });
      const mixed = matmul(shares, split(v, rows, [0, 2, 1, 3]));
      return reshape(transpose(mixed, [0, 2, 1, 3]), [batch, queries, -1]);
    },
    embedding: (table, tokens) => g.add('Gather', [table, tokens], { axis: 0 }),
    lastToken(x, tokens, context, width) {
      // A row of zeros and a one, where the token is the largest; ids are exact in float32.
      const ids = g.add('Cast', [tokens], { to: 1 });
      const largest = g.add('ReduceMax', [ids, g.integers([1])], { keepdims: 1 });
      const chosen = g.add('Cast', [g.add('Equal', [ids, largest])], { to: 1 });
      return reshape(matmul(reshape(chosen, [-1, 1, context]), x), [-1, width]);
    },
    toPicture: (x) => x,
    convolution(x, name, { stride, padding, relu }) {
      const y = g.add('Conv', [x, weight(`${name}.weight`), weight(`${name}.bias`)], {
        strides: [stride, stride],
        pads: [padding, padding, padding, padding],
      });
      return relu ? g.add('Relu', [y]) : y;
    },
    averagePool: (x, kernel) =>
      g.add('AveragePool', [x], { kernel_shape: [kernel, kernel], strides: [kernel, kernel] }),
    toRows: (x, { batch, channels, side }) =>
      transpose(reshape(x, [batch, channels, side * side]), [0, 2, 1]),
    meanOfRows: (x) => g.add('ReduceMean', [x, g.integers([1])], { keepdims: 1 }),
  };
}

function futureMask(g: OnnxGraph, rows: number): string {
  const data = Float32Array.from({ length: rows * rows }, (_, i) =>
    i % rows > Math.floor(i / rows) ? -1e9 : 0,
  );
  return g.constant(`mask.${rows}`, { shape: [rows, rows], data });
}

/** A session on the graph; each call hands the input over from the host and takes the result back. */
function prepared(name: string, input: HostTensor, encode: () => Uint8Array): Prepared {
  let file: Uint8Array | undefined = encode();
  return async () => {
    const session = await InferenceSession.create(file!, {
      executionProviders: ['webgpu'],
      graphOptimizationLevel: 'all',
      extra: {
        session: {
          // A node that would run on the processor is an error: all the work is the adapter's, as everywhere else.
          disable_cpu_ep_fallback: '1',
          // Threads that spin between calls would take the cores from the others.
          intra_op: { allow_spinning: '0' },
        },
      },
    });
    file = undefined;
    const { shape, data } = input;
    const tensor =
      data instanceof Int32Array ? new Tensor('int32', data, shape) : new Tensor('float32', data, shape);
    return {
      async run() {
        const results = await session.run({ [name]: tensor });
        return results[session.outputNames[0]!]!.data as Float32Array;
      },
      close: () => session.release(),
    };
  };
}

function products({ row, length }: Extract<Job, { kind: 'products' }>): Prepared {
  const operands = productOperands(row);
  return prepared('a', operands.a, () => {
    const g = new OnnxGraph();
    const names = {
      a: g.input('a', operands.a),
      b: g.constant('b', operands.b),
      c: g.constant('c', operands.c),
    };
    return g.encode(
      chain(names, length, (x, y) => g.add('MatMul', [x, y])),
      [row.m, row.k],
    );
  });
}

function tower(work: Work): Prepared {
  const [[name, input]] = [...work.inputs] as [[string, HostTensor]];
  return prepared(name, input, () => {
    const g = new OnnxGraph();
    const ops = towerOps(g, work.weights());
    const encode = work.test.entry === 'encode_image' ? encodeImage : encodeText;
    return g.encode(encode(ops, work, g.input(name, input)), [work.test.batch, work.model.embed!]);
  });
}

export const contestant: Contestant = {
  refuses: (job) => (job.kind === 'training' ? 'onnxruntime-node cannot train' : undefined),
  async prepare(job) {
    if (job.kind === 'products') return products(job);
    if (job.kind === 'tower') return tower(job.work);
    throw new Error('onnxruntime-node cannot train');
  },
};
