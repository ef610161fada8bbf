/**
 * What is told of a run while it goes on: `metrics.jsonl`, the line on a terminal, TensorBoard's events, the report.
 *
 * A run tells all of its logs the same things in the same order. `metrics.jsonl` belongs to the run: where it cannot
 * be written, the run ends. The others only show it; what one of them cannot do is said once, and the run goes on
 * without it. Of several ranks one has logs.
 */
import type { Plan } from '../../../compiler/plan/types.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import { reasonOf } from '../../data/files/atomic.ts';
import type { Batch } from '../../data/types.ts';
import type { RunSettings } from '../changes.ts';
import type { EvaluationResult } from '../evaluations.ts';
import type { Schedule } from '../schedule.ts';
import type { MetricsRow, UpdateSettings } from '../types.ts';

/** What is known of a run before its first step in this process. */
export interface RunStart {
  /** The run folder. */
  readonly out: string;
  /** The step that this process begins with, and the one that it ends before. */
  readonly start: number;
  readonly end: number;
  readonly schedule: Schedule;
  readonly updates: UpdateSettings;
  /** What the run is made of, as checkpoints are compared by. */
  readonly compared: RunSettings;
  /** Of one step on the device; absent on the reference. */
  readonly plan?: Plan;
}

export interface RunEnd {
  /** Steps done since the run's beginning. */
  readonly steps: number;
  /** A signal ended it before its time. */
  readonly stopped: boolean;
}

export interface RunLog {
  /** What a step is about to take; its arrays are used again behind the call. */
  fed?(step: number, batch: Batch): void;
  /** The numbers of a step, each step in order. */
  row?(row: MetricsRow): void;
  /** Makes durable what was told so far: a checkpoint is about to be written. */
  flush?(): Promise<void>;
  /** `path` holds the state behind `step` steps. Nothing is under way on the device. */
  saved?(step: number, path: string): Promise<void>;
  /** What the weights behind `step` steps gave. Told before their checkpoint is written. */
  evaluated?(step: number, results: readonly EvaluationResult[]): Promise<void>;
  /** The run has all it wanted, or was stopped; its files are written. Not told where it failed. */
  ended?(end: RunEnd): Promise<void>;
  /** Always the last, once. */
  close(): Promise<void>;
}

/** Opens a log for a run that is about to begin, or to go on. */
export type OpenLog = (start: RunStart) => Promise<RunLog>;

/** A log that shows a run, by the name that a warning calls it. */
export interface Showing {
  readonly name: string;
  readonly open: OpenLog;
}

/** A log whose first failure is told and takes it out of the run. */
class Guarded implements Required<RunLog> {
  readonly #name: string;
  readonly #warn: (warning: Diagnostic) => void;
  #log: RunLog | undefined;

  constructor(name: string, log: RunLog | undefined, warn: (warning: Diagnostic) => void) {
    this.#name = name;
    this.#log = log;
    this.#warn = warn;
  }

  static async open({ name, open }: Showing, start: RunStart, warn: (warning: Diagnostic) => void) {
    const guarded = new Guarded(name, undefined, warn);
    await guarded.#guard(async () => {
      guarded.#log = await open(start);
    });
    return guarded;
  }

  fed(step: number, batch: Batch): void {
    this.#guardNow((log) => log.fed?.(step, batch));
  }

  row(row: MetricsRow): void {
    this.#guardNow((log) => log.row?.(row));
  }

  flush(): Promise<void> {
    return this.#guard(() => this.#log?.flush?.());
  }

  saved(step: number, path: string): Promise<void> {
    return this.#guard(() => this.#log?.saved?.(step, path));
  }

  evaluated(step: number, results: readonly EvaluationResult[]): Promise<void> {
    return this.#guard(() => this.#log?.evaluated?.(step, results));
  }

  ended(end: RunEnd): Promise<void> {
    return this.#guard(() => this.#log?.ended?.(end));
  }

  close(): Promise<void> {
    return this.#guard(() => this.#log?.close());
  }

  #guardNow(tell: (log: RunLog) => void): void {
    try {
      if (this.#log !== undefined) tell(this.#log);
    } catch (error) {
      this.#failed(error);
    }
  }

  async #guard(tell: () => Promise<void> | undefined): Promise<void> {
    try {
      await tell();
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    const log = this.#log;
    this.#log = undefined;
    void log?.close().catch(() => {});
    this.#warn({
      code: 'Z635',
      severity: 'warning',
      message: `${this.#name} is left out from here on: ${reasonOf(error)}`,
      help: 'the run and its metrics.jsonl go on',
    });
  }
}

/** The logs of one run as one. */
export class RunLogs implements Required<RunLog> {
  readonly #logs: readonly RunLog[];

  private constructor(logs: readonly RunLog[]) {
    this.#logs = logs;
  }

  /**
   * @param own what the run cannot do without
   * @param showing what it can
   */
  static async open(
    own: readonly OpenLog[],
    showing: readonly Showing[],
    start: RunStart,
    warn: (warning: Diagnostic) => void,
  ): Promise<RunLogs> {
    const logs: RunLog[] = [];
    try {
      for (const open of own) logs.push(await open(start));
      for (const one of showing) logs.push(await Guarded.open(one, start, warn));
    } catch (error) {
      for (const log of logs) await log.close();
      throw error;
    }
    return new RunLogs(logs);
  }

  fed(step: number, batch: Batch): void {
    for (const log of this.#logs) log.fed?.(step, batch);
  }

  row(row: MetricsRow): void {
    for (const log of this.#logs) log.row?.(row);
  }

  async flush(): Promise<void> {
    for (const log of this.#logs) await log.flush?.();
  }

  async saved(step: number, path: string): Promise<void> {
    for (const log of this.#logs) await log.saved?.(step, path);
  }

  async evaluated(step: number, results: readonly EvaluationResult[]): Promise<void> {
    for (const log of this.#logs) await log.evaluated?.(step, results);
  }

  async ended(end: RunEnd): Promise<void> {
    for (const log of this.#logs) await log.ended?.(end);
  }

  async close(): Promise<void> {
    for (const log of this.#logs) await log.close();
  }
}
