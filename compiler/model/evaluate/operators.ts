/**
 * Unary and binary operators over both worlds: two static values give a static one, a tensor on either side a
 * node.
 */
import type { BinaryExpr, Expr, UnaryExpr } from '../../../grammar/ast.ts';
import { binaryOperators } from '../../ops/binary.ts';
import { staticBinary } from '../nodes/arithmetic.ts';
import { emit, isInteger, toTensor, toTensors } from '../nodes/emit.ts';
import * as mistakes from '../values/mistakes.ts';
import { type Env, evaluate } from '../values/scope.ts';
import type { TensorValue, Value } from '../values/values.ts';
import { bool, describe, isNumber, poison } from '../values/values.ts';

export function evaluateUnary(expr: UnaryExpr, env: Env): Value {
  const operand = evaluate(expr.operand, env);
  if (operand.kind === 'poison') return poison;
  if (expr.op === 'not') {
    if (operand.kind === 'bool') return bool(!operand.value);
    return mistakes.notABool(env.session, expr.span, '`not`', describe(operand), isTensor(operand));
  }
  if (isNumber(operand)) return { kind: operand.kind, value: operand.value === 0 ? 0 : -operand.value };
  const tensor = toTensor(operand, env, expr.operand.span);
  return tensor === undefined ? poison : emit(env, 'neg', [tensor], {}, expr.span);
}

export function evaluateBinary(expr: BinaryExpr, env: Env): Value {
  if (expr.op === 'and' || expr.op === 'or') return logical(expr, env);
  const left = evaluate(expr.left, env);
  const right = evaluate(expr.right, env);
  if (left.kind === 'poison' || right.kind === 'poison') return poison;
  if (isTensor(left) || isTensor(right)) return tensorBinary(expr, left, right, env);
  return staticBinary(expr, left, right, env);
}

export function isTensor(value: Value): boolean {
  return value.kind === 'tensor' || value.kind === 'weight';
}

function logical(expr: BinaryExpr, env: Env): Value {
  const left = condition(expr.left, env, `\`${expr.op}\``);
  if (left === undefined) return poison;
  if (left === (expr.op === 'or')) return bool(left);
  const right = condition(expr.right, env, `\`${expr.op}\``);
  return right === undefined ? poison : bool(right);
}

/** A static bool, for `if`, `when`, `require`, `and`, `or`. */
export function condition(expr: Expr, env: Env, what: string): boolean | undefined {
  const value = evaluate(expr, env);
  if (value.kind === 'bool') return value.value;
  if (value.kind !== 'poison') {
    mistakes.notABool(env.session, expr.span, what, describe(value), isTensor(value));
  }
  return undefined;
}

function tensorBinary(expr: BinaryExpr, left: Value, right: Value, env: Env): Value {
  if (env.tracer === undefined) {
    return env.session.report('Z217', expr.span, 'tensors can only be computed with inside `forward`');
  }
  if (expr.op === '^' && isNumber(right)) return power(expr, left, right.value, env);
  const [a, b] = toTensors([left, right], env, [expr.left.span, expr.right.span]);
  if (a === undefined || b === undefined) return poison;
  const zero = right.kind === 'int' && right.value === 0 && isInteger(a, env);
  if (zero && (expr.op === '/' || expr.op === '%'))
    return env.session.report('Z313', expr.span, `an integer ${expr.op} 0 has no value`);
  if (expr.op === '@') return matrixProduct(expr, a, b, env);
  const op = binaryOperators.get(expr.op);
  if (op === undefined) {
    return env.session.report('Z209', expr.span, `\`${expr.op}\` compares static values, not tensors`);
  }
  return emit(env, op, [a, b], {}, expr.span, { names: ['left', 'right'] });
}

function power(expr: BinaryExpr, base: Value, exponent: number, env: Env): Value {
  const x = toTensor(base, env, expr.left.span);
  if (x === undefined) return poison;
  if (isInteger(x, env) && Number.isInteger(exponent) && exponent > 0) return product(expr, x, exponent, env);
  if (exponent === 2) return emit(env, 'mul', [x, x], {}, expr.span);
  if (exponent === 0.5) return emit(env, 'sqrt', [x], {}, expr.span);
  if (exponent === -0.5) return emit(env, 'rsqrt', [x], {}, expr.span);
  const y = toTensor({ kind: 'float', value: exponent }, env, expr.right.span);
  return y === undefined ? poison : emit(env, 'pow', [x, y], {}, expr.span, { names: ['left', 'right'] });
}

/** `x * x * ... * x` of integers. */
function product(expr: BinaryExpr, x: TensorValue, factors: number, env: Env): Value {
  if (factors === 1) return x;
  const half = product(expr, x, Math.floor(factors / 2), env);
  if (half.kind !== 'tensor') return half;
  const square = emit(env, 'mul', [half, half], {}, expr.span);
  if (square.kind === 'poison' || factors % 2 === 0) return square;
  return emit(env, 'mul', [square, x], {}, expr.span);
}

/** `a @ b`; a transposed operand (`weight.T`) is read in place. */
function matrixProduct(expr: BinaryExpr, a: TensorValue, b: TensorValue, env: Env): Value {
  const builder = env.tracer!.builder;
  const untransposed = (x: TensorValue): TensorValue | undefined => {
    const node = builder.node(x.node);
    if (node.op !== 'transpose' || node.attrs.perm.length !== 2 || node.attrs.perm[0] !== 1) return undefined;
    return { kind: 'tensor', node: node.inputs[0], axes: [x.axes[1], x.axes[0]] };
  };
  const left = untransposed(a);
  const right = untransposed(b);
  const attrs = { transposeA: left !== undefined, transposeB: right !== undefined };
  const rows = a.axes.slice(0, -1);
  const columns = b.axes.at(-1);
  return emit(env, 'matmul', [left ?? a, right ?? b], attrs, expr.span, {
    names: ['left', 'right'],
    axes: [...rows, columns],
  });
}
