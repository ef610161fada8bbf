/**
 * What is measured: chains of matrix products, and the cases of `zooc bench` (towers, one training step).
 *
 * A single product ends too soon on a fast card for its time to be more than that of the copies around it,
 * and one library can only take its operands from the host. So each product is run in a chain, inside one
 * graph: [m, k] times [k, n], the result times [n, k], and so on; both cost the same FLOPs.
 */
import { lavapipeProfile } from '../compiler/profile.ts';
import { type BenchCase, benchCases, planCase } from '../zoo/bench/cases.ts';
import { ceilingShapes, type MatmulShape } from '../zoo/bench/measure.ts';
import { nodeHost } from '../zoo/host.ts';

export interface ProductRow extends MatmulShape {
  readonly kind: 'products';
  readonly name: string;
}

export interface ModelRow {
  readonly kind: 'model';
  readonly name: string;
  readonly test: BenchCase;
}

export type Row = ProductRow | ModelRow;

export const rows: readonly Row[] = [
  ...ceilingShapes.map(
    ({ m, n, k }): ProductRow => ({ kind: 'products', name: `product-${m}x${k}x${n}`, m, n, k }),
  ),
  ...benchCases.map((test): ModelRow => ({ kind: 'model', name: test.name, test })),
];

/**
 * Products in a chain, an even number; as many as hide the copies on a card, few where a product takes long.
 */
export function chainLength(kind: 'cpu' | 'gpu'): number {
  return kind === 'gpu' ? 64 : 4;
}

/**
 * Largest difference from zooc's result over its largest value; all compute in float32, in orders of their
 * own.
 */
export const tolerance = 1e-3;

/** GFLOP of one call, as zooc counts its plan: the same number for every library and device. */
export function gflopOf(row: Row, chain: number): number {
  if (row.kind === 'products') return (2 * row.m * row.n * row.k * chain) / 1e9;
  return planCase(nodeHost(), row.test, lavapipeProfile).flops / 1e9;
}
