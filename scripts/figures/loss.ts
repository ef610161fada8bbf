/** The loss of the run of the tutorial `ten-minutes`, which is trained for it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { blocksOf } from '../../test/docs/blocks.ts';
import { chart } from './svg.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export function loss(): string {
  const folder = mkdtempSync(join(tmpdir(), 'zooc-figure-'));
  try {
    for (const { file, text } of blocksOf(readFileSync(join(root, 'docs/tutorial/ten-minutes.md'), 'utf8')))
      if (file !== undefined) writeFileSync(join(folder, file), text);
    const node = (...args: string[]) =>
      execFileSync(process.execPath, args, { cwd: folder, stdio: 'ignore' });
    node('shapes.mjs');
    const tsx = join(root, 'node_modules/tsx/dist/loader.mjs');
    node('--import', tsx, join(root, 'zoo/cli/main.ts'), 'train', 'shapes.zoo', '--out', 'run', '--quiet');
    const rows: { step: number; loss: number }[] = readFileSync(join(folder, 'run/metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    return chart(
      'The loss of the tutorial’s run over 200 steps, beside the loss of guessing',
      { label: 'step', max: rows.length, ticks: [0, 50, 100, 150, 200] },
      { label: 'loss', max: 5, ticks: [0, 1, 2, 3, 4, 5] },
      [
        { name: 'loss', colour: 'a', points: rows.map(({ step, loss }) => [step, loss] as const) },
        {
          name: 'guessing: ln 64',
          colour: 'soft',
          points: [
            [0, Math.log(64)],
            [rows.length, Math.log(64)],
          ],
        },
      ],
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
