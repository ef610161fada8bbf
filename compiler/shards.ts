/**
 * Which elements of the flat arena of trained weights are a rank's, where ranks divide what the optimizer keeps.
 *
 * The arena is cut into parts of one length, which belong to the ranks in turn. A turn, one part of each rank, is
 * about a bucket: what ranks exchange at once. So a rank that has summed its part of a bucket updates it alone, and
 * hands the weights out instead of the sum (ZeRO-1: Rajbhandari et al. 2020). Plans, kernels and the host agree on this.
 */
import { alignUp } from './graph/dims.ts';

/** Gradients go through the host in pieces of so many bytes, which bounds its memory. */
export const bucketBytes = 25_000_000;

/** Which rank, from 0, of how many a step is compiled for. */
export interface Share {
  readonly rank: number;
  readonly ranks: number;
}

/** Elements of the arena that one rank updates. */
export interface OwnPart {
  readonly start: number;
  readonly elements: number;
  /** Where what the optimizer keeps of them begins, in elements of a buffer that holds a rank's alone. */
  readonly kept: number;
}

/** Elements of a rank's part of a piece, where nothing else asks for more: what bindings may start at. */
export const leastPart = 64;

/** Elements of a part. @param unit what it is a multiple of */
export function partElements(elements: number, ranks: number, unit: number, bucket = bucketBytes): number {
  return alignUp(Math.ceil(Math.min(elements, bucket / 4) / ranks), unit);
}

/** A rank's parts by turn; the last ones may find nothing left of the arena. */
export function ownParts(elements: number, part: number, { rank, ranks }: Share): OwnPart[] {
  const parts: OwnPart[] = [];
  for (let start = rank * part; start < elements; start += ranks * part)
    parts.push({ start, elements: Math.min(part, elements - start), kept: parts.length * part });
  return parts;
}
