/**
 * One case on the adapter in a process of its own, since a device that has run out of memory, or was lost, is no good for the next:
 * `case.js NAME PRECISION RUNS MEMORY TINY` prints a `CaseResult`. MEMORY: bytes that the plan may take, 0 where nobody knows.
 */
import type { Precision } from '../../compiler/compile.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { openGpu } from '../../runtime/node/gpu.ts';
import { type BenchResult, planCase, runCase } from '../../zoo/bench/cases.ts';
import { nodeHost } from '../../zoo/host.ts';
import { casesFor, type DayCase } from './cases.ts';

export interface CaseResult extends BenchResult {
  readonly precision: Precision;
  readonly batch: number;
  /** Batches that did not fit, with what was said. */
  readonly refused: readonly string[];
}

/** Whether a smaller batch may help: too little memory, a binding too large, a device lost under the load. */
function isTooLarge(error: unknown): boolean {
  return error instanceof DiagnosticError && /^Z60[356]$/.test(error.diagnostics[0]?.code ?? '');
}

async function attempt(
  test: DayCase,
  precision: Precision,
  runs: number,
  memory: number,
): Promise<BenchResult> {
  const { device } = await openGpu();
  try {
    const need = planCase(nodeHost(), test, device.profile, precision).memory.total;
    if (memory > 0 && need > memory)
      throw new TooLarge(`its plan takes ${gibibytes(need)} of ${gibibytes(memory)}`);
    return await runCase(nodeHost(), device, test, { runs, precision });
  } finally {
    device.close();
  }
}

class TooLarge extends Error {}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

async function main([name, precision, runs, memory, tiny]: readonly string[]): Promise<CaseResult> {
  const test = casesFor(tiny === 'tiny').find((c) => c.name === name)!;
  const refused: string[] = [];
  for (let { batch } = test; ; batch /= 2) {
    try {
      const result = await attempt({ ...test, batch }, precision as Precision, Number(runs), Number(memory));
      return { ...result, precision: precision as Precision, batch, refused };
    } catch (error) {
      if (batch <= test.least || !(error instanceof TooLarge || isTooLarge(error))) throw error;
      refused.push(`batch ${batch}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
}

console.log(JSON.stringify(await main(process.argv.slice(2))));
