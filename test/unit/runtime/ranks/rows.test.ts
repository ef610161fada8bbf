/**
 * Ranks that each make their own rows of a batch: together they are the batch of one, also where pictures cannot be read
 * and the rows behind the batch run out.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BatchSource } from '../../../../runtime/data/types.ts';
import { countRepeated } from '../../../../runtime/dist/share.ts';
import { imagesOf, tokensOf } from '../../../support/training/batches.ts';
import { openPairs, plainPicture } from '../../../support/training/pair-source.ts';
import { staticCall } from '../../../support/training/static-call.ts';

const batch = 8;
let folder: string;

/** A table whose rows with a number in `gone` have no picture; every third text is the same. */
function table(name: string, rows: number, gone: (row: number) => boolean): string {
  const lines = Array.from({ length: rows }, (_, i) => {
    const picture = gone(i) ? `gone-${i}.png` : `pictures/${i % 20}.png`;
    return `${picture}\t${i % 3 === 0 ? 'the same' : `number ${i}`}`;
  });
  writeFileSync(join(folder, name), `filepath\ttitle\n${lines.join('\n')}\n`);
  return name;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-rows-'));
  mkdirSync(join(folder, 'pictures'));
  for (let i = 0; i < 20; i++)
    writeFileSync(join(folder, 'pictures', `${i}.png`), await plainPicture(10 * i + 5));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Seen {
  readonly images: readonly number[];
  readonly tokens: readonly number[];
  readonly skipped: number;
  readonly repeated: number | undefined;
}

async function take(
  source: BatchSource,
  batches: number,
): Promise<(Seen & { texts?: readonly Float64Array[] })[]> {
  const seen = [];
  for (let i = 0; i < batches; i++) {
    const { skipped, repeatedTexts, texts, ...made } = await source.next();
    const images = [...imagesOf({ ...made, skipped })];
    seen.push({
      images,
      tokens: [...tokensOf({ ...made, skipped })],
      skipped,
      repeated: repeatedTexts,
      ...(texts === undefined ? {} : { texts }),
    });
  }
  await source.close();
  return seen;
}

async function inParts(file: string, size: number, batches: number): Promise<Seen[]> {
  const parts = await Promise.all(
    Array.from({ length: size }, async (_, rank) => {
      const source = await openPairs(staticCall('csv', [file]), { folder, batch, share: { rank, size } });
      expect(source.shared).toBe(true);
      return take(source, batches);
    }),
  );
  return Array.from({ length: batches }, (_, i) => {
    const own = parts.map((part) => part[i]!);
    const digests = own.map(({ texts }) => [...texts![0]!]);
    return {
      images: own.flatMap(({ images }) => images),
      tokens: own.flatMap(({ tokens }) => tokens),
      skipped: own.reduce((sum, { skipped }) => sum + skipped, 0),
      repeated: countRepeated([Float64Array.from(digests.flat())]),
    };
  });
}

describe('rows of ranks', () => {
  it.each([
    ['all pictures there', 40, () => false],
    ['every fifth missing', 60, (row: number) => row % 5 === 0],
    ['missing in runs, few rows behind the batch', 19, (row: number) => row % 7 < 3],
    ['as many missing as rows are behind the batch', 13, (row: number) => row >= 2 && row < 7],
  ] as const)('with %s are those of one', async (name, rows, gone) => {
    const file = table(`${name.replaceAll(/\W/g, '-')}.tsv`, rows, gone);
    const batches = 2 * Math.floor(rows / batch);
    const whole = await take(await openPairs(staticCall('csv', [file]), { folder, batch }), batches);
    for (const size of [2, 4]) expect(await inParts(file, size, batches)).toEqual(whole);
    if (rows < 60) return;
    expect(whole.some(({ skipped }) => skipped > 0)).toBe(true);
  });
});
