/**
 * Elementwise ops with two inputs that broadcast. A gradient is summed back over what broadcasting repeated.
 *
 * At ties `maximum` and `minimum` give half of the gradient to each input, as PyTorch does.
 */
import { formatType, type TensorType } from '../graph/types.ts';
import { perElement } from './costs.ts';
import { Expressions } from './expressions.ts';
import type { BinaryMapOp, FloatBinaryOp } from './map-program.ts';
import { defineOp, type OpDefinition, type ShapeResult, type Tolerance } from './op.ts';
import { binaryFunctions, integerBinaryFunctions } from './scalar.ts';
import { accept, broadcastShapes, isFloat, refuse, refuseIntegers, refuseMixed } from './shapes.ts';
import { broadcastTo } from './tensors.ts';

/** Unsummed gradients of both inputs, made only when asked for; `null` = none. */
type Derivative = (
  e: Expressions,
  x: number,
  y: number,
  result: number,
  dy: number,
) => readonly [() => number | null, () => number | null];

const verbs: Readonly<Record<BinaryMapOp, string>> = {
  add: 'add',
  sub: 'subtract',
  mul: 'multiply',
  div: 'divide',
  pow: 'take the power of',
  maximum: 'take the maximum of',
  minimum: 'take the minimum of',
  mod: 'take the remainder of',
  equal: 'compare',
};

function binary<K extends BinaryMapOp>(
  name: K,
  flops: number,
  tolerance: Tolerance,
  derivative: Derivative,
): OpDefinition<K> {
  const integer = integerBinaryFunctions[name];
  return defineOp<K>({
    name,
    arity: 2,
    shape(inputs) {
      const mixed = refuseMixed(verbs[name], inputs);
      if (mixed) return mixed;
      const first = inputs[0]!;
      if (!isFloat(first) && integer === undefined) return refuseIntegers(verbs[name], inputs)!;
      if (isFloat(first) && name === 'mod') return refuseFloats(verbs[name], inputs);
      const result = broadcastShapes(verbs[name], inputs);
      if ('refusal' in result) return result.refusal;
      return accept({ dtype: first.dtype, shape: result.shape });
    },
    gradient(b, node, dy, wanted) {
      const e = new Expressions(b);
      const [x, y] = [node.inputs[0]!, node.inputs[1]!];
      return derivative(e, x, y, node.id, dy).map((make, i) => {
        const whole = wanted[i] ? make() : null;
        return whole === null ? null : e.sumTo(whole, e.shape(node.inputs[i]!));
      });
    },
    reference([x, y], _attrs, shape, dtype) {
      const f = dtype === 'i32' ? integer! : binaryFunctions[name as FloatBinaryOp];
      const a = broadcastTo(x!, shape).data;
      const b = broadcastTo(y!, shape).data;
      return { shape, data: a.map((v, i) => f(v, b[i]!)) };
    },
    family: 'map',
    cost: perElement(flops),
    tolerance,
  });
}

function refuseFloats(what: string, inputs: readonly TensorType[]): ShapeResult {
  const [x, y] = inputs.map(formatType);
  return refuse(`cannot ${what} ${x} and ${y}: only integers have one`, {
    code: 'Z303',
    blame: [{ input: 0 }, { input: 1 }],
  });
}

/** The number that a node holds everywhere, seen through views. */
function constantOf(e: Expressions, id: number): number | undefined {
  const node = e.b.node(id);
  if (node.op === 'constant') return node.attrs.value;
  const view =
    node.op === 'reshape' || node.op === 'expand' || node.op === 'transpose' || node.op === 'slice';
  return view ? constantOf(e, node.inputs[0]!) : undefined;
}

/** d(x^y)/dx = y x^(y-1), for constant exponents right at x = 0 as well: x^0 has no gradient, that of x^1 is 1. */
function powerRule(e: Expressions, x: number, y: number, dy: number): number | null {
  const c = constantOf(e, y);
  if (c === undefined) return e.mul(dy, e.mul(y, e.binary('pow', x, e.sub(y, e.scalar(y, 1)))));
  if (c === 0) return null;
  const rest = c === 1 ? undefined : c === 2 ? x : e.binary('pow', x, e.scalar(x, c - 1));
  return rest === undefined ? dy : e.mul(dy, e.scale(rest, c));
}

function maximumRule(e: Expressions, x: number, y: number, dy: number): number {
  const tie = e.scale(e.binary('equal', x, y), 0.5);
  return e.mul(dy, e.add(e.unary('step', e.sub(x, y)), tie));
}

function minimumRule(e: Expressions, x: number, y: number, dy: number): number {
  const tie = e.scale(e.binary('equal', x, y), 0.5);
  return e.mul(dy, e.add(e.unary('step', e.sub(y, x)), tie));
}

const none = () => null;
const rounded = (rtol: number): Tolerance => ({ rtol, atol: 1e-30 });

export const binaryOps: { readonly [K in BinaryMapOp]: OpDefinition<K> } = {
  add: binary('add', 1, rounded(2e-7), (_e, _x, _y, _r, dy) => [() => dy, () => dy]),
  sub: binary('sub', 1, rounded(2e-7), (e, _x, _y, _r, dy) => [() => dy, () => e.neg(dy)]),
  mul: binary('mul', 1, rounded(2e-7), (e, x, y, _r, dy) => [() => e.mul(dy, y), () => e.mul(dy, x)]),
  div: binary('div', 1, rounded(4e-7), (e, _x, y, result, dy) => [
    () => e.div(dy, y),
    () => e.neg(e.div(e.mul(dy, result), y)),
  ]),
  pow: binary('pow', 16, rounded(2e-5), (e, x, y, result, dy) => [
    () => powerRule(e, x, y, dy),
    () => e.mul(dy, e.mul(result, e.unary('ln', x))),
  ]),
  maximum: binary('maximum', 1, { rtol: 0, atol: 0 }, (e, x, y, _r, dy) => [
    () => maximumRule(e, x, y, dy),
    () => maximumRule(e, y, x, dy),
  ]),
  minimum: binary('minimum', 1, { rtol: 0, atol: 0 }, (e, x, y, _r, dy) => [
    () => minimumRule(e, x, y, dy),
    () => minimumRule(e, y, x, dy),
  ]),
  mod: binary('mod', 1, { rtol: 0, atol: 0 }, () => [none, none]),
  equal: binary('equal', 1, { rtol: 0, atol: 0 }, () => [none, none]),
};
