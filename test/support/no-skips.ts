/** A reporter that fails a run in which a test was skipped and names it. Used where ZOOC_REQUIRE_ADAPTER=1 (needs.ts). */
import type { Reporter, TestModule } from 'vitest/node';

export class NoSkips implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((m) =>
      [...m.children.allTests('skipped')].map((t) => `  ${m.relativeModuleId} > ${t.fullName}`),
    );
    if (skipped.length === 0) return;
    console.error(`ZOOC_REQUIRE_ADAPTER=1 lets no test be skipped, but these were:\n${skipped.join('\n')}`);
    process.exitCode = 1;
  }
}
