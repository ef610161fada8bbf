/**
 * The type of a contraction with a fused epilogue: (product, further inputs...) elementwise, shaped as the
 * product.
 */
import { formatShape, sameDim, type TensorType } from '../graph/types.ts';
import type { MapProgram } from './map-program.ts';
import type { ShapeResult } from './op.ts';
import { programFault } from './scalar.ts';
import { accept, broadcastShapes, refuse } from './shapes.ts';

/**
 * @param inputs the two operands and the epilogue's further inputs, which broadcast to the product's shape
 */
export function epilogueShape(
  what: string,
  inputs: readonly TensorType[],
  epilogue: MapProgram | undefined,
  product: TensorType,
): ShapeResult {
  if (!epilogue)
    return inputs.length === 2
      ? accept(product)
      : refuse(`${what} without an epilogue has 2 inputs, not ${inputs.length}`);
  const fault = programFault(epilogue, inputs.length - 1);
  if (fault) return refuse(`cannot fuse behind ${what}: ${fault}`);
  const joint = broadcastShapes('fuse', [product, ...inputs.slice(2)]);
  if ('refusal' in joint) return joint.refusal;
  return joint.shape.length === product.shape.length &&
    joint.shape.every((d, i) => sameDim(d, product.shape[i]!))
    ? accept(product)
    : refuse(`an epilogue cannot grow ${formatShape(product.shape)} to ${formatShape(joint.shape)}`);
}
