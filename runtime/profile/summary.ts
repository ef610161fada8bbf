/** A profile as numbers: one row for each kernel of a session, and the host's time for each run. */
import type { Clock } from '../timing/timed-run.ts';
import { type HostPhase, hostPhases, type ProfileRecorder, type SessionProfile } from './recorder.ts';

export interface KernelRow {
  /** The pipeline: family, schedule, number. */
  readonly kernel: string;
  /**
   * What it computes where that has a name (the key of its schedule), else where in
   * the model it stands first.
   */
  readonly work: string;
  /** Dispatches, over all runs. */
  readonly count: number;
  readonly seconds: number;
  /** Of all kernels of the session. */
  readonly share: number;
  readonly gflops: number;
  /** GB/s of what it must at least read and write. */
  readonly gigabytes: number;
}

export interface SessionSummary {
  readonly model: string;
  readonly entry: string;
  readonly batch: number;
  readonly runs: number;
  /** Whether the only run was the first, which includes what drivers compile late. */
  readonly cold: boolean;
  /** Seconds of all kernels, over all runs. */
  readonly seconds: number;
  /** By time, longest first. */
  readonly kernels: readonly KernelRow[];
  /** Seconds a run; of `state` in all. */
  readonly host: Readonly<Record<HostPhase, number>>;
}

export interface ProfileSummary {
  readonly clock: Clock;
  readonly sessions: readonly SessionSummary[];
}

/** Block path of a step's label, `visual.conv1: matmul_16x8`; empty at the top level. */
export function pathOf(label: string): string {
  return label.includes(': ') ? label.slice(0, label.lastIndexOf(': ')) : '';
}

function kernelRows(session: SessionProfile): KernelRow[] {
  const steps = session.steps();
  const total = steps.reduce((sum, s) => sum + s.seconds, 0);
  const kernels = new Map<
    string,
    { work: string; count: number; seconds: number; flops: number; bytes: number }
  >();
  for (const { kernel, step, count, seconds } of steps) {
    const row = kernels.get(kernel) ?? {
      work: step.schedule?.key ?? pathOf(step.label),
      count: 0,
      seconds: 0,
      flops: 0,
      bytes: 0,
    };
    row.count += count;
    row.seconds += seconds;
    row.flops += count * step.flops;
    row.bytes += count * step.bytes;
    kernels.set(kernel, row);
  }
  const rate = (amount: number, seconds: number) => (seconds > 0 ? amount / seconds / 1e9 : 0);
  return [...kernels]
    .map(([kernel, { work, count, seconds, flops, bytes }]) => ({
      kernel,
      work,
      count,
      seconds,
      share: total > 0 ? seconds / total : 0,
      gflops: rate(flops, seconds),
      gigabytes: rate(bytes, seconds),
    }))
    .sort((a, b) => b.seconds - a.seconds);
}

function sessionSummary(session: SessionProfile): SessionSummary {
  const { model, entry, batch } = session.plan;
  const kernels = kernelRows(session);
  const runsOf = (phase: HostPhase) =>
    phase === 'state' ? 1 : phase === 'upload' ? session.calls : session.runs;
  return {
    model,
    entry,
    batch,
    runs: session.runs,
    cold: session.cold,
    seconds: kernels.reduce((sum, k) => sum + k.seconds, 0),
    kernels,
    host: Object.fromEntries(hostPhases.map((p) => [p, session.host[p] / runsOf(p)])) as Record<
      HostPhase,
      number
    >,
  };
}

/** Sessions that ran at least once. */
export function summarize({ clock, sessions }: ProfileRecorder): ProfileSummary {
  return {
    clock: clock ?? 'device',
    sessions: sessions.filter((s) => s.runs > 0).map(sessionSummary),
  };
}
