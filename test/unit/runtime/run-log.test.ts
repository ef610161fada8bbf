/** What a run tells its logs, and that one which fails takes nothing but itself out of the run. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunLog } from '../../../runtime/train/node/log.ts';
import { FakeSession, fakeRun } from '../../support/training/fake-training.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-log-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function recorder(heard: string[]): RunLog {
  return {
    fed: (step, batch) => heard.push(`fed ${step} ${batch.inputs.size}`),
    row: ({ step }) => heard.push(`row ${step}`),
    flush: async () => void heard.push('flush'),
    saved: async (step, path) => void heard.push(`saved ${step} ${basename(path)}`),
    ended: async ({ steps, stopped }) => void heard.push(`ended ${steps} ${stopped}`),
    close: async () => void heard.push('close'),
  };
}

const run = (logs: Parameters<typeof fakeRun>[0]['logs'] & object, more: { steps?: number } = {}) => {
  const warnings: string[] = [];
  const out = join(folder, 'run');
  const settings = { out, steps: 3, every: 2, resume: true, session: new FakeSession(), warnings, logs };
  return fakeRun({ ...settings, ...more }).then(() => warnings);
};

describe('the logs of a run', () => {
  it('hear of batches, rows, checkpoints and the end, in order', async () => {
    const heard: string[] = [];
    await run([{ name: 'it', open: async () => recorder(heard) }]);
    const spoken = heard.filter((word) => !word.startsWith('fed'));
    expect(heard.filter((word) => word.startsWith('fed'))).toEqual(['fed 0 2', 'fed 1 2', 'fed 2 2']);
    expect(heard.indexOf('fed 0 2')).toBeLessThan(heard.indexOf('row 0'));
    expect(spoken).toEqual([
      ...['row 0', 'row 1', 'flush', 'saved 2 step-00000002.safetensors'],
      ...['row 2', 'flush', 'saved 3 step-00000003.safetensors'],
      ...['ended 3 false', 'close'],
    ]);
  });

  it('are told where a resumed run begins', async () => {
    const starts: string[] = [];
    const logs = [
      {
        name: 'it',
        open: async ({ start, end, schedule }: { start: number; end: number; schedule: { lr: number } }) => {
          starts.push(`${start} to ${end} at ${schedule.lr}`);
          return recorder([]);
        },
      },
    ];
    await run(logs);
    await run(logs, { steps: 5 });
    expect(starts).toEqual(['0 to 3 at 0.05', '3 to 5 at 0.05']);
  });

  it.each(['open', 'fed', 'row', 'flush', 'saved', 'ended', 'close'])(
    'lose one that fails in %s, with a warning, and go on',
    async (where) => {
      const heard: string[] = [];
      const refuse = () => {
        throw new Error('the disk is full');
      };
      const failing = {
        name: 'the events',
        open: async () => {
          if (where === 'open') refuse();
          return {
            ...recorder([]),
            ...(where === 'close' ? { close: async () => refuse() } : { [where]: refuse }),
          };
        },
      };
      const warnings = await run([failing, { name: 'it', open: async () => recorder(heard) }]);
      expect(heard.at(-1)).toBe('close');
      expect(heard).toContain('ended 3 false');
      expect(warnings.join('\n')).toContain(
        'warning[Z635]: the events is left out from here on: the disk is full',
      );
      expect(warnings).toHaveLength(1);
      const rows = readFileSync(join(folder, 'run', 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n');
      expect(rows).toHaveLength(3);
    },
  );
});
