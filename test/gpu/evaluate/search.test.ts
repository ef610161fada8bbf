/** Products of an index that a device takes block by block, beside those of the host. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeNpy } from '../../../runtime/data/files/npy.ts';
import { hostBlocks, type Visit } from '../../../runtime/eval/metrics/blocks.ts';
import { normalizeRows } from '../../../runtime/eval/zeroshot.ts';
import { onDevice } from '../../../zoo/search/exact.ts';
import { IndexRows } from '../../../zoo/search/index-rows.ts';
import { noise } from '../../support/models/training-models.ts';
import { device as openDevice } from '../support/compiled.ts';

const device = await openDevice();
const folder = mkdtempSync(join(tmpdir(), 'zooc-search-'));
afterAll(() => rmSync(folder, { recursive: true }));

const width = 24;
const counts = [60, 71];
const rows = normalizeRows(noise(131 * width, 6), width);
const queries = { data: normalizeRows(noise(3 * width, 5), width), rows: 3, width };

async function table(visit: Visit): Promise<Float64Array> {
  const all = new Float64Array(3 * 131);
  await visit(({ scores, firstQuery, queries: asked, firstCandidate, candidates }) => {
    for (let q = 0; q < asked; q++)
      for (let c = 0; c < candidates; c++)
        all[(firstQuery + q) * 131 + firstCandidate + c] = scores[q * candidates + c]!;
  });
  return all;
}

describe.skipIf(device === undefined)('an index on the device', () => {
  it.each([131, 50])('has the cosines of the host in blocks of %d', async (most) => {
    let first = 0;
    for (const [file, count] of counts.entries()) {
      const part = rows.slice(first * width, (first + count) * width);
      writeFileSync(join(folder, `${file}.npy`), encodeNpy([count, width], part));
      writeFileSync(join(folder, `${file}.parquet`), '');
      first += count;
    }
    const index = await IndexRows.open(folder, width);
    const [found, exact] = [
      await table(onDevice(queries, index, device!, most)),
      await table(hostBlocks(queries.data, rows, width)),
    ];
    const worst = found.reduce((most, value, i) => Math.max(most, Math.abs(value - exact[i]!)), 0);
    // What the search allows for a sum of so many products in float32.
    expect(worst).toBeLessThan((width + 8) * 2 ** -24);
  });
});
