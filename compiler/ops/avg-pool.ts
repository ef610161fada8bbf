/**
 * Mean over non-overlapping windows: [B, C, H, W] -> [B, C, H / kernel, W / kernel]; the division must be exact.
 */
import { divideDims } from '../graph/dims.ts';
import { type Dim, formatDim, formatShape } from '../graph/types.ts';
import { perInputElement } from './costs.ts';
import { Expressions } from './expressions.ts';
import { defineOp } from './op.ts';
import { accept, firstOf, refuse, refuseIntegers, refuseRank } from './shapes.ts';

export const avgPool = defineOp<'avg_pool'>({
  name: 'avg_pool',
  arity: 1,
  shape(inputs, { kernel }) {
    const refusal = firstOf(
      refuseRank('avg_pool', inputs, 0, '[B, C, H, W]'),
      refuseIntegers('average', inputs),
    );
    if (refusal) return refusal;
    const [batch, channels, height, width] = inputs[0]!.shape as [Dim, Dim, Dim, Dim];
    const rows = divideDims(height, kernel);
    const columns = divideDims(width, kernel);
    if (rows === undefined || columns === undefined) {
      const axis = rows === undefined ? 2 : 3;
      const dim = inputs[0]!.shape[axis]!;
      return refuse(
        `cannot pool ${formatShape(inputs[0]!.shape)} in windows of ${kernel}: ${formatDim(dim)} is not divisible by ${kernel}`,
        { blame: [{ input: 0, axis, dim }] },
      );
    }
    return accept({ dtype: inputs[0]!.dtype, shape: [batch, channels, rows, columns] });
  },
  gradient(b, node, dy, wanted) {
    if (!wanted[0]) return [null];
    const e = new Expressions(b);
    const { kernel } = node.attrs;
    const [batch, channels, rows, columns] = node.type.shape as [Dim, Dim, Dim, Dim];
    const share = e.scale(dy, 1 / (kernel * kernel));
    const spread = e.expand(e.reshape(share, [batch, channels, rows, 1, columns, 1]), [
      batch,
      channels,
      rows,
      kernel,
      columns,
      kernel,
    ]);
    return [e.reshape(spread, e.shape(node.inputs[0]!))];
  },
  reference([x], { kernel }, shape) {
    const [, , rows, columns] = shape as [number, number, number, number];
    const width = columns * kernel;
    const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
    for (let at = 0; at < data.length; at++) {
      const column = at % columns;
      const row = Math.floor(at / columns) % rows;
      const plane = Math.floor(at / (rows * columns));
      const start = (plane * rows * kernel + row * kernel) * width + column * kernel;
      let sum = 0;
      for (let i = 0; i < kernel; i++)
        for (let j = 0; j < kernel; j++) sum += x!.data[start + i * width + j]!;
      data[at] = sum / (kernel * kernel);
    }
    return { shape, data };
  },
  family: 'reduce',
  cost: perInputElement(1),
  tolerance: { rtol: 1e-6, atol: 1e-6 },
});
