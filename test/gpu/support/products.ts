/** Matrix products with a fused epilogue, for tests of the contract family and of its schedules. */
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { fusedProduct, type Product } from '../../../runtime/selftest/cases.ts';
import { fill } from './compiled.ts';

export function productGraph(product: Product): Graph {
  const b = createBuilder();
  return b.finish([{ name: 'y', node: addProduct(b, product, '') }]);
}

/** Several of them in one graph, with outputs `y0`, `y1`, ...: their pipelines compile side by side. */
export function productsGraph(list: readonly Product[]): Graph {
  const b = createBuilder();
  return b.finish(list.map((product, i) => ({ name: `y${i}`, node: addProduct(b, product, `${i}`) })));
}

function addProduct(b: ReturnType<typeof createBuilder>, product: Product, suffix: string): number {
  const { batch, m, n, k, transposeA, transposeB, batchedB } = product;
  const input = (name: string, shape: number[]) =>
    b.add('input', [], { name: name + suffix, dtype: 'f32', shape });
  const param = (name: string, shape: number[]) =>
    b.add('param', [], { name: name + suffix, shape, role: 'param' });
  const a = input('a', transposeA ? [batch, k, m] : [batch, m, k]);
  const w = param('w', [...(batchedB ? [batch] : []), ...(transposeB ? [n, k] : [k, n])]);
  const bias = param('bias', [n]);
  const residual = input('residual', [m, n]);
  return fusedProduct(b, product, { x: a, w, bias, residual });
}

/** Sizes around tile edges, primes and 1, drawn by a fixed generator. */
export function products(count: number, seed = 99): Product[] {
  const sizes = [1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 31, 33, 48, 50, 64, 65, 77, 96, 128, 197];
  const draws = fill(count * 7, seed).map((x) => (x + 1) / 2);
  return Array.from({ length: count }, (_, i) => {
    const at = (j: number) => draws[i * 7 + j]!;
    const pick = (j: number) => sizes[Math.floor(at(j) * sizes.length)]!;
    return {
      batch: 1 + Math.floor(at(0) * 3),
      m: pick(1),
      n: pick(2),
      k: pick(3),
      transposeA: at(4) < 0.5,
      transposeB: at(5) < 0.5,
      batchedB: at(6) < 0.3,
    };
  });
}

// Rounding of a length-K f32 sum of products of values in [-1, 1): about sqrt(K) * 2^-24 relative to the largest; K <= 512.
export const tolerance = 3e-6;
