import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Two cores and at most one software GPU: a few workers at a time, and patience for shader compilation.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // Schedules that somebody tuned on this machine must not decide what tests see.
    env: { ZOOC_CACHE: join(tmpdir(), 'zooc-tests-without-cache') },
  },
});
