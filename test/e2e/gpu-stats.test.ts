/** `npm run gpu-stats -- --quick`: the kernels of a training step, compiled for a GPU that is not there. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prepare } from '../../bench/gpu-stats/mesa.ts';
import { skipFor } from '../support/needs.ts';

function find(): true | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'zooc-gpu-stats-'));
  const found = prepare(folder);
  rmSync(folder, { recursive: true });
  return found.ok ? true : skipFor(`gpu-stats did not run: ${found.reason}`);
}

describe.skipIf(find() === undefined)('gpu-stats', () => {
  it('finds kernels of a training step without spills, lone waits and fewer waves than recorded', () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'bench/gpu-stats/main.ts', '--quick'],
      { encoding: 'utf8' },
    );
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(stdout).toContain('## navi31');
    expect(stdout).toMatch(/\| mixed matmul_matrix_128x128 \| \d+ \| \d+ \| 0 \|/);
    expect(stderr).toMatch(/navi31: \d+ kernels of 1 plan in/);
  });
});
