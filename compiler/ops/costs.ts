/**
 * Lower bounds on work: floating-point operations and bytes, for reports, schedules and the tests of the
 * plan.
 */
import { type DType, numericShape, sizeOf, type TensorType } from '../graph/types.ts';
import type { Cost } from './op.ts';

const bytesOf: Readonly<Record<DType, number>> = { f32: 4, f16: 2, i32: 4 };

export function elements(type: TensorType): number {
  return sizeOf(numericShape(type));
}

export function byteSize(type: TensorType): number {
  return elements(type) * bytesOf[type.dtype];
}

/** Each input once and the result once. */
export function traffic(inputs: readonly TensorType[], result: TensorType): number {
  return inputs.reduce((sum, t) => sum + byteSize(t), byteSize(result));
}

/** `each` operations for every element of the result. */
export function perElement(each: number) {
  return (inputs: readonly TensorType[], _attrs: unknown, result: TensorType): Cost => ({
    flops: each * elements(result),
    bytes: traffic(inputs, result),
  });
}

/** `each` operations for every element of the first input: reductions and row normalisations. */
export function perInputElement(each: number) {
  return (inputs: readonly TensorType[], _attrs: unknown, result: TensorType): Cost => ({
    flops: each * elements(inputs[0]!),
    bytes: traffic(inputs, result),
  });
}

/** Leaves and views: nothing moves. */
export function free(): Cost {
  return { flops: 0, bytes: 0 };
}
