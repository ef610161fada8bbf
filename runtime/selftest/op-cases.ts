/**
 * Every op's own examples as cases: what walks them, the self-test and tests, knows no op by name, so a new op is tested by
 * being there.
 */
import type { Builder } from '../../compiler/graph/builder.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { type Dim, type Graph, numericShape, type TensorType } from '../../compiler/graph/types.ts';
import type { OpAttributes, OpName } from '../../compiler/ops/attributes.ts';
import type { Example, ExampleInput } from '../../compiler/ops/examples.ts';
import { opNames, opOf } from '../../compiler/ops/index.ts';
import type { OpDefinition, RefTensor } from '../../compiler/ops/op.ts';
import { randomNumbers, randomTensor, weight } from './values.ts';

export interface OpCase {
  readonly op: OpName;
  readonly definition: OpDefinition<OpName>;
  readonly example: Example<OpAttributes[OpName]>;
  /** `matmul: a transposed` */
  readonly label: string;
  /** Types and values of the inputs, f32 values rounded to f32. */
  readonly operands: readonly (RefTensor & { readonly dtype: 'f32' | 'i32' })[];
  /** Of the result. */
  readonly type: TensorType;
}

/** Rows of positions in the order of random values. */
function permutedRows({ shape, data }: RefTensor): Float64Array {
  const length = shape.at(-1)!;
  return data.map((_, i) => {
    const row = data.subarray(i - (i % length), i - (i % length) + length);
    return row.reduce((before, v) => before + (v < data[i]! ? 1 : 0), 0);
  });
}

function valuesOf(input: ExampleInput, random: () => number): OpCase['operands'][number] {
  const { shape, below, mask = false, permuted = false, range = [-1, 1] } = input;
  if (permuted) return { dtype: 'i32', shape, data: permutedRows(randomTensor(shape, random)) };
  if (mask) return { dtype: 'f32', shape, data: randomTensor(shape, random, 0, 2).data.map(Math.floor) };
  if (below !== undefined)
    return { dtype: 'i32', shape, data: randomTensor(shape, random, 0, below).data.map(Math.floor) };
  return { dtype: 'f32', shape, data: randomTensor(shape, random, ...range).data.map(Math.fround) };
}

function caseOf(op: OpName, example: OpCase['example'], number: number): OpCase {
  const definition = opOf<OpName>(op);
  const random = randomNumbers(number + 1);
  const operands = example.inputs.map((input) => valuesOf(input, random));
  const typed = definition.shape(operands, example.attrs);
  if (!typed.ok) throw new Error(`${op}: ${example.name}: ${typed.error.message}`);
  return { op, definition, example, label: `${op}: ${example.name}`, operands, type: typed.type };
}

/** All examples of all ops. */
export const opCases: readonly OpCase[] = opNames.flatMap((op) =>
  opOf<OpName>(op).examples.map((example, number) => caseOf(op, example, number)),
);

/** Name of an operand as a weight (f32) or an input (i32). */
export const operandName = ({ op }: OpCase, index: number): string => `${op}.v${index}`;

/** The names of the operands that are weights. */
export function weightsOf(c: OpCase): string[] {
  return c.operands.flatMap(({ dtype }, i) => (dtype === 'f32' ? [operandName(c, i)] : []));
}

/** The operands' nodes. */
export function addOperands(b: Builder, c: OpCase): number[] {
  return c.operands.map(({ dtype, shape }, i) =>
    dtype === 'f32'
      ? weight(b, operandName(c, i), shape)
      : b.add('input', [], { name: operandName(c, i), dtype, shape }),
  );
}

/** The op's node over operands. */
export function addOp(b: Builder, { op, example }: OpCase, operands: readonly number[]): number {
  return b.add<OpName>(op, operands, example.attrs);
}

/**
 * A result as bounded numbers in f32, tanh(y / 2): masks of -3e38 and large values do not drown the others in
 * a sum, and every element still counts.
 */
export function bounded(b: Builder, y: number): number {
  const float = b.type(y).dtype === 'i32' ? b.add('cast', [y], { to: 'f32' }) : y;
  const half = b.add('constant', [], { value: 0.5, dtype: 'f32', shape: [] });
  return b.add('tanh', [b.add('mul', [float, half], {})], {});
}

export function sumOf(b: Builder, x: number): number {
  const axes = b.type(x).shape.map((_: Dim, axis: number) => axis);
  return b.add('sum', [x], { axes, keep: false });
}

/**
 * One example of every op: the one whose result has the most axes, since values of three are stored as
 * halves.
 */
export function oneOfEach(): OpCase[] {
  return opNames.map((op) =>
    opCases
      .filter((c) => c.op === op)
      .reduce((best, c) => (c.type.shape.length > best.type.shape.length ? c : best)),
  );
}

/**
 * Many ops in one graph: outputs `y OP`, each op's result, and `loss`, in which every element of all results
 * counts differently.
 * @param halved in mixed precision operands and results are stored as f16: operands are multiplied by a half
 * first, and `y OP` is the result's sum along rows, since results of a plan are f32
 */
export function jointGraph(cases: readonly OpCase[], halved: boolean): Graph {
  const b = createBuilder();
  const scaled = (x: number, value: number) =>
    b.add('mul', [x, b.add('constant', [], { value, dtype: 'f32', shape: [] })], {});
  const isFloat = (x: number) => b.type(x).dtype === 'f32';
  const results = cases.map((c) => {
    const operands = addOperands(b, c);
    const y = addOp(
      b,
      c,
      operands.map((x) => (halved && isFloat(x) ? scaled(x, 0.5) : x)),
    );
    const r = b.add('input', [], { name: `${c.op}.r`, dtype: 'f32', shape: numericShape(b.type(y)) });
    // A softmax keeps the elementwise arithmetic of gradients, which are f32, away from y.
    const counted = halved ? b.add('softmax', [y], {}) : bounded(b, y);
    const losses = [sumOf(b, b.add('mul', [counted, r], {}))];
    // Every weight has a gradient, if only 0.
    for (const x of operands) if (isFloat(x)) losses.push(scaled(sumOf(b, x), 0));
    const seen = halved && isFloat(y) ? b.add('sum', [y], { axes: [-1], keep: true }) : y;
    return { name: `y ${c.op}`, node: seen, losses };
  });
  const loss = results.flatMap(({ losses }) => losses).reduce((sum, x) => b.add('add', [sum, x], {}));
  return b.finish([...results.map(({ name, node }) => ({ name, node })), { name: 'loss', node: loss }]);
}
