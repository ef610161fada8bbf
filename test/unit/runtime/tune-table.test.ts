import { describe, expect, it } from 'vitest';
import type { TunedWork } from '../../../runtime/tune/tuner.ts';
import { tuneTable } from '../../../zoo/cli/verbs/tune.ts';

const product: TunedWork = {
  family: 'contract',
  key: '400x768x3072 a:k b:outer',
  count: 12,
  flops: 2e9,
  bytes: 1e7,
  id: 'r16x8x8',
  seconds: 0.1,
  defaultId: 'r8x8x8',
  defaultSeconds: 0.125,
  tried: 13,
  wrong: [],
};
const rows: TunedWork = {
  ...product,
  family: 'rows',
  key: 'softmax 64x1000.v',
  count: 1,
  id: 's8',
  defaultId: 's8',
  seconds: 0.005,
  defaultSeconds: 0.005,
};

describe('the table of a tuned model', () => {
  it('shows rates in the unit of the family, as shares of that ceiling, and what the default gave', () => {
    expect(tuneTable([product, rows], { gflops: 25, gigabytes: 4 })).toBe(
      [
        'kernel    shape                     used  schedule  rate           of ceiling  default   its rate  gain',
        'contract  400x768x3072 a:k b:outer   12×  r16x8x8   20.0  GFLOP/s        0.80  r8x8x8        16.0  25 %',
        'rows      softmax 64x1000.v           1×  s8         2.0  GB/s           0.50  the same       2.0   0 %',
      ].join('\n'),
    );
  });
});
