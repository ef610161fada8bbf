/**
 * Every schedule of products: right against the f64 reference on awkward sizes, and the same bits as the
 * others; all on all sizes by the text of their kernels, and every schedule and every size once on the device.
 *
 * Sizes are drawn by a fixed generator: 1, primes, odd ones, around the edges of tiles; all transposes,
 * batched, with an epilogue. Some are larger than any tile, and one is cut into pieces of K on GPUs.
 * ZOOC_FUZZ raises their number.
 */
import { describe, expect, it } from 'vitest';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { contractTiles } from '../../../compiler/kernels/schedules/contract.ts';
import { deviceClass } from '../../../compiler/profile.ts';
import { intelProfile, lavapipeMatrixProfile, nvidiaProfile } from '../../../compiler/profiles-matrix.ts';
import type { Product } from '../../../runtime/selftest/cases.ts';
import { textDevice } from '../../support/wgsl/text-device.ts';
import { device } from '../support/compiled.ts';
import {
  byText,
  casesOf,
  classNames,
  expectAllRan,
  expectEachRan,
  onDevice,
  type Target,
  trySchedules,
} from '../support/every-schedule.ts';
import { products, productsGraph, tolerance } from '../support/products.ts';

const on = await device();

const chosen: Product[] = [
  // Larger than every tile in both directions, but by little; the left operand by rows, then by columns.
  { batch: 1, m: 131, n: 137, k: 19, transposeA: false, transposeB: false, batchedB: false },
  { batch: 1, m: 132, n: 260, k: 35, transposeA: true, transposeB: true, batchedB: false },
  // Two pieces of K on GPUs.
  { batch: 1, m: 20, n: 12, k: 262, transposeA: true, transposeB: false, batchedB: false },
  { batch: 3, m: 33, n: 17, k: 31, transposeA: true, transposeB: true, batchedB: true },
  // Columns in fours, as quads want them: sums of several parts with a rest, and a batch.
  { batch: 1, m: 53, n: 36, k: 150, transposeA: false, transposeB: false, batchedB: false },
  { batch: 2, m: 9, n: 20, k: 64, transposeA: true, transposeB: false, batchedB: true },
  { batch: 1, m: 1, n: 1, k: 1, transposeA: false, transposeB: false, batchedB: false },
];

/**
 * A padded, strided convolution in two groups, and its mean square; the gradients of both operands are
 * products as well.
 */
function convolutionGraph(): Graph {
  const b = createBuilder();
  const x = b.add('param', [], { name: 'x', shape: [2, 6, 9, 7], role: 'param' });
  const w = b.add('param', [], { name: 'w', shape: [10, 3, 3, 3], role: 'param' });
  const y = b.add('conv2d', [x, w], { stride: 2, padding: 1, groups: 2, dilation: 1 });
  const loss = b.add('mean', [b.add('mul', [y, y], {})], { axes: [0, 1, 2, 3], keep: false });
  return b.finish([{ name: 'loss', node: loss }]);
}

/**
 * Gradients of linear layers' inputs and weights with those of their biases: rows, columns, and samples, some of them more
 * than one piece of K, with and without a remainder, where they are made alone; and a layer before its activation and behind
 * it. Activations have three axes, so that mixed precision stores halves.
 */
function linearGradients(): Graph {
  const b = createBuilder();
  const outputs = [
    [20, 12, 131],
    [68, 5, 20],
    [132, 72, 19],
  ].flatMap(([m, n, k], i) => {
    const input = (name: string, width: number) =>
      b.add('input', [], { name: name + i, dtype: 'f32', shape: [2, k!, width] });
    const rows = (id: number, width: number) => b.add('reshape', [id], { shape: [2 * k!, width] });
    const dy = b.add('neg', [input('dy', m!)], {});
    const x = b.add('neg', [input('x', n!)], {});
    const operands = [rows(dy, m!), rows(x, n!)];
    const dw = b.add('matmul', operands, { transposeA: true, transposeB: false });
    const db = b.add('sum', [dy], { axes: [0, 1], keep: false });
    const weight = b.add('param', [], { name: `w${i}`, shape: [m!, n!], role: 'param' });
    const bias = b.add('param', [], { name: `b${i}`, shape: [m!], role: 'param' });
    const h = b.add('matmul', [b.add('neg', [input('z', n!)], {}), weight], {
      transposeA: false,
      transposeB: true,
    });
    const act = b.add('sigmoid', [b.add('add', [h, bias], {})], {});
    const softmax = (id: number) => b.add('softmax', [id], {});
    const dx = b.add('matmul', [dy, weight], { transposeA: false, transposeB: false });
    return [
      ...(i > 0 ? [{ name: `dx${i}`, node: dx }] : []),
      { name: `h${i}`, node: softmax(h) },
      { name: `act${i}`, node: softmax(act) },
      { name: `dw${i}`, node: dw },
      { name: `db${i}`, node: db },
    ];
  });
  return b.finish(outputs);
}

async function tryLinears(target: Target, precision?: 'mixed'): Promise<void> {
  const tallies = await trySchedules(target, 'contract', {
    graph: linearGradients(),
    // What is stored as halves may round to the neighbour of the reference's.
    tolerance: precision === 'mixed' ? 2 ** -10 : tolerance,
    ...(precision ? { precision } : {}),
  });
  // Tiles of f32 have no say where matrices take halves.
  const tiles = [...tallies].filter(([id]) => precision === undefined || id.endsWith('-f16'));
  expectEachRan(target, 'contract', new Map(tiles), 1);
}

const drawn = [...chosen, ...products(casesOf(500), 7)];

/** @param least pieces of work that each schedule ran on */
async function tryProducts(target: Target, least: number): Promise<void> {
  const tallies = await trySchedules(target, 'contract', { graph: productsGraph(drawn), tolerance });
  expectAllRan(target, 'contract', tallies, least);
  for (const [id, { unfit }] of tallies) {
    const tile = contractTiles[deviceClass(target.profile)].find((t) => t.id === id)!;
    // Only tiles that cannot read the left operand as vec4s along M are left out, of products that want that, and quads
    // where the right one is not read as vec4s along N.
    const vectors = tile.kind === 'registers' && tile.rate.column === undefined;
    const left = tile.kind === 'quads' ? /^(?!.* b:outer\.v)/ : vectors ? /a:outer\.v/ : /^$/;
    for (const key of unfit) expect(key, id).toMatch(left);
  }
}

describe('schedules of the contract family give what the reference gives, and one another’s bits', () => {
  for (const name of classNames) {
    it(`for products, ${name}, by their text`, () => tryProducts(byText(name), 4));

    it(`for convolutions and their gradients, ${name}, by their text`, async () => {
      const target = byText(name);
      // Sums of up to 400 terms behind sums of 27, relative to the largest of few values.
      const work = { graph: convolutionGraph(), gradients: ['x', 'w'], tolerance: 1e-5 };
      const tallies = await trySchedules(target, 'contract', work);
      // Forward, and the gradients of image and filters, by all tiles but quads.
      const ran = new Map([...tallies].filter(([id]) => !id.startsWith('q')));
      expect(ran.size).toBeGreaterThanOrEqual(4);
      expectEachRan(target, 'contract', ran, 3);
    });

    it.skipIf(!on)(`for products, ${name}, on the device`, () => tryProducts(onDevice(on!, name), 1));
  }

  for (const name of ['apple', 'staged'] as const) {
    it(`for linear layers and their gradients, ${name}, by their text`, () => tryLinears(byText(name)));

    it.skipIf(!on)(`for linear layers and their gradients, ${name}, on the device`, () =>
      tryLinears(onDevice(on!, name)),
    );
  }

  for (const profile of [nvidiaProfile, intelProfile, lavapipeMatrixProfile])
    it(`for linear layers and their gradients in halves, ${profile.name}, by their text`, () =>
      tryLinears({ on: textDevice(profile), profile, all: true }, 'mixed'));
});
