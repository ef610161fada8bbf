/**
 * The matrix product, batched, with either operand stored transposed, and optionally a fused elementwise
 * epilogue.
 *
 * Gradients use the transpose flags and never move data: d op(A) = dy op(B)ᵀ and d op(B) = op(A)ᵀ dy. A
 * weight shared by a batch gets its gradient from one product over all rows of the batch, not from a sum of
 * one product each.
 */

import { multiplyDims } from '../graph/dims.ts';
import {
  type Dim,
  formatDim,
  formatShape,
  type NodeOf,
  numericShape,
  sameDim,
  sameShape,
  sizeOf,
  type TensorType,
} from '../graph/types.ts';
import type { OpAttributes } from './attributes.ts';
import { elements, traffic } from './costs.ts';
import { epilogueShape } from './epilogue.ts';
import { floats } from './examples.ts';
import { Expressions, madeByPasses } from './expressions.ts';
import { joinMoments, momentColumns } from './group-moments.ts';
import type { MapProgram } from './map-program.ts';
import { defineOp, type RefTensor, type ShapeResult } from './op.ts';
import { evaluateProgram, programFlops } from './scalar.ts';
import { accept, broadcastShapes, firstOf, refuse, refuseIntegers, refuseMixed } from './shapes.ts';
import { samplewise } from './slices.ts';
import type { Cut } from './strips.ts';
import { broadcastStrides, walk } from './tensors.ts';
import type { Split } from './traits.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /**
     * (a [..., M, K], b [..., K, N]) -> [..., M, N]; with `transposeA` a is [..., K, M], with `transposeB` b
     * is [..., N, K]. Batch axes broadcast; b (or a) may be 2-D. `epilogue`, made by the fusion pass, maps
     * (product, further inputs...) elementwise; inputs behind a and b broadcast to the result. With
     * `normalise`, also made by a pass, the left operand is layer_norm(a, weight [K], bias [K]) with inputs
     * (a, b, group_moments of a, weight, bias, further inputs...) and b is 2-D.
     */
    matmul: {
      readonly transposeA: boolean;
      readonly transposeB: boolean;
      readonly epilogue?: MapProgram;
      readonly normalise?: { readonly eps: number };
    };
  }
  interface OpArities {
    matmul: '2+';
  }
}

type Attributes = OpAttributes['matmul'];

/** `[..., R, C]` read with the last two axes exchanged if `transposed`. */
function matrixAxes(shape: readonly Dim[], transposed: boolean): [rows: Dim, columns: Dim] {
  const [r, c] = [shape.at(-2)!, shape.at(-1)!];
  return transposed ? [c, r] : [r, c];
}

function refuseProduct(inputs: readonly TensorType[], attrs: Attributes): ShapeResult | undefined {
  const low = [0, 1].find((i) => inputs[i]!.shape.length < 2);
  if (low !== undefined)
    return refuse(`a matrix product needs at least 2 axes, got ${formatShape(inputs[low]!.shape)}`, {
      code: 'Z302',
      blame: [{ input: low }],
    });
  const [a, b] = [inputs[0]!.shape, inputs[1]!.shape];
  const [, inner] = matrixAxes(a, attrs.transposeA);
  const [outer] = matrixAxes(b, attrs.transposeB);
  if (sameDim(inner, outer)) return undefined;
  const show = (s: readonly Dim[], t: boolean) => `${formatShape(s)}${t ? '.T' : ''}`;
  return refuse(
    `cannot multiply ${show(a, attrs.transposeA)} @ ${show(b, attrs.transposeB)}: inner axes are ${formatDim(inner)} and ${formatDim(outer)}`,
    {
      blame: [
        { input: 0, axis: a.length - (attrs.transposeA ? 2 : 1), dim: inner },
        { input: 1, axis: b.length - (attrs.transposeB ? 1 : 2), dim: outer },
      ],
    },
  );
}

function productShape(inputs: readonly TensorType[], attrs: Attributes): ShapeResult {
  const pair = inputs.slice(0, 2);
  const refusal = firstOf(
    refuseMixed('multiply', pair),
    refuseIntegers('multiply', pair),
    refuseProduct(pair, attrs),
  );
  if (refusal) return refusal;
  const batch = broadcastShapes(
    'multiply batches of matrices',
    pair.map((t) => ({ ...t, shape: t.shape.slice(0, -2) })),
  );
  if ('refusal' in batch) return batch.refusal;
  const [m] = matrixAxes(pair[0]!.shape, attrs.transposeA);
  const [, n] = matrixAxes(pair[1]!.shape, attrs.transposeB);
  return accept({ dtype: pair[0]!.dtype, shape: [...batch.shape, m, n] });
}

/** Inputs of the product itself; those behind them are the epilogue's. */
export function operandCount({ normalise }: Attributes): number {
  return normalise ? 5 : 2;
}

/** Refuses moments, weight and bias that do not belong to the left operand's rows. */
function refuseNormalisation(inputs: readonly TensorType[], attrs: Attributes): ShapeResult | undefined {
  if (!attrs.normalise) return undefined;
  const [a, b, moments, weight, bias] = inputs.map(({ shape }) => shape);
  if (!bias) return refuse(`a product of normalised rows has at least 5 inputs, not ${inputs.length}`);
  const [rows, width] = [multiplyDims(a!.slice(0, -1)), a!.at(-1)!];
  const groups = typeof width === 'number' ? width / momentColumns : 0;
  const fits =
    !attrs.transposeA &&
    b!.length === 2 &&
    rows !== undefined &&
    sameShape(moments!, [rows, groups, 2]) &&
    [weight!, bias].every((shape) => sameShape(shape, [width]));
  if (fits) return undefined;
  const shown = [moments!, weight!, bias].map(formatShape).join(', ');
  return refuse(`cannot normalise the rows of ${formatShape(a!)} with moments, weight and bias of ${shown}`);
}

/** The left operand of a product with `normalise`. */
function normalised(x: RefTensor, [moments, weight, bias]: readonly RefTensor[], eps: number): RefTensor {
  const { mean, r } = joinMoments(moments!, eps);
  const width = x.shape.at(-1)!;
  const data = x.data.map((value, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    return (value - mean[row]!) * r[row]! * weight!.data[column]! + bias!.data[column]!;
  });
  return { shape: x.shape, data };
}

/** One M×N block of the result. `am` is the stride of a's rows, `ak` of its inner axis; the same for b. */
interface Block {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly am: number;
  readonly ak: number;
  readonly bk: number;
  readonly bn: number;
}

function multiplyBlock(
  out: Float64Array,
  a: Float64Array,
  b: Float64Array,
  { m, n, k, am, ak, bk, bn }: Block,
): void {
  if (bk === 1 && ak === 1) {
    // Both rows are contiguous: dot products.
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let l = 0, p = i * am, q = j * bn; l < k; l++) sum += a[p + l]! * b[q + l]!;
        out[i * n + j] = sum;
      }
    return;
  }
  for (let i = 0; i < m; i++)
    for (let l = 0; l < k; l++) {
      const factor = a[i * am + l * ak]!;
      for (let j = 0, p = i * n, q = l * bk; j < n; j++) out[p + j]! += factor * b[q + j * bn]!;
    }
}

/** The product in f64. */
function multiply(
  a: RefTensor,
  b: RefTensor,
  transposeA: boolean,
  transposeB: boolean,
  shape: readonly number[],
): RefTensor {
  const [m, n] = [shape.at(-2)!, shape.at(-1)!];
  const k = transposeA ? a.shape.at(-2)! : a.shape.at(-1)!;
  const block: Block = {
    m,
    n,
    k,
    am: transposeA ? 1 : k,
    ak: transposeA ? m : 1,
    bk: transposeB ? 1 : n,
    bn: transposeB ? k : 1,
  };
  const batch = shape.slice(0, -2);
  const starts = (x: RefTensor) => {
    const own = x.shape.slice(0, -2);
    const found = new Array<number>(sizeOf(batch));
    walk(batch, broadcastStrides(own, batch), (to, from) => {
      found[to] = from;
    });
    return found;
  };
  const [as, bs] = [starts(a), starts(b)];
  const data = new Float64Array(sizeOf(shape));
  for (let i = 0; i < as.length; i++)
    multiplyBlock(
      data.subarray(i * m * n, (i + 1) * m * n),
      a.data.subarray(as[i]! * m * k, (as[i]! + 1) * m * k),
      b.data.subarray(bs[i]! * k * n, (bs[i]! + 1) * k * n),
      block,
    );
  return { shape, data };
}

function gradientOfA(e: Expressions, node: NodeOf<'matmul'>, dy: number): number {
  const { transposeA, transposeB } = node.attrs;
  const [a, b] = node.inputs;
  const whole = transposeA ? e.matmul(b, dy, transposeB, true) : e.matmul(dy, b, false, !transposeB);
  return e.sumTo(whole, e.shape(a));
}

function gradientOfB(e: Expressions, node: NodeOf<'matmul'>, dy: number): number {
  const { transposeA, transposeB } = node.attrs;
  let [a, b] = node.inputs;
  if (e.rank(b) === 2 && e.rank(a) > 2 && !transposeA) {
    a = e.flatten(a);
    dy = e.flatten(dy);
  }
  const whole = transposeB ? e.matmul(dy, a, true, transposeA) : e.matmul(a, dy, !transposeA, false);
  return e.sumTo(whole, e.shape(b));
}

function productSlices(node: NodeOf<'matmul'>, inputs: readonly TensorType[]): Split | undefined {
  const { transposeA, transposeB } = node.attrs;
  const rank = node.type.shape.length;
  const extras = samplewise({ whole: [0, 1] })(node, inputs).sliced;
  const [a, b] = inputs as [TensorType, TensorType];
  if (rank > 2) {
    const batched = [a, b].flatMap(({ shape }, i) => (shape.length === rank && shape[0] !== 1 ? [i] : []));
    return { sliced: [...batched, ...extras] };
  }
  if (!transposeA) return { sliced: [0, ...extras] };
  // K is the first axis of a; of b too, unless that is transposed.
  return transposeB ? undefined : { sliced: [0, 1], join: 'sum' };
}

/** Rows of a product are rows of the left side, columns are columns of the right; others are batches. */
function productStrips(cut: Cut, { inputs, attrs, type }: NodeOf<'matmul'>): number | undefined {
  const [left, right] = inputs;
  if (attrs.epilogue !== undefined || attrs.normalise !== undefined) return undefined;
  const rank = type.shape.length;
  const strip = (id: number, fromEnd: number) => cut.strip(id, cut.shape(id).length - fromEnd);
  const operands =
    cut.axis === rank - 2
      ? [strip(left, attrs.transposeA ? 1 : 2), cut.whole(right)]
      : cut.axis === rank - 1
        ? [cut.whole(left), strip(right, attrs.transposeB ? 2 : 1)]
        : [cut.operand(left, rank), cut.operand(right, rank)];
  return cut.b.add('matmul', operands, attrs);
}

export const matmul = defineOp<'matmul'>({
  name: 'matmul',
  arity: '2+',
  shape(inputs, attrs) {
    if (inputs.length < 2) return refuse(`a matrix product has 2 inputs, not ${inputs.length}`);
    const product = productShape(inputs, attrs);
    if (!product.ok) return product;
    const further = [...inputs.slice(0, 2), ...inputs.slice(operandCount(attrs))];
    return (
      refuseNormalisation(inputs, attrs) ??
      epilogueShape('a matrix product', further, attrs.epilogue, product.type)
    );
  },
  gradient(b, node, dy, wanted) {
    if (node.attrs.normalise) madeByPasses('a product of normalised rows');
    if (node.attrs.epilogue) madeByPasses('a matrix product with an epilogue');
    const e = new Expressions(b);
    return [wanted[0] ? gradientOfA(e, node, dy) : null, wanted[1] ? gradientOfB(e, node, dy) : null];
  },
  reference(inputs, attrs, shape) {
    const { transposeA, transposeB, epilogue, normalise } = attrs;
    const [a, b] = inputs as readonly [RefTensor, RefTensor];
    const left = normalise ? normalised(a, inputs.slice(2, 5), normalise.eps) : a;
    const product = multiply(left, b, transposeA, transposeB, shape);
    const further = inputs.slice(operandCount(attrs));
    return epilogue ? evaluateProgram(epilogue, [product, ...further], shape) : product;
  },
  traits: {
    role: 'kernel',
    slices: productSlices,
    half: 'product',
    layout: 'dense',
    behind: false,
    strips: productStrips,
  },
  language: {
    written: ([a, b], { transposeA, transposeB }, inputs) =>
      inputs.every(({ shape }, i) => shape.length === 2 || ![transposeA, transposeB][i])
        ? `${a}${transposeA ? '.T' : ''} @ ${b}${transposeB ? '.T' : ''}`
        : undefined,
  },
  examples: [
    {
      name: 'plain',
      inputs: [floats([3, 7]), floats([7, 5])],
      attrs: { transposeA: false, transposeB: false },
    },
    {
      name: 'a transposed',
      inputs: [floats([7, 3]), floats([7, 5])],
      attrs: { transposeA: true, transposeB: false },
    },
    {
      name: 'b transposed',
      inputs: [floats([3, 7]), floats([5, 7])],
      attrs: { transposeA: false, transposeB: true },
    },
    {
      name: 'both transposed',
      inputs: [floats([7, 3]), floats([5, 7])],
      attrs: { transposeA: true, transposeB: true },
    },
    {
      name: 'shared weight',
      inputs: [floats([2, 3, 7]), floats([7, 5])],
      attrs: { transposeA: false, transposeB: false },
    },
    {
      name: 'shared transposed weight',
      inputs: [floats([2, 1, 3, 7]), floats([5, 7])],
      attrs: { transposeA: false, transposeB: true },
    },
    {
      name: 'shared weight, a transposed',
      inputs: [floats([2, 7, 3]), floats([7, 5])],
      attrs: { transposeA: true, transposeB: false },
    },
    {
      name: 'shared on the left',
      inputs: [floats([3, 7]), floats([2, 7, 5])],
      attrs: { transposeA: false, transposeB: false },
    },
    {
      name: 'batches of products',
      inputs: [floats([2, 3, 4]), floats([2, 5, 4])],
      attrs: { transposeA: false, transposeB: true },
    },
    {
      name: 'batches that broadcast',
      inputs: [floats([2, 1, 3, 4]), floats([3, 4, 1])],
      attrs: { transposeA: false, transposeB: false },
    },
    {
      name: 'one row, one column',
      inputs: [floats([1, 1]), floats([1, 1])],
      attrs: { transposeA: false, transposeB: false },
    },
  ],
  cost(inputs, { transposeA, epilogue }, result) {
    const k = numericShape(inputs[0]!).at(transposeA ? -2 : -1)!;
    const each = 2 * k + (epilogue ? programFlops(epilogue) : 0);
    return { flops: each * elements(result), bytes: traffic(inputs, result) };
  },
  // Sums of K rounded products in any order, and whatever an epilogue adds.
  tolerance: { rtol: 2e-6, atol: 2e-6, perSqrtK: true },
});
