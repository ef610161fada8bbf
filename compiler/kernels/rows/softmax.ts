/**
 * Softmax, log-softmax and their gradients along the last axis, as row kernels.
 *
 * The maximum is subtracted before `exp`, so large logits do not overflow. Gradients work from the result y:
 * softmax: dx = y * (dy - sum(y * dy)); log-softmax: dx = dy - exp(y) * sum(dy).
 */
import { type Node, sizeOf } from '../../graph/types.ts';
import type { OpName } from '../../ops/attributes.ts';
import type { Lower, LowerContext } from '../text/kernel.ts';
import type { View } from '../text/view.ts';
import { arithmeticBehind, type Behind } from './behind.ts';
import { type RowInput, type RowStep, rowKernel } from './rows.ts';

const lowerSoftmax: Lower<'softmax'> = (ctx, node) => {
  lowerRows(ctx, node, ['x'], 8, [
    { reduce: [{ op: 'max', name: 'most', value: 'x', reads: ['x'] }] },
    { reduce: [{ op: 'sum', name: 'total', value: 'exp(x - most)', reads: ['x'] }] },
    { name: 'factor', value: '1.0 / total' },
    { store: 'exp(x - most) * factor', reads: ['x'] },
  ]);
};

const lowerLogSoftmax: Lower<'log_softmax'> = (ctx, node) => {
  lowerRows(ctx, node, ['x'], 6, [
    { reduce: [{ op: 'max', name: 'most', value: 'x', reads: ['x'] }] },
    { reduce: [{ op: 'sum', name: 'total', value: 'exp(x - most)', reads: ['x'] }] },
    { name: 'log_total', value: 'log(total)' },
    { store: '(x - most) - log_total', reads: ['x'] },
  ]);
};

const lowerSoftmaxGrad: Lower<'softmax_grad'> = (ctx, node) => {
  lowerRows(ctx, node, ['y', 'dy'], 4, [
    { reduce: [{ op: 'sum', name: 'mixed', value: 'y * dy', reads: ['y', 'dy'] }] },
    { store: 'y * (dy - mixed)', reads: ['y', 'dy'] },
  ]);
};

const lowerLogSoftmaxGrad: Lower<'log_softmax_grad'> = (ctx, node) => {
  lowerRows(ctx, node, ['y', 'dy'], 4, [
    { reduce: [{ op: 'sum', name: 'total', value: 'dy', reads: ['dy'] }] },
    { store: 'dy - exp(y) * total', reads: ['y', 'dy'] },
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
  const last = steps.at(-1)!;
  const behind = 'store' in last ? arithmeticBehind(ctx, node, last.store) : undefined;
  const output = behind?.output ?? ctx.result(node);
  const also = behind ? undefined : ctx.columnCopy(node);
  const spec = {
    name: node.op,
    inputs: [...inputs, ...(behind?.extras ?? [])],
    output,
    steps: behind || also ? [...steps.slice(0, -1), withStore(last, behind, also)] : steps,
    flops: flops * sizeOf(output.shape),
  };
  ctx.emit(rowKernel(spec, ctx.profile, node.origin));
}

/** The final store with arithmetic behind it, or into a second place as well. */
function withStore(last: RowStep, behind: Behind | undefined, also: View | undefined): RowStep {
  if (!('store' in last)) return last;
  const reads = [...last.reads, ...(behind?.extras ?? []).map(({ role }) => role)];
  return { store: behind?.value ?? last.store, reads, ...(also ? { also } : {}) };
}

export const softmaxLowerings = {
  softmax: lowerSoftmax,
  softmax_grad: lowerSoftmaxGrad,
  log_softmax: lowerLogSoftmax,
  log_softmax_grad: lowerLogSoftmaxGrad,
} satisfies { [K in OpName]?: Lower<K> };
