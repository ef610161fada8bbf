/**
 * Properties over random programs (fixed seeds): chains of ops differentiate correctly, einsum means its
 * loop, a fused chain means its nodes, and gradients of products hold for any batch.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Builder } from '../../compiler/graph/builder.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { type EinsumOperand, einsum } from '../../compiler/graph/einsum.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { denseStrides, numericShape, sizeOf } from '../../compiler/graph/types.ts';
import { verify } from '../../compiler/graph/verify.ts';
import { binaryMapOps } from '../../compiler/ops/binary.ts';
import { isBinary, isUnary, type MapInstruction, type MapProgram } from '../../compiler/ops/map-program.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { ternaryMapOps } from '../../compiler/ops/ternary.ts';
import { unaryMapOps } from '../../compiler/ops/unary.ts';
import { expectGradients, randomTensor, weight } from '../support/ops/differences.ts';
import { randomNumbers } from '../support/random.ts';

const settings = { seed: 20260128, numRuns: 60 };

/** Runs a graph of one output on weights. */
function evaluate(b: Builder, node: number, params: ReadonlyMap<string, RefTensor>): RefTensor {
  const graph = verify(b.finish([{ name: 'y', node }]));
  return executeReference(graph, { inputs: new Map(), params }).get('y')!;
}

function expectClose(found: RefTensor, wanted: RefTensor): void {
  expect(found.shape).toEqual(wanted.shape);
  // Sums of at most some hundred f64 products in another order.
  for (const [i, v] of wanted.data.entries())
    if (!Object.is(found.data[i], v))
      expect(Math.abs(found.data[i]! - v)).toBeLessThan(1e-12 * (1 + Math.abs(v)));
}

describe('random graphs', () => {
  /** One step: picks from the values so far by number and appends another. Every step keeps rank 2. */
  type Step = (b: Builder, pick: (n: number) => number) => number;
  const two = (b: Builder, x: number) => numericShape(b.type(x)) as [number, number];
  const choice = fc.nat(1000);
  const smooth = fc.constantFrom('tanh', 'sigmoid', 'erf' as const);
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.tuple(smooth, choice).map(
      ([op, n]): Step =>
        (b, pick) =>
          b.add<'tanh' | 'sigmoid' | 'erf'>(op, [pick(n)], {}),
    ),
    fc.tuple(fc.constantFrom('add' as const, 'sub' as const, 'mul' as const), choice, choice).map(
      ([op, m, n]): Step =>
        (b, pick) => {
          const [x, y] = [pick(m), pick(n)];
          const [p, q] = [two(b, x), two(b, y)];
          const fits = p.every((d, i) => d === q[i] || d === 1 || q[i] === 1);
          const other = fits ? y : b.add('mean', [y], { axes: [0, 1], keep: true });
          return b.add<'add' | 'sub' | 'mul'>(op, [x, other], {});
        },
    ),
    fc.tuple(choice, choice).map(
      ([m, n]): Step =>
        (b, pick) => {
          const [x, y] = [pick(m), pick(n)];
          const [p, q] = [two(b, x), two(b, y)];
          if (p[1] === q[0]) return b.add('matmul', [x, y], { transposeA: false, transposeB: false });
          if (p[1] === q[1]) return b.add('matmul', [x, y], { transposeA: false, transposeB: true });
          return b.add('matmul', [x, x], { transposeA: true, transposeB: false });
        },
    ),
    choice.map(
      (n): Step =>
        (b, pick) =>
          b.add('softmax', [pick(n)], {}),
    ),
    choice.map(
      (n): Step =>
        (b, pick) =>
          b.add('transpose', [pick(n)], { perm: [1, 0] }),
    ),
    choice.map(
      (n): Step =>
        (b, pick) =>
          b.add('sum', [pick(n)], { axes: [n % 2], keep: true }),
    ),
    choice.map(
      (n): Step =>
        (b, pick) => {
          const x = pick(n);
          const [rows, columns] = two(b, x);
          return b.add('reshape', [x], { shape: [1, rows * columns] });
        },
    ),
    choice.map(
      (n): Step =>
        (b, pick) => {
          const x = pick(n);
          const [rows, columns] = two(b, x);
          return b.add('slice', [x], { starts: [0, n % columns], ends: [rows, columns] });
        },
    ),
    fc.tuple(choice, choice).map(
      ([m, n]): Step =>
        (b, pick) => {
          const [x, y] = [pick(m), pick(n)];
          const other = two(b, x)[0] === two(b, y)[0] ? y : x;
          return b.add('concat', [x, other], { axis: 1 });
        },
    ),
  );

  test('differentiate correctly', () => {
    const size = fc.integer({ min: 1, max: 4 });
    const program = fc.record({
      m: size,
      n: size,
      steps: fc.array(step, { minLength: 1, maxLength: 8 }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(program, ({ m, n, steps, seed }) => {
        const build = (b: Builder, weights: readonly number[]) => {
          const values = [...weights];
          for (const make of steps)
            values.push(make(b, (k) => values[values.length - 1 - (k % values.length)]!));
          // Bounded, so that long products do not leave the range where differences are exact.
          return b.add('tanh', [values.at(-1)!], {});
        };
        expectGradients({ weights: { x: [m, n], y: [n, m], z: [1, n] }, build }, seed);
      }),
      settings,
    );
  });
});

describe('einsum', () => {
  /** The definition: a loop over every axis. */
  function loop(
    operands: readonly { value: RefTensor; axes: readonly string[] }[],
    out: readonly string[],
  ): RefTensor {
    const sizes = new Map(
      operands.flatMap(({ value, axes }) => axes.map((a, i) => [a, value.shape[i]!] as const)),
    );
    const names = [...sizes.keys()];
    const shape = out.map((a) => sizes.get(a)!);
    const data = new Float64Array(sizeOf(shape));
    const whole = names.map((a) => sizes.get(a)!);
    const at = (axes: readonly string[], dims: readonly number[], index: readonly number[]) => {
      const strides = denseStrides(dims);
      return axes.reduce((sum, a, i) => sum + strides[i]! * index[names.indexOf(a)]!, 0);
    };
    for (let n = 0; n < sizeOf(whole); n++) {
      const index = denseStrides(whole).map((s, i) => Math.floor(n / s) % whole[i]!);
      const term = operands.reduce((p, { value, axes }) => p * value.data[at(axes, value.shape, index)]!, 1);
      data[at(out, shape, index)]! += term;
    }
    return { shape, data };
  }

  const axisNames = ['a', 'b', 'c', 'd', 'e', 'f'];
  const pattern = fc
    .record({
      sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 6, maxLength: 6 }),
      axes: fc.array(fc.shuffledSubarray(axisNames, { minLength: 0, maxLength: 4 }), {
        minLength: 1,
        maxLength: 4,
      }),
      order: fc.shuffledSubarray(axisNames, { minLength: 6 }),
      kept: fc.subarray(axisNames),
      seed: fc.nat(),
    })
    .map(({ sizes, axes, order, kept, seed }) => {
      const used = new Set(axes.flat());
      return {
        axes,
        out: order.filter((a) => used.has(a) && kept.includes(a)),
        sizeOfAxis: (a: string) => sizes[axisNames.indexOf(a)]!,
        seed,
      };
    });

  test('means its loop', () => {
    fc.assert(
      fc.property(pattern, ({ axes, out, sizeOfAxis, seed }) => {
        const random = randomNumbers(seed);
        const values = axes.map((names) => randomTensor(names.map(sizeOfAxis), random));
        const b = createBuilder();
        const operands = axes.map(
          (names, i): EinsumOperand => ({ node: weight(b, `w${i}`, values[i]!.shape), axes: names }),
        );
        const found = evaluate(b, einsum(b, operands, out), new Map(values.map((v, i) => [`w${i}`, v])));
        expectClose(
          found,
          loop(
            axes.map((names, i) => ({ value: values[i]!, axes: names })),
            out,
          ),
        );
      }),
      { ...settings, numRuns: 400 },
    );
  });
});

describe('a fused chain', () => {
  const instruction = fc.oneof(
    fc.record({ op: fc.constantFrom(...unaryMapOps), first: fc.nat(), second: fc.nat() }),
    fc.record({
      op: fc.constantFrom(...binaryMapOps, ...ternaryMapOps),
      first: fc.nat(),
      second: fc.nat(),
    }),
    fc.record({ op: fc.constant('constant' as const), value: fc.integer({ min: -8, max: 8 }) }),
  );
  const shapes = [[2, 1, 3], [4, 1], [3]];

  function programOf(
    steps: readonly (typeof instruction extends fc.Arbitrary<infer T> ? T : never)[],
  ): MapProgram {
    const instructions = steps.map((s, at): MapInstruction => {
      if (s.op === 'constant') return { op: s.op, args: [], value: s.value / 4 };
      const values = shapes.length + at;
      const args = [s.first, s.second, s.first + s.second].map((n) => n % values);
      if (isUnary(s.op)) args.length = 1;
      else if (isBinary(s.op)) args.length = 2;
      return { op: s.op, args };
    });
    return { inputs: shapes.length, instructions };
  }

  /** The same chain as separate nodes. */
  function unfused(b: Builder, program: MapProgram, inputs: readonly number[]): number {
    const values = [...inputs];
    for (const step of program.instructions) {
      const args = step.args.map((a) => values[a]!);
      if (step.op === 'constant')
        values.push(b.add('constant', [], { value: step.value, dtype: 'f32', shape: [] }));
      else values.push(b.add(step.op, args, {}));
    }
    const whole = b.add('constant', [], { value: 0, dtype: 'f32', shape: [2, 4, 3] });
    return b.add('add', [values.at(-1)!, whole], {});
  }

  const run = fc.record({ steps: fc.array(instruction, { minLength: 1, maxLength: 10 }), seed: fc.nat() });

  test('as a node and as an epilogue means its nodes', () => {
    fc.assert(
      fc.property(run, ({ steps, seed }) => {
        const random = randomNumbers(seed);
        const program = programOf(steps);
        const params = new Map(shapes.map((s, i) => [`w${i}`, randomTensor(s, random, 0.1, 2)]));
        params.set('m', randomTensor([2, 4, 3], random, 0.1, 2));
        params.set('identity', { shape: [3, 3], data: Float64Array.from([1, 0, 0, 0, 1, 0, 0, 0, 1]) });
        const b = createBuilder();
        const w = shapes.map((s, i) => weight(b, `w${i}`, s));
        const zero = b.add('constant', [], { value: 0, dtype: 'f32', shape: [] });
        const fused = b.add('map', w, { program, shape: [2, 4, 3] });
        const wanted = evaluate(b, unfused(b, program, w), params);
        expectClose(evaluate(b, b.add('add', [fused, zero], {}), params), wanted);

        const product = [weight(b, 'm', [2, 4, 3]), weight(b, 'identity', [3, 3])];
        const attrs = { transposeA: false, transposeB: true };
        const direct = b.add('matmul', product, attrs);
        const epilogue = b.add('matmul', [...product, w[1]!, w[2]!], { ...attrs, epilogue: program });
        expectClose(
          evaluate(b, b.add('add', [epilogue, zero], {}), params),
          evaluate(b, unfused(b, program, [direct, w[1]!, w[2]!]), params),
        );
      }),
      settings,
    );
  });
});

describe('products of any batch', () => {
  const size = fc.integer({ min: 1, max: 3 });
  const shapes = fc.record({
    batch: fc.array(fc.tuple(size, fc.constantFrom('both', 'a', 'b', 'one')), { maxLength: 2 }),
    dims: fc.tuple(size, fc.constantFrom(1, 7), size),
    transposeA: fc.boolean(),
    transposeB: fc.boolean(),
    matrix: fc.constantFrom('a', 'b', 'neither'),
    seed: fc.nat(),
  });

  test('have the gradients of their definition', () => {
    fc.assert(
      fc.property(shapes, ({ batch, dims: [m, k, n], transposeA, transposeB, matrix, seed }) => {
        const axes = (side: 'a' | 'b') =>
          matrix === side ? [] : batch.map(([d, who]) => (who === 'both' || who === side ? d : 1));
        const a = [...axes('a'), ...(transposeA ? [k, m] : [m, k])];
        const c = [...axes('b'), ...(transposeB ? [n, k] : [k, n])];
        expectGradients(
          { weights: { a, c }, build: (b, w) => b.add('matmul', w, { transposeA, transposeB }) },
          seed,
        );
      }),
      settings,
    );
  });
});
