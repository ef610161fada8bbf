/**
 * The report of a run while it trains: `summary.json`, what only the process that trains knows, when it begins and ends;
 * `report.html` at every checkpoint and at the end.
 */
import { join } from 'node:path';
import { writeText } from '../../data/files/atomic.ts';
import type { RunEnd, RunLog, RunStart, Showing } from '../../train/node/log.ts';
import type { MetricsRow } from '../../train/types.ts';
import type { Curves } from '../curves.ts';
import type { Start, Summary } from '../types.ts';
import { readCurves, readSummary, summaryName } from './read-run.ts';
import { reportName, writeReport } from './write.ts';

/** What of a run is known before it begins; `trained` says how much of each part is. */
export type RunFacts = Pick<Summary, 'recipe' | 'model' | 'batch' | 'parameters' | 'entries'> & {
  readonly environment: Start['environment'];
  /** @param trained whether a weight is, by its name */
  towers(trained: (name: string) => boolean): Summary['towers'];
};

function startOf({ start, end, plan }: RunStart, environment: Start['environment']): Start {
  const about =
    plan === undefined
      ? undefined
      : {
          kernels: plan.pipelines.length,
          dispatches: plan.steps.length,
          flops: plan.flops,
          memory: { ...plan.memory },
        };
  const at = new Date().toISOString();
  return { step: start, end, at, environment, ...(about === undefined ? {} : { plan: about }) };
}

class ReportLog implements RunLog {
  readonly #out: string;
  readonly #curves: Curves;
  #summary: Summary;

  constructor(out: string, curves: Curves, summary: Summary) {
    this.#out = out;
    this.#curves = curves;
    this.#summary = summary;
  }

  row(row: MetricsRow): void {
    this.#curves.add(row);
  }

  saved(): Promise<void> {
    return this.#write();
  }

  async ended({ steps, stopped }: RunEnd): Promise<void> {
    this.#summary = { ...this.#summary, ended: { steps, stopped, at: new Date().toISOString() } };
    await this.writeSummary();
    await this.#write();
  }

  async close(): Promise<void> {}

  writeSummary(): Promise<void> {
    return writeText(join(this.#out, summaryName), `${JSON.stringify(this.#summary, null, 2)}\n`);
  }

  #write(): Promise<void> {
    return writeReport(join(this.#out, reportName), [this.#out], this.#curves);
  }
}

/** @param facts asked when the run begins: of several ranks one has a report */
export function reportLog(facts: () => RunFacts): Showing {
  return {
    name: reportName,
    open: async (start) => {
      const { out, compared, updates } = start;
      const { environment, towers: towersOf, ...rest } = facts();
      const trained = new Set(updates.trainable);
      const towers = towersOf((name) => trained.has(name));
      // Starts of steps that a kill took back did not happen.
      const before = start.start === 0 ? [] : ((await readSummary(out))?.starts ?? []);
      const summary: Summary = {
        version: 1,
        ...rest,
        towers,
        trained: towers.reduce((sum, tower) => sum + tower.trained, 0),
        settings: { ...compared, steps: start.end },
        starts: [...before.filter(({ step }) => step < start.start), startOf(start, environment)],
      };
      // Rows of this process's steps are not in the file yet.
      const log = new ReportLog(out, await readCurves(out), summary);
      await log.writeSummary();
      return log;
    },
  };
}
