/** The script of CI: broken, it fails before any test could say so. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

describe('.ci/run', () => {
  it('is a script that bash can read', () => {
    const { status, stderr } = spawnSync('bash', ['-n', '.ci/run'], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
