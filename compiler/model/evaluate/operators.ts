/**
 * Unary and binary operators over both worlds: two static values give a static one, a tensor on either side a
 * node. Comparisons of tensors, and `and or not` of such, are masks of f32: 1 where true, else 0.
 */
import type { BinaryExpr, Expr, UnaryExpr } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import type { Builder } from '../../graph/builder.ts';
import { binaryOperators } from '../../ops/binary.ts';
import { isMask } from '../../ops/map-program.ts';
import { isOpenNumber, staticBinary } from '../nodes/arithmetic.ts';
import { emit, isInteger, toTensor, toTensors } from '../nodes/emit.ts';
import * as mistakes from '../values/mistakes.ts';
import { type Env, evaluate } from '../values/scope.ts';
import { sourceText } from '../values/session.ts';
import type { TensorValue, Value } from '../values/values.ts';
import { bool, describe, isNumber, poison } from '../values/values.ts';

export function evaluateUnary(expr: UnaryExpr, env: Env): Value {
  const operand = evaluate(expr.operand, env);
  if (operand.kind === 'poison') return poison;
  if (expr.op === 'not') {
    if (operand.kind === 'bool') return bool(!operand.value);
    if (isTensor(operand)) return notMask(expr, operand, env);
    return mistakes.notABool(env.session, expr.span, '`not`', describe(operand), isTensor(operand));
  }
  if (isNumber(operand)) return { ...operand, value: operand.value === 0 ? 0 : -operand.value };
  const tensor = toTensor(operand, env, expr.operand.span);
  return tensor === undefined ? poison : emit(env, 'neg', [tensor], {}, expr.span);
}

export function evaluateBinary(expr: BinaryExpr, env: Env): Value {
  if (expr.op === 'and' || expr.op === 'or') return logical(expr, env);
  const left = evaluate(expr.left, env);
  const right = evaluate(expr.right, env);
  if (left.kind === 'poison' || right.kind === 'poison') return poison;
  if (isTensor(left) || isTensor(right)) return tensorBinary(expr, left, right, env);
  if (env.tracer !== undefined && isOpenNumber(expr.op, left, right))
    return tensorBinary(expr, left, right, env);
  return staticBinary(expr, left, right, env);
}

export function isTensor(value: Value): boolean {
  return value.kind === 'tensor' || value.kind === 'weight';
}

/** Of static bools, the right one only where it matters; of masks element by element. */
function logical(expr: BinaryExpr, env: Env): Value {
  const what = `\`${expr.op}\``;
  const left = evaluate(expr.left, env);
  if (left.kind === 'poison') return poison;
  if (isTensor(left)) return logicalMasks(expr, left, evaluate(expr.right, env), env);
  const first = asCondition(left, expr.left, env, what);
  if (first === undefined) return poison;
  if (first === (expr.op === 'or')) return bool(first);
  const right = evaluate(expr.right, env);
  if (isTensor(right)) return maskOf(right, expr.right, env) ?? poison;
  const second = asCondition(right, expr.right, env, what);
  return second === undefined ? poison : bool(second);
}

/** `mask and mask`, `mask or mask`; a static bool on the right decides or changes nothing. */
function logicalMasks(expr: BinaryExpr, left: Value, right: Value, env: Env): Value {
  if (right.kind === 'poison') return poison;
  const a = maskOf(left, expr.left, env);
  if (right.kind === 'bool') return right.value === (expr.op === 'or') ? right : (a ?? poison);
  if (!isTensor(right))
    return mistakes.notABool(env.session, expr.right.span, `\`${expr.op}\``, describe(right), false);
  const b = maskOf(right, expr.right, env);
  if (a === undefined || b === undefined) return poison;
  const op = expr.op === 'and' ? 'minimum' : 'maximum';
  return emit(env, op, [a, b], {}, expr.span, { names: ['left', 'right'] });
}

function notMask(expr: UnaryExpr, operand: Value, env: Env): Value {
  const x = toTensor(operand, env, expr.operand.span);
  const zero = x && zeroLike(x, expr.span, env);
  return zero === undefined ? poison : emit(env, 'equal', [x!, zero], {}, expr.span);
}

/** A tensor as a mask of ones and zeros: itself where it is one, else what differs from 0. */
function maskOf(value: Value, expr: Expr, env: Env): TensorValue | undefined {
  const x = toTensor(value, env, expr.span);
  if (x === undefined || holdsMask(x.node, env.tracer!.builder)) return x;
  const zero = zeroLike(x, expr.span, env);
  const made = zero === undefined ? poison : emit(env, 'not_equal', [x, zero], {}, expr.span);
  return made.kind === 'poison' ? undefined : made;
}

function holdsMask(id: number, builder: Builder): boolean {
  const { op, inputs } = builder.node(id);
  if (op === 'minimum' || op === 'maximum') return inputs.every((input) => holdsMask(input, builder));
  return isMask(op);
}

function zeroLike(x: TensorValue, span: Span, env: Env): TensorValue | undefined {
  const dtype = isInteger(x, env) ? 'i32' : 'f32';
  const zero = emit(env, 'constant', [], { value: 0, dtype, shape: [] }, span);
  return zero.kind === 'poison' ? undefined : zero;
}

/** A static bool, for `if`, `when`, `require`, `and`, `or`. */
export function condition(expr: Expr, env: Env, what: string): boolean | undefined {
  return asCondition(evaluate(expr, env), expr, env, what);
}

function asCondition(value: Value, { span }: Expr, env: Env, what: string): boolean | undefined {
  if (value.kind === 'bool') return value.value;
  if (value.kind !== 'poison') mistakes.notABool(env.session, span, what, describe(value), isTensor(value));
  return undefined;
}

function tensorBinary(expr: BinaryExpr, left: Value, right: Value, env: Env): Value {
  if (env.tracer === undefined) {
    return env.session.report('Z217', expr.span, 'tensors can only be computed with inside `forward`');
  }
  const wrong = [left, right].find((v) => !isTensor(v) && !isNumber(v) && v.kind !== 'dim');
  if (wrong !== undefined) {
    const shown = `${sourceText(expr.left.span)} ${expr.op} ${sourceText(expr.right.span)}`;
    return mistakes.notNumbers(env.session, expr.span, expr.op, describe(wrong), shown);
  }
  if (expr.op === '^' && isNumber(right)) return power(expr, left, right.value, env);
  const [a, b] = toTensors([left, right], env, [expr.left.span, expr.right.span]);
  if (a === undefined || b === undefined) return poison;
  const zero = right.kind === 'int' && right.value === 0 && isInteger(a, env);
  if (zero && (expr.op === '/' || expr.op === '%'))
    return env.session.report('Z313', expr.span, `an integer ${expr.op} 0 has no value`);
  if (expr.op === '@') return matrixProduct(expr, a, b, env);
  const op = binaryOperators.get(expr.op);
  if (op === undefined) throw new Error(`no op is written \`${expr.op}\``);
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
