/**
 * A machine without any driver, by two runs of vitest in processes of their own: tests that need one are
 * skipped with a line that says so (others run by the text of their kernels), and are errors where ZOOC_REQUIRE_ADAPTER=1.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

function runWithoutDrivers(files: readonly string[], required: '' | '1') {
  const empty = mkdtempSync(join(tmpdir(), 'zooc-no-driver-'));
  const none = join(empty, 'none.json');
  // The newer driver is looked for in the user's cache, the system's by the Vulkan loader.
  const drivers = { XDG_CACHE_HOME: empty, VK_ICD_FILENAMES: none, VK_DRIVER_FILES: none };
  const run = spawnSync(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...files], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...drivers, ZOOC_REQUIRE_ADAPTER: required, NO_COLOR: '1' },
  });
  rmSync(empty, { recursive: true });
  return { code: run.status, text: run.stdout + run.stderr };
}

// Other systems have drivers of their own, which no variable hides.
describe.skipIf(process.platform !== 'linux')('a machine without drivers', () => {
  const files = [
    'test/gpu/kernels/products/contract.test.ts',
    'test/gpu/kernels/rows/reduce.test.ts',
    'test/gpu/kernels/products/matrix.test.ts',
  ];

  it('skips the tests that need one, and says so', () => {
    const { code, text } = runWithoutDrivers(files, '');
    expect(text).toMatch(/no WebGPU adapter.*: the tests that need it are skipped/);
    expect(text).toMatch(/no driver with subgroup matrices .*: the tests that need it are skipped/);
    expect(text).toMatch(/Tests .*\d+ skipped/);
    expect(code).toBe(0);
  });

  it('is an error where the adapter is required', () => {
    const { code, text } = runWithoutDrivers(files, '1');
    for (const file of files) expect(text).toMatch(new RegExp(`FAIL.* ${file}`));
    expect(text).toMatch(/no WebGPU adapter.*, and ZOOC_REQUIRE_ADAPTER=1 lets no test be skipped/);
    expect(text).toMatch(/no driver with subgroup matrices .*, and ZOOC_REQUIRE_ADAPTER=1 lets no test be/);
    expect(code).toBe(1);
  });
});
