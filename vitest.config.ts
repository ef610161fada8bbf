/**
 * The suite that needs nothing but the repository, one project for each folder of `test/`; vitest.shared.config.ts has the
 * tests of reference data beside it.
 *
 * A limit is there to end what hangs. It is above twice what the slowest test of its kind takes with empty shader
 * caches on two cores, since software adapters compile for seconds and the machine may be busy.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import type { Plugin } from 'vite';
import { defineConfig, type TestProjectInlineConfiguration, type TestUserConfig } from 'vitest/config';
import { libTexts } from './scripts/bundle.ts';
import { required } from './test/support/needs.ts';
import { NoSkips } from './test/support/no-skips.ts';
import { browserFlags } from './test/support/page.ts';
import { browser } from './test/support/reports/browser.ts';

/** Seconds that one test or hook may take, by folder. */
const limits = {
  unit: 60,
  errors: 20,
  numeric: 60,
  gpu: 300,
  golden: 300,
  e2e: 300,
  fuzz: 400,
  faults: 400,
  words: 60,
  docs: 400,
} as const;

const withoutIsolation: readonly string[] = ['errors', 'numeric'];

export function limit(seconds: number): TestUserConfig {
  return { testTimeout: seconds * 1000, hookTimeout: seconds * 1000 };
}

export const common: TestUserConfig = {
  pool: 'forks',
  // Two cores and at most one software GPU.
  maxWorkers: 2,
  // Pages on a busy machine; what is waited for is a fact, not a time.
  expect: { poll: { timeout: 60_000 } },
  reporters: required ? ['default', new NoSkips()] : ['default'],
  // Schedules that somebody tuned on this machine must not decide what tests see.
  env: { ZOOC_CACHE: join(tmpdir(), 'zooc-tests-without-cache') },
};

/** What pages have in place of files: the bundled packages as texts, and golden data from this run's server. */
const pageSources: Plugin = {
  name: 'page-sources',
  enforce: 'pre',
  resolveId(id, importer) {
    if (id === 'zooc:lib') return '\0zooc:lib';
    return id === './source.ts' && importer?.endsWith('/support/golden/golden.ts')
      ? fileURLToPath(new URL('test/browser/source.ts', import.meta.url))
      : null;
  },
  load: (id) => (id === '\0zooc:lib' ? libTexts() : null),
};

/** Tests that run inside of a browser with WebGPU. */
function inBrowser(executablePath: string): TestProjectInlineConfiguration {
  const provider = playwright({ launchOptions: { executablePath, args: [...browserFlags] } });
  return {
    extends: true,
    plugins: [pageSources],
    test: {
      name: 'browser',
      include: ['test/browser/**/*.test.ts'],
      ...limit(300),
      browser: {
        enabled: true,
        headless: true,
        provider,
        instances: [{ browser: 'chromium' }],
        screenshotFailures: false,
      },
    },
  };
}

export default defineConfig({
  test: {
    ...common,
    projects: [
      ...Object.entries(limits).map(([name, seconds]) => ({
        extends: true as const,
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          ...limit(seconds),
          // Modules of the compiler take longer to load than most of these tests; none of them changes what modules hold.
          isolate: !withoutIsolation.includes(name),
          ...(name === 'e2e' ? { globalSetup: 'test/support/built-command.ts' } : {}),
        },
      })),
      ...(browser === undefined ? [] : [inBrowser(browser)]),
    ],
  },
});
