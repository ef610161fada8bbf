/**
 * What a profile collects: for every session the time of each step, summed over its runs, and the host's
 * share; the first runs whole, for a trace.
 *
 * Drivers compile some kernels when they first run them, so the first run of a session is kept apart; it
 * counts only where it stays the only one.
 */
import type { Plan, PlanStep } from '../../compiler/plan/types.ts';
import type { StepSpan, TimedRun } from '../timing/timed-run.ts';

/**
 * What the host does: around a run it writes inputs, encodes and waits for results; `state` is
 * reading and writing weights.
 */
export const hostPhases = ['state', 'upload', 'encode', 'wait'] as const;
export type HostPhase = (typeof hostPhases)[number];

/** A piece of the host's time, in milliseconds of `performance.now()`. */
interface HostSpan {
  readonly phase: HostPhase;
  readonly start: number;
  readonly end: number;
}

export interface RecordedRun {
  /** `performance.now()` when its steps were encoded. */
  readonly began: number;
  /** Milliseconds until the first step could begin. */
  readonly encode: number;
  readonly spans: readonly StepSpan[];
}

interface StepTotal {
  readonly step: PlanStep;
  /** Unique in the plan: family, schedule, number. */
  readonly kernel: string;
  readonly count: number;
  readonly seconds: number;
}

/** Runs whose spans are kept. */
const keptRuns = 5;

/** One session's times. */
export class SessionProfile {
  readonly plan: Plan;
  /** How often the session was asked to run. */
  calls = 0;
  /** Runs behind the numbers. */
  runs = 0;
  /** Whether these are of the first run, for want of others. */
  cold = false;
  readonly kept: RecordedRun[] = [];
  readonly hostSpans: HostSpan[] = [];
  /** Seconds, over all runs. */
  readonly host: Record<HostPhase, number> = { state: 0, upload: 0, encode: 0, wait: 0 };
  readonly #totals = new Map<PlanStep, { count: number; seconds: number }>();

  constructor(plan: Plan) {
    this.plan = plan;
  }

  addRun({ began, encode, wait, spans }: TimedRun): void {
    if (this.cold) this.#forgetFirst();
    this.cold = this.runs === 0 && this.kept.length === 0;
    this.runs++;
    for (const { step, start, end } of spans) {
      const total = this.#totals.get(step) ?? { count: 0, seconds: 0 };
      total.count++;
      total.seconds += end - start;
      this.#totals.set(step, total);
    }
    const encoded = began + encode * 1000;
    this.addHost({ phase: 'encode', start: began, end: encoded });
    this.addHost({ phase: 'wait', start: encoded, end: encoded + wait * 1000 });
    if (this.kept.length < keptRuns) this.kept.push({ began, encode: encode * 1000, spans });
  }

  #forgetFirst(): void {
    this.runs = 0;
    this.#totals.clear();
    this.host.encode = 0;
    this.host.wait = 0;
  }

  addHost(span: HostSpan): void {
    this.host[span.phase] += (span.end - span.start) / 1000;
    if (this.kept.length < keptRuns) this.hostSpans.push(span);
  }

  /** Every step that ran, in the order of the plan. */
  steps(): StepTotal[] {
    return [...this.#totals].map(([step, total]) => ({
      step,
      kernel: this.plan.pipelines[step.pipeline]!.label,
      ...total,
    }));
  }
}

/** Sessions of one process, in the order in which they were opened. */
export class ProfileRecorder {
  readonly sessions: SessionProfile[] = [];
  /** Whose clock timed the steps; known once a session is open. */
  clock: TimedRun['clock'] | undefined;

  begin(plan: Plan): SessionProfile {
    const session = new SessionProfile(plan);
    this.sessions.push(session);
    return session;
  }
}
