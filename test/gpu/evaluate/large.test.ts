/** What is large enough for the device, beside the same on the host in double precision. */
import { describe, expect, it } from 'vitest';
import { type Block, hostBlocks, type Visit } from '../../../runtime/eval/metrics/blocks.ts';
import { nearest } from '../../../runtime/eval/metrics/nearest.ts';
import { fitProbe } from '../../../runtime/eval/probe/fit.ts';
import { hostData, type Labelled } from '../../../runtime/eval/probe/objective.ts';
import { normalizeRows } from '../../../runtime/eval/zeroshot.ts';
import { NullDevice } from '../../../runtime/null/device.ts';
import { DeviceProbe, planProbe, probeBlocks } from '../../../zoo/evaluate/probe-data.ts';
import { DeviceSimilarities } from '../../../zoo/evaluate/similarities.ts';
import { noise } from '../../support/models/training-models.ts';
import { device as openDevice } from '../support/compiled.ts';

const device = await openDevice();

/** Rows around a centre for each class. */
function blobs(rows: number, width: number, classes: number): Labelled {
  const centres = noise(classes * width, 3);
  const spread = noise(rows * width, 4);
  const labels = Int32Array.from({ length: rows }, (_, row) => row % classes);
  const features = spread.map(
    (x, i) => 2 * x + centres[labels[Math.floor(i / width)]! * width + (i % width)]!,
  );
  return { features, width, labels };
}

describe.skipIf(device === undefined)('a linear probe', () => {
  it.each([
    [2, 1],
    [7, 1],
    [7, 3],
  ])('of %d classes in %d blocks has the optimum of the host', async (classes, blocks) => {
    const data = blobs(601, 24, classes);
    const most = Math.ceil(601 / blocks) * 24;
    expect(probeBlocks({ rows: 601, width: 24, classes }, most).blocks).toBe(blocks);
    const onDevice = await DeviceProbe.open(device!, data, classes, most);
    try {
      for (const C of [0.01, 1]) {
        const found = await fitProbe(onDevice, C);
        const exact = await fitProbe(hostData(data, classes), C);
        expect(found.converged).toBe(true);
        expect(Math.abs(found.objective / exact.objective - 1)).toBeLessThan(1e-6);
      }
    } finally {
      onDevice.close();
    }
  });
});

describe('a linear probe on any device', () => {
  it('of the size of ImageNet is planned within the usual limits of a device', () => {
    const sizes = { rows: 1_281_167, width: 768, classes: 1000 };
    const { blocks, rows } = probeBlocks(sizes);
    expect(blocks * rows).toBeGreaterThanOrEqual(sizes.rows);
    const plan = planProbe({ ...sizes, rows }, new NullDevice());
    // A gibibyte for a block, whatever the number of rows.
    expect(plan.memory.total).toBeLessThan(2 ** 30);
  });
});

describe.skipIf(device === undefined)('similarities', () => {
  const width = 24;
  const rows = (count: number, seed: number) => ({
    data: normalizeRows(noise(count * width, seed), width),
    rows: count,
    width,
  });
  const [queries, candidates] = [rows(37, 5), rows(131, 6)];

  it.each([
    [37, 131],
    [10, 131],
    [37, 50],
    [10, 50],
  ])('in blocks of %d queries and %d candidates are those of the host', async (q, c) => {
    const found = await DeviceSimilarities.open(device!, queries, candidates, { queries: q, candidates: c });
    try {
      const whole = async (visit: Visit) => {
        const table = new Float64Array(queries.rows * candidates.rows);
        await visit((block: Block) => {
          for (let i = 0; i < block.queries; i++)
            for (let j = 0; j < block.candidates; j++)
              table[(block.firstQuery + i) * candidates.rows + block.firstCandidate + j]! +=
                block.scores[i * block.candidates + j]!;
        });
        return table;
      };
      const exact = await whole(hostBlocks(queries.data, candidates.data, width));
      const own = await whole(found.visit);
      // Sums of 24 products of at most 1 in single precision.
      expect(Math.max(...own.map((x, i) => Math.abs(x - exact[i]!)))).toBeLessThan(1e-6);
      const five = (visit: Visit) => nearest(visit, queries.rows, 5);
      const indices = async (visit: Visit) =>
        (await five(visit)).map((list) => list.map(({ index }) => index));
      expect(await indices(found.visit)).toEqual(
        await indices(hostBlocks(queries.data, candidates.data, width)),
      );
    } finally {
      found.close();
    }
  });
});
