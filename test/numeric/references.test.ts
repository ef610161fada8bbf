/**
 * Reference rules against independent statements of the same thing: fused ops against their definitions in
 * primitive ops (the bodies the language's library gives them), and single facts checked by hand.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Builder } from '../../compiler/graph/builder.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { einsum } from '../../compiler/graph/einsum.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { verify } from '../../compiler/graph/verify.ts';
import { Expressions } from '../../compiler/ops/expressions.ts';
import { ops } from '../../compiler/ops/index.ts';
import { masked } from '../../compiler/ops/mask-future.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { patchConvolution, patchGrid } from '../../compiler/ops/patches.ts';
import { randomTensor, weight } from '../support/ops/differences.ts';
import { randomNumbers } from '../support/random.ts';

type Shapes = Readonly<Record<string, readonly number[]>>;
type Build = (b: Builder, w: readonly number[]) => number;

function run(b: Builder, node: number, params: ReadonlyMap<string, RefTensor>): RefTensor {
  return executeReference(verify(b.finish([{ name: 'y', node }])), { inputs: new Map(), params }).get('y')!;
}

/** Both builds give the same values on random weights. */
function expectSame(shapes: Shapes, seed: number, fused: Build, definition: Build): void {
  const random = randomNumbers(seed);
  const params = new Map(Object.entries(shapes).map(([n, s]) => [n, randomTensor(s, random, -2, 2)]));
  const b = createBuilder();
  const w = Object.entries(shapes).map(([n, s]) => weight(b, n, s));
  const [found, wanted] = [run(b, fused(b, w), params), run(b, definition(b, w), params)];
  expect(found.shape).toEqual(wanted.shape);
  // Both are f64; they differ in the order of some hundred additions.
  for (const [i, v] of wanted.data.entries())
    expect(Math.abs(found.data[i]! - v)).toBeLessThan(1e-11 * (1 + Math.abs(v)));
}

/** Each property runs over sizes that include 1 and the odd ones. */
const size = fc.constantFrom(1, 2, 3, 5, 7);
const seed = fc.nat();
const settings = { seed: 4711, numRuns: 25 };
const last = (e: Expressions, x: number) => [e.rank(x) - 1];

describe('fused ops mean their definitions', () => {
  test('softmax and log_softmax', () => {
    fc.assert(
      fc.property(size, size, seed, (rows, width, seed) => {
        const definition: Build = (b, [x]) => {
          const e = new Expressions(b);
          const powers = e.unary('exp', x!);
          return e.div(powers, e.sum(powers, last(e, x!), true));
        };
        expectSame({ x: [rows, width] }, seed, (b, w) => b.add('softmax', w, {}), definition);
        const logarithm: Build = (b, w) => b.add('ln', [definition(b, w)], {});
        expectSame({ x: [rows, width] }, seed, (b, w) => b.add('log_softmax', w, {}), logarithm);
      }),
      settings,
    );
  });

  test('layer_norm', () => {
    fc.assert(
      fc.property(size, size, seed, (rows, width, seed) => {
        expectSame(
          { x: [2, rows, width], weight: [width], bias: [width] },
          seed,
          (b, w) => b.add('layer_norm', w, { eps: 1e-5 }),
          (b, [x, weight, bias]) => {
            const e = new Expressions(b);
            const mean = (v: number) => b.add('mean', [v], { axes: [-1], keep: true });
            const c = e.sub(x!, mean(x!));
            const r = e.unary('rsqrt', e.add(mean(e.mul(c, c)), e.scalar(x!, 1e-5)));
            return e.add(e.mul(e.mul(c, r), weight!), bias!);
          },
        );
      }),
      settings,
    );
  });

  test('l2_normalize', () => {
    fc.assert(
      fc.property(size, size, seed, (rows, width, seed) => {
        expectSame(
          { x: [rows, width] },
          seed,
          (b, w) => b.add('l2_normalize', w, {}),
          (b, [x]) => {
            const e = new Expressions(b);
            return e.div(x!, e.unary('sqrt', e.sum(e.mul(x!, x!), last(e, x!), true)));
          },
        );
      }),
      settings,
    );
  });

  test('attention, causal or not', () => {
    const problem = fc.record({ heads: size, t: size, more: fc.nat(4), d: size, causal: fc.boolean(), seed });
    fc.assert(
      fc.property(problem, ({ heads, t, more, d, causal, seed }) => {
        const s = t + more;
        expectSame(
          { q: [2, heads, t, d], k: [2, heads, s, d], v: [2, heads, s, d] },
          seed,
          (b, w) => b.add('attention', w, { causal, scale: d ** -0.5 }),
          (b, [q, k, v]) => {
            const e = new Expressions(b);
            const axes = (names: string) => [...names];
            const dots = einsum(
              b,
              [
                { node: q!, axes: axes('bhid') },
                { node: k!, axes: axes('bhjd') },
              ],
              axes('bhij'),
            );
            const scores = e.scale(dots, d ** -0.5);
            const seen = causal ? b.add('mask_future', [scores], {}) : scores;
            const p = b.add('softmax', [seen], {});
            return einsum(
              b,
              [
                { node: p, axes: axes('bhij') },
                { node: v!, axes: axes('bhjd') },
              ],
              axes('bhid'),
            );
          },
        );
      }),
      settings,
    );
  });

  test('convolution by patches', () => {
    const problem = fc.record({
      c: size,
      o: size,
      h: size,
      w: size,
      kernel: fc.integer({ min: 2, max: 3 }),
      seed,
    });
    fc.assert(
      fc.property(problem, ({ c, o, h, w, kernel, seed }) => {
        expectSame(
          { x: [2, c, h * kernel, w * kernel], f: [o, c, kernel, kernel] },
          seed,
          (b, ids) => b.add('conv2d', ids, { stride: kernel, padding: 0, groups: 1, dilation: 1 }),
          (b, [x, f]) => {
            const attrs = { stride: kernel, padding: 0, groups: 1, dilation: 1 };
            const grid = patchGrid(b.type(x!).shape, b.type(f!).shape, attrs)!;
            return patchConvolution(b, x!, f!, grid);
          },
        );
      }),
      settings,
    );
  });

  test('avg_pool', () => {
    fc.assert(
      fc.property(size, size, fc.integer({ min: 1, max: 3 }), seed, (h, w, kernel, seed) => {
        expectSame(
          { x: [2, 3, h * kernel, w * kernel] },
          seed,
          (b, ids) => b.add('avg_pool', ids, { kernel }),
          (b, [x]) => {
            const windows = b.add('reshape', [x!], { shape: [2, 3, h, kernel, w, kernel] });
            return b.add('mean', [windows], { axes: [3, 5], keep: false });
          },
        );
      }),
      settings,
    );
  });
});

describe('single facts', () => {
  test('sums of i32, running ones too, wrap around as on the device', () => {
    const x = { shape: [3], data: Float64Array.of(2 ** 31 - 1, 1, 5) };
    const wrapped = -(2 ** 31);
    const sum = ops.sum.reference([x], { axes: [0], keep: false }, [], 'i32');
    expect([...sum.data]).toEqual([wrapped + 5]);
    const running = ops.cumsum.reference([x], { axis: 0, reverse: false }, [3], 'i32');
    expect([...running.data]).toEqual([2 ** 31 - 1, wrapped, wrapped + 5]);
  });

  const tensor = (shape: number[], data: number[]): RefTensor => ({ shape, data: Float64Array.from(data) });
  const scalars = [1000, -1000, 0];

  test('argmax takes the first of equal values', () => {
    const x = tensor([2, 3], [1, 7, 7, 5, 5, 2]);
    expect([...ops.argmax.reference([x], { axis: 1 }, [2]).data]).toEqual([1, 0]);
    expect([...ops.argmax.reference([x], { axis: 0 }, [3]).data]).toEqual([1, 0, 0]);
  });

  test('mask_future lets query i see the keys up to i + (S - T)', () => {
    const x = tensor([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...ops.mask_future.reference([x], {}, [2, 4]).data]).toEqual([1, 2, 3, masked, 5, 6, 7, 8]);
  });

  test('softmax and log_softmax do not overflow', () => {
    const x = tensor([3], scalars);
    expect([...ops.softmax.reference([x], {}, [3]).data]).toEqual([1, 0, 0]);
    expect([...ops.log_softmax.reference([x], {}, [3]).data]).toEqual([0, -2000, -1000]);
  });

  test('a cast to integers truncates', () => {
    const x = tensor([3], [1.9, -1.9, 0.5]);
    expect([...ops.cast.reference([x], { to: 'i32' }, [3]).data]).toEqual([1, -1, 0]);
  });

  test('indices outside their axis are refused', () => {
    const table = tensor([2, 2], [1, 2, 3, 4]);
    expect(() => ops.embedding.reference([table, tensor([1], [2])], {}, [1, 2])).toThrow(
      'id 2 is outside a table of 2 rows',
    );
    expect(() => ops.take.reference([table, tensor([2], [0, -1])], { axis: 1 }, [2])).toThrow(
      'index -1 is outside an axis of 2',
    );
  });
});

describe('costs', () => {
  const f32 = (...shape: number[]) => ({ dtype: 'f32', shape }) as const;

  test('a product counts two operations for each of M N K', () => {
    const attrs = { transposeA: false, transposeB: true };
    const cost = ops.matmul.cost([f32(8, 50, 768), f32(3072, 768)], attrs, f32(8, 50, 3072));
    expect(cost).toEqual({
      flops: 2 * 400 * 768 * 3072,
      bytes: 4 * (400 * 768 + 3072 * 768 + 400 * 3072),
    });
  });

  test('a convolution counts its windows, views nothing, a lookup only the rows it reads', () => {
    const image = [f32(1, 3, 224, 224), f32(768, 3, 32, 32)] as const;
    const { flops } = ops.conv2d.cost(
      image,
      { stride: 32, padding: 0, groups: 1, dilation: 1 },
      f32(1, 768, 7, 7),
    );
    expect(flops).toBe(2 * 768 * 49 * 3 * 32 * 32);
    expect(ops.reshape.cost([f32(6)], { shape: [2, 3] }, f32(2, 3))).toEqual({ flops: 0, bytes: 0 });
    const ids = { dtype: 'i32', shape: [8, 77] } as const;
    expect(ops.embedding.cost([f32(49408, 512), ids], {}, f32(8, 77, 512)).bytes).toBe(
      8 * 77 * (2 * 512 * 4 + 4),
    );
  });

  test('a causal mask halves attention', () => {
    const inputs = [f32(1, 1, 100, 64), f32(1, 1, 100, 64), f32(1, 1, 100, 64)] as const;
    const cost = (causal: boolean) => ops.attention.cost(inputs, { causal, scale: 1 }, inputs[0]).flops;
    expect(cost(true) / cost(false)).toBeCloseTo(0.505, 6);
  });
});
