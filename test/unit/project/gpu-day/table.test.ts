/** The table of a day with a GPU, of a whole one and of one that was cut short. */
import { describe, expect, it } from 'vitest';
import type { CaseResult } from '../../../../bench/gpu/case.ts';
import { type Day, printDay, type TorchRow } from '../../../../bench/gpu/table.ts';

const result: CaseResult = {
  name: 'vit-b32-train',
  precision: 'mixed',
  batch: 64,
  refused: ['batch 128: the device has not enough memory'],
  median: 0.05,
  fastest: 0.04,
  runs: 10,
  gflop: 2843,
  gflops: 50_000,
  dispatches: 1,
  submits: 1,
  pipelines: 1,
  peakMemory: 1,
  lowerBound: 1,
  compileSeconds: 1,
  openSeconds: 1,
  hostSeconds: 1,
};

const row = (mode: TorchRow['mode'], compiled: boolean, seconds: number, batch = 64): TorchRow => ({
  name: 'vit-b32-train',
  mode,
  compiled,
  batch,
  seconds,
});

const day: Day = {
  adapter: 'NVIDIA GeForce RTX 4090',
  driver: 'driver 1',
  date: '2026-12-01',
  stages: [{ name: 'devices', seconds: 1 }],
  cases: [],
};

describe('the table of the day', () => {
  it('sets zooc beside estimate, ceiling and PyTorch’s fastest of the same precision and batch', () => {
    const text = printDay({
      ...day,
      ceilings: { copy: 900, products: [{ m: 512, n: 512, k: 512, precision: 'mixed', gflops: 100_000 }] },
      cases: [result, { ...result, precision: 'f32' }],
      torch: {
        about: '2.13',
        rows: [
          row('bf16', false, 0.04),
          row('f16', false, 0.025),
          row('f16', true, 0.02),
          row('f32', false, 0.1, 32),
        ],
      },
    });
    expect(text).toContain(
      '| vit-b32-train, batch 64 | mixed | 50.0 | 46.7 | 50.0 | 50 % | 25.0 (f16) | 2.00 | 20.0 (f16) | 2.50 |',
    );
    expect(text).toContain('| vit-b32-train, batch 64 | f32 | 50.0 | 109 | 50.0 |  |  |  |  |  |');
    expect(text).toContain('- vit-b32-train mixed: batch 128: the device has not enough memory');
    expect(text).toContain('| copy | 900 GB/s |');
  });

  it('keeps tf32 apart from f32, which it is not', () => {
    const torch = { about: '2.13', rows: [row('tf32', false, 0.025)] };
    const text = printDay({ ...day, cases: [{ ...result, precision: 'f32' }], torch });
    expect(text).toContain('| vit-b32-train, batch 64 | f32 | 50.0 | 109 | 50.0 |  |  |  |  |  |');
    expect(text).toContain('| vit-b32-train, batch 64 | eager | 25.0 | 2.00 |');
  });

  it('names parts of the self-test that came to an end, and what was wrong', () => {
    const text = printDay({ ...day, selftest: { contract: true, attention: false } });
    expect(text).toContain('Self-test: contract passed, attention WRONG.');
  });

  it('says what failed, in zooc and in PyTorch', () => {
    const failed: TorchRow = {
      name: 'vit-b32-train',
      mode: 'bf16',
      compiled: true,
      batch: 64,
      error: 'no compiler',
    };
    const text = printDay({
      ...day,
      stages: [{ name: 'selftest', seconds: 2, failure: 'ended after 2 s' }],
      torch: { about: '2.13', rows: [failed] },
    });
    expect(text).toContain('| selftest | 2 | ended after 2 s |');
    expect(text).toContain('- PyTorch, vit-b32-train bf16 compiled: no compiler');
  });

  it('is whole with nothing but an adapter', () => {
    expect(printDay(day)).toContain('# NVIDIA GeForce RTX 4090');
    expect(printDay(day)).not.toContain('undefined');
  });
});
