/** What training shows of its progress. */
import { describe, expect, it } from 'vitest';
import { formatDuration, showProgress } from '../../../runtime/train/node/progress.ts';

describe('progress', () => {
  it('prints a line at the end where there is no terminal', async () => {
    const written: string[] = [];
    const stream = { isTTY: false, write: (text: string) => written.push(text) };
    const progress = showProgress(0, 2, stream as unknown as NodeJS.WriteStream);
    const row = { lr: 1, logit_scale: 0, grad_norm: 1, data_wait_ms: 0, skipped: 0, epoch: 0 };
    progress.row({ step: 0, loss: 2, samples_per_second: 10, ...row });
    progress.row({ step: 1, loss: 1.5, samples_per_second: 1234.5, ...row });
    await progress.close();
    expect(written).toEqual(['step 2/2  loss 1.5000  1.23e+3 pairs/s  0:00 left\n']);
  });

  it.each([
    [0, '0:00'],
    [75, '1:15'],
    [4000, '1:06:40'],
  ])('shows %i s as %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});
