/**
 * What tells one product from another, as text: the key under which a measured schedule is kept.
 *
 * Equal keys must mean kernels that are equal but for offsets, so a key holds sizes, layouts and the
 * epilogue; it holds no ids, paths or weights' names, so that equal layers share one measurement.
 */

import type { ProductSize } from '../schedules/contract.ts';
import { type Contraction, type Operand, unitStride, type Walk } from './contraction.ts';

/** Which axis of an operand is dense: its outer one (M or N), K, or none. */
function layoutOf(operand: Operand): 'outer' | 'k' | 'strided' {
  if (unitStride(operand.outer)) return 'outer';
  return operand.inner === 1 ? 'k' : 'strided';
}

function walkKey(walk: Walk): string {
  const { kind, kernel, stride, padding, dilation, grid, source } = walk;
  const way = kind === 'taps' && walk.transposed ? 'back' : kind;
  const apart = dilation === 1 ? '' : `*${dilation}`;
  return `${way} ${kernel.join('x')}${apart}/${stride}+${padding} ${source.join('x')}>${grid.join('x')}`;
}

/** Which operands are stored as halves, `a0r`: left, right, inputs of the epilogue by number, result. */
function halvesOf({ a, b, extras, result }: Contraction): string {
  const mark = (name: string, { view }: Operand) => (view.storage.dtype === 'f16' ? name : '');
  const inputs = extras.map((extra, i) => mark(`${i}`, extra));
  return [mark('a', a), mark('b', b), ...inputs, mark('r', result)].join('');
}

/**
 * How a product's operands are read: as vec4s where tiles come straight from storage or are staged for
 * subgroup matrices.
 */
interface OperandLoads {
  readonly aVector: boolean;
  readonly bVector: boolean;
  readonly matrix: ProductSize['matrix'];
}

/** `400x3072x768 a:outer.v b:outer.v matrix:f16 epilogue:4+whole+column halves:ab1r` */
export function productSize(c: Contraction, { aVector, bVector, matrix }: OperandLoads): ProductSize {
  const { batch, m, n, k } = c;
  const parts = [
    `${batch === 1 ? '' : `${batch}*`}${m}x${n}x${k}`,
    `a:${layoutOf(c.a)}${aVector ? '.v' : ''}`,
    `b:${layoutOf(c.b)}${bVector ? '.v' : ''}`,
  ];
  if (matrix !== undefined) parts.push(`matrix:${matrix}`);
  if (c.walk !== undefined) parts.push(walkKey(c.walk));
  if (c.result.inner !== 1) parts.push('result:strided');
  if (c.epilogue !== undefined) {
    const extras = c.extras.map(({ inner, outer }) =>
      inner === 0 ? 'row' : outer.strides.every((s) => s === 0) ? 'column' : 'whole',
    );
    parts.push(`epilogue:${[c.epilogue.instructions.length, ...extras].join('+')}`);
  }
  const halves = halvesOf(c);
  if (halves !== '') parts.push(`halves:${halves}`);
  if (c.normalise !== undefined) parts.push('normalised');
  if (c.moments !== undefined) parts.push('moments');
  if (c.second !== undefined)
    parts.push(`second:${c.second.program.instructions.length}+${c.second.extras.length}`);
  if (c.leftSums !== undefined) parts.push('sums');
  const moments = c.moments !== undefined;
  const quads = bVector && c.walk === undefined && c.normalise === undefined && !moments;
  return { key: parts.join(' '), batch, m, n, k, columnOperand: aVector, quads, moments, matrix };
}
