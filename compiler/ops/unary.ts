/**
 * Elementwise ops with one input. They differ in their function (scalar.ts), derivative and accuracy only, so each is
 * one line here; where it is cheaper, a derivative is written in the result y rather than in x.
 *
 * Tolerances follow WGSL's accuracy rules (correctly rounded negation; exp within 3 + 2|x| units in the last place; ln
 * 2^-21 absolute near 1; tanh through exp; erf is our own polynomial).
 */
import { perElement } from './costs.ts';
import { Expressions } from './expressions.ts';
import type { UnaryMapOp } from './map-program.ts';
import { defineOp, type OpDefinition, type Tolerance } from './op.ts';
import { integerUnaryFunctions, unaryFunctions } from './scalar.ts';
import { accept, isFloat, refuseIntegers } from './shapes.ts';

/** dx from (x, y, dy). */
type Derivative = (e: Expressions, x: number, y: number, dy: number) => number;

function unary<K extends UnaryMapOp>(
  name: K,
  flops: number,
  tolerance: Tolerance,
  derivative: Derivative,
): OpDefinition<K> {
  return defineOp<K>({
    name,
    arity: 1,
    shape(inputs) {
      const x = inputs[0]!;
      if (!isFloat(x) && integerUnaryFunctions[name] === undefined)
        return refuseIntegers(`take ${name} of`, inputs)!;
      return accept(x);
    },
    gradient: (b, node, dy, wanted) => [
      wanted[0] ? derivative(new Expressions(b), node.inputs[0]!, node.id, dy) : null,
    ],
    reference([x], _attrs, shape, dtype) {
      const f = dtype === 'i32' ? integerUnaryFunctions[name]! : unaryFunctions[name];
      return { shape, data: x!.data.map((v) => f(v)) };
    },
    family: 'map',
    cost: perElement(flops),
    tolerance,
  });
}

const exact: Tolerance = { rtol: 0, atol: 0 };
const rounded = (rtol: number, atol = 1e-30): Tolerance => ({ rtol, atol });

export const unaryOps: { readonly [K in UnaryMapOp]: OpDefinition<K> } = {
  neg: unary('neg', 1, exact, (e, _x, _y, dy) => e.neg(dy)),
  exp: unary('exp', 8, rounded(5e-6), (e, _x, y, dy) => e.mul(dy, y)),
  ln: unary('ln', 8, rounded(5e-7, 5e-7), (e, x, _y, dy) => e.div(dy, x)),
  tanh: unary('tanh', 12, rounded(1e-5, 1e-6), (e, _x, y, dy) =>
    e.mul(dy, e.sub(e.scalar(y, 1), e.mul(y, y))),
  ),
  erf: unary('erf', 20, rounded(2e-6, 1e-6), (e, x, _y, dy) =>
    e.mul(dy, e.scale(e.unary('exp', e.neg(e.mul(x, x))), 2 / Math.sqrt(Math.PI))),
  ),
  sqrt: unary('sqrt', 2, rounded(1e-6), (e, _x, y, dy) => e.div(e.scale(dy, 0.5), y)),
  rsqrt: unary('rsqrt', 2, rounded(5e-7), (e, _x, y, dy) => e.mul(e.scale(dy, -0.5), e.mul(y, e.mul(y, y)))),
  sigmoid: unary('sigmoid', 10, rounded(5e-6), (e, _x, y, dy) =>
    e.mul(dy, e.mul(y, e.sub(e.scalar(y, 1), y))),
  ),
  relu: unary('relu', 1, exact, (e, _x, y, dy) => e.mul(dy, e.unary('step', y))),
  abs: unary('abs', 1, exact, (e, x, _y, dy) =>
    e.mul(dy, e.sub(e.unary('step', x), e.unary('step', e.neg(x)))),
  ),
  step: {
    ...unary('step', 1, exact, (_e, _x, _y, dy) => dy),
    // Constant on either side of 0.
    gradient: () => [null],
  },
};
