/**
 * Transposed copies in blocks of 4×4: four vec4 loads along one axis, four vec4 stores along the other.
 *
 * A plain strided copy moves one scalar at a time and a cache line for each; matrix products on software
 * adapters need their right operand row-major along N, so this copy stands in front of many of them.
 */

import type { Origin } from '../../graph/types.ts';
import { flatMain } from '../text/access.ts';
import { type Emitter, gridOf } from '../text/kernel.ts';
import { computeType, load, store, wgslType } from '../text/memory.ts';
import type { View } from '../text/view.ts';
import { collapseAxes } from '../text/view-algebra.ts';
import { affine, printCoordinates } from '../text/wgsl.ts';
import { emitCopy } from './map.ts';

const workgroup = 64;

/**
 * Copies `from` to `to` (equal shapes, any strides), in blocks where one axis is dense in `from` and another
 * in `to`.
 */
export function emitTransposedCopy(ctx: Emitter, from: View, to: View, origin: Origin): void {
  const { shape, strides } = collapseAxes(from.shape, [from.strides, to.strides]);
  const [fromStrides, toStrides] = strides as [readonly number[], readonly number[]];
  const column = toStrides.indexOf(1);
  const row = fromStrides.indexOf(1);
  const aligned = (s: readonly number[], offset: number, dense: number) =>
    offset % 4 === 0 && s.every((n, axis) => axis === dense || n % 4 === 0);
  const blocked =
    row >= 0 &&
    column >= 0 &&
    row !== column &&
    shape[row]! % 4 === 0 &&
    shape[column]! % 4 === 0 &&
    aligned(fromStrides, from.offset, row) &&
    aligned(toStrides, to.offset, column);
  if (!blocked) {
    emitCopy(ctx, from, to, origin);
    return;
  }
  const blocks = shape.map((n, axis) => (axis === row || axis === column ? n / 4 : n));
  const count = blocks.reduce((a, b) => a * b, 1);
  // In vec4s: a step of one block along the dense axis is 1, along the other axis 4 rows.
  const index = (offset: number, s: readonly number[], dense: number) =>
    affine(
      offset / 4,
      s.map((stride, axis) => [
        `x${axis}`,
        axis === dense ? 1 : axis === row || axis === column ? stride : stride / 4,
      ]),
    );
  const four = [0, 1, 2, 3];
  const x = { name: 'x', width: 4, storage: from.storage, access: 'read' } as const;
  const out = { name: 'out', width: 4, storage: to.storage, access: 'read_write' } as const;
  const vector = wgslType(4, computeType(from.storage));
  const turned = (r: number) => `${vector}(${four.map((c) => `r${c}[${r}]`).join(', ')})`;
  ctx.emit({
    name: 'transpose',
    args: [x, out],
    body: `${flatMain(workgroup, count)}  ${printCoordinates('index', blocks, 'x').join('\n  ')}
  let source = ${index(from.offset, fromStrides, row)};
  let target_ = ${index(to.offset, toStrides, column)};
  ${four.map((c) => `let r${c} = ${load(x, `source + ${(c * fromStrides[column]!) / 4}u`)};`).join('\n  ')}
  ${four.map((r) => store(out, `target_ + ${(r * toStrides[row]!) / 4}u`, turned(r))).join('\n  ')}
}
`,
    workgroups: gridOf(Math.ceil(count / workgroup), ctx.profile),
    origin,
    flops: 0,
    bytes: 8 * count * 16,
  });
}
