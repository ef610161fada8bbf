/**
 * Softmax, log-softmax and their gradients along the last axis, as row kernels.
 *
 * The maximum is subtracted before `exp`, so large logits do not overflow. Gradients work from the result y:
 * softmax: dx = y * (dy - sum(y * dy)); log-softmax: dx = dy - exp(y) * sum(dy).
 */
import { type Node, sameShape, sizeOf } from '../graph/types.ts';
import type { OpName } from '../ops/attributes.ts';
import { type BinaryMapOp, binaryMapOps, type MapProgram } from '../ops/map-program.ts';
import type { Lower, LowerContext } from './kernel.ts';
import { type RowInput, type RowStep, rowKernel } from './rows.ts';
import type { View } from './view.ts';
import { arithmeticExpression } from './wgsl.ts';

const lowerSoftmax: Lower<'softmax'> = (ctx, node) => {
  lowerRows(ctx, node, ['x'], 8, [
    { reduce: [{ op: 'max', name: 'most', value: 'x' }] },
    { reduce: [{ op: 'sum', name: 'total', value: 'exp(x - most)' }] },
    { name: 'factor', value: '1.0 / total' },
    { store: 'exp(x - most) * factor' },
  ]);
};

const lowerLogSoftmax: Lower<'log_softmax'> = (ctx, node) => {
  lowerRows(ctx, node, ['x'], 6, [
    { reduce: [{ op: 'max', name: 'most', value: 'x' }] },
    { reduce: [{ op: 'sum', name: 'total', value: 'exp(x - most)' }] },
    { name: 'log_total', value: 'log(total)' },
    { store: '(x - most) - log_total' },
  ]);
};

const lowerSoftmaxGrad: Lower<'softmax_grad'> = (ctx, node) => {
  lowerRows(ctx, node, ['y', 'dy'], 4, [
    { reduce: [{ op: 'sum', name: 'mixed', value: 'y * dy' }] },
    { store: 'y * (dy - mixed)' },
  ]);
};

const lowerLogSoftmaxGrad: Lower<'log_softmax_grad'> = (ctx, node) => {
  lowerRows(ctx, node, ['y', 'dy'], 4, [
    { reduce: [{ op: 'sum', name: 'total', value: 'dy' }] },
    { store: 'dy - exp(y) * total' },
  ]);
};

/** Emits a row kernel named after the op over its inputs in order; `flops` counts per element. */
export function lowerRows(
  ctx: LowerContext,
  node: Node,
  roles: readonly string[],
  flops: number,
  steps: readonly RowStep[],
): void {
  const inputs = roles.map((role, i): RowInput => ({ role, view: ctx.view(node.inputs[i]!) }));
  const joined = mapBehind(ctx, node, steps);
  const output = joined?.output ?? ctx.result(node);
  const spec = {
    name: node.op,
    inputs: [...inputs, ...(joined?.extras ?? [])],
    output,
    steps: joined?.steps ?? steps,
    flops: flops * sizeOf(output.shape),
  };
  ctx.emit(rowKernel(spec, ctx.profile, node.origin));
}

/** Joins plain arithmetic that alone reads the result (a residual's gradient is added) to the kernel's store. */
function mapBehind(
  ctx: LowerContext,
  node: Node,
  steps: readonly RowStep[],
): { steps: readonly RowStep[]; extras: readonly RowInput[]; output: View } | undefined {
  const user = ctx.soleConsumer(node.id);
  const last = steps.at(-1)!;
  if (user === undefined || !('store' in last) || !sameShape(user.type.shape, node.type.shape))
    return undefined;
  const program = programOf(user);
  const others = user.inputs.filter((id) => id !== node.id);
  const fits = (id: number) => ctx.isLowered(id) && sameShape(ctx.node(id).type.shape, node.type.shape);
  if (program === undefined || !others.every(fits)) return undefined;
  const names = user.inputs.map((id) => (id === node.id ? `(${last.store})` : `extra${others.indexOf(id)}`));
  const value = arithmeticExpression(program, names);
  const output = value === undefined ? undefined : ctx.claim(user);
  if (value === undefined || output === undefined) return undefined;
  const extras = others.map((id, i) => ({ role: `extra${i}`, view: ctx.view(id) }));
  return { steps: [...steps.slice(0, -1), { store: value }], extras, output };
}

/** An elementwise node as a program. */
function programOf(node: Node): MapProgram | undefined {
  if (node.op === 'map') return node.attrs.program;
  if (!(binaryMapOps as readonly string[]).includes(node.op)) return undefined;
  return { inputs: 2, instructions: [{ op: node.op as BinaryMapOp, args: [0, 1] }] };
}

export const softmaxLowerings = {
  softmax: lowerSoftmax,
  softmax_grad: lowerSoftmaxGrad,
  log_softmax: lowerLogSoftmax,
  log_softmax_grad: lowerLogSoftmaxGrad,
} satisfies { [K in OpName]?: Lower<K> };
