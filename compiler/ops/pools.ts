/** What poolings share: square windows that slide over images [B, C, H, W], and the shape that they leave. */
import { formatShape, type TensorType } from '../graph/types.ts';
import { slide } from './convolve.ts';
import type { ShapeResult } from './op.ts';
import { accept, firstOf, refuse, refuseIntegers, refuseRank } from './shapes.ts';

export interface PoolWindows {
  /** Side of a window. */
  readonly kernel: number;
  readonly stride: number;
  /** Pixels around the image; at most half a window, so that every window holds one of the image. */
  readonly padding: number;
}

/** [B, C, H', W'], H' = floor((H + 2 padding - kernel) / stride) + 1. `verb`: "average". */
export function pooledShape(verb: string, inputs: readonly TensorType[], windows: PoolWindows): ShapeResult {
  const refusal = firstOf(refuseRank('pooling', inputs, 0, '[B, C, H, W]'), refuseIntegers(verb, inputs));
  if (refusal) return refusal;
  const { shape, dtype } = inputs[0]!;
  const { kernel, padding } = windows;
  if (2 * padding > kernel)
    return refuse(`windows of ${kernel} can be padded by ${Math.floor(kernel / 2)} at most, got ${padding}`, {
      code: 'Z313',
      help: 'pad(...) puts any number of pixels around',
    });
  const sides = [2, 3].map((axis) => slide(shape[axis]!, kernel, { ...windows, dilation: 1 }));
  const [rows, columns] = sides;
  if (rows !== undefined && columns !== undefined)
    return accept({ dtype, shape: [shape[0]!, shape[1]!, rows, columns] });
  const axis = rows === undefined ? 2 : 3;
  const dim = shape[axis]!;
  const why = typeof dim === 'number' ? 'the window does not fit into the image' : 'its size is open';
  return refuse(`cannot pool ${formatShape(shape)} in windows of ${kernel}: ${why}`, {
    blame: [{ input: 0, axis, dim }],
  });
}
