/** `zooc selftest` on the adapter at hand, and ZOOC_AVOID, which goes round what it finds. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import type { SelftestReport } from '../../zoo/selftest/types.ts';
import { device } from '../gpu/support/compiled.ts';
import { Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());
const on = await device();
const isSoftware = on?.profile.kind === 'cpu';

describe.skipIf(!on)('zooc selftest', () => {
  it('finds the adapter right, and writes a report for an issue', async () => {
    const args = ['selftest', '--quick', '--only', 'operations', 'rows', 'training', '--out', 'report.md'];
    const { code, stdout, stderr } = await workspace.call(args);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/\nall \d+ checks are within tolerance/),
    });
    expect(stdout).toContain(on!.profile.name);
    expect(stderr).toMatch(/^1 of \d+: operations \w+ … \w+, f32$/m);
    expect(stderr).toContain('wrote report.md');
    const report = readFileSync(workspace.path('report.md'), 'utf8');
    expect(report).toMatch(/^# zooc selftest: all \d+ checks are within tolerance$/m);
    for (const fact of ['driver', 'dawn', 'maxStorageBufferBindingSize', 'features that kernels may use'])
      expect(report).toMatch(new RegExp(`^\\| ${fact} \\| [^–]`, 'm'));
  });

  it('prints one JSON document, with what the adapter reaches', async () => {
    const { code, stdout } = await workspace.call(['selftest', '--quick', '--only', 'ceilings', '--json']);
    expect(code).toBe(0);
    const report: SelftestReport = JSON.parse(stdout);
    expect(report).toMatchObject({ version: 1, passed: true, checks: [], failures: [], avoid: [] });
    expect(report.ceilings!.copy).toBeGreaterThan(0);
    for (const { gflops } of report.ceilings!.products) expect(gflops).toBeGreaterThan(0);
  });

  it('refuses a part that does not exist', async () => {
    const { code, stdout, stderr } = await workspace.call(['selftest', '--only', 'everything']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('error[Z703]: everything is no part of the self-test');
    expect(stderr).toContain('operations, contract, attention, rows, models, training, ceilings');
  });
});

describe.skipIf(!on)('ZOOC_AVOID', () => {
  it('is refused for a schedule that the adapter does not have, with those that it has', async () => {
    for (const verb of [['devices'], ['selftest', '--only', 'rows']]) {
      const { code, stdout, stderr } = await workspace.call(verb, { ZOOC_AVOID: 'r7x7' });
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(`error[Z637]: ${on!.profile.name} has no schedule r7x7 that could be avoided`);
      expect(stderr).toMatch(/it has contract: /);
    }
  });

  it.runIf(isSoftware)('is shown by devices, and followed by every plan', async () => {
    const env = { ZOOC_AVOID: 's8, r16x8x8-down' };
    const shown = await workspace.call(['devices'], env);
    expect(shown.stdout).toContain('ZOOC_AVOID: goes without s8, r16x8x8-down');
    const listed = await workspace.call(['devices', '--json'], env);
    const used = JSON.parse(listed.stdout).find((adapter: { used: boolean }) => adapter.used);
    expect(used.avoid).toEqual(['s8', 'r16x8x8-down']);
    const { code, stdout } = await workspace.call(['selftest', '--quick', '--only', 'rows', '--json'], env);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ passed: true, avoid: ['s8', 'r16x8x8-down'] });
  });
});
