/**
 * A profile as a Chrome trace (JSON object format), for chrome://tracing and Perfetto.
 *
 * One process for the host and one for each session's steps. Steps stand in lanes by the first names of their
 * block path; within a lane deeper blocks enclose their steps. The device's clock has its own zero, so a
 * run's first step is drawn where its encoding ended.
 */
import type { PlanStep } from '../../compiler/plan/types.ts';
import type { StepSpan } from '../timing/timed-run.ts';
import type { ProfileRecorder, RecordedRun, SessionProfile } from './recorder.ts';
import { pathOf } from './summary.ts';

interface SliceEvent {
  readonly name: string;
  readonly cat: string;
  readonly ph: 'X';
  /** Microseconds. */
  readonly ts: number;
  readonly dur: number;
  readonly pid: number;
  readonly tid: number;
  readonly args?: Readonly<Record<string, string | number>>;
}

interface NameEvent {
  readonly name: 'process_name' | 'thread_name';
  readonly ph: 'M';
  readonly pid: number;
  readonly tid: number;
  readonly args: { readonly name: string };
}

type TraceEvent = SliceEvent | NameEvent;

interface ChromeTrace {
  readonly displayTimeUnit: 'ms';
  readonly traceEvents: readonly TraceEvent[];
}

const hostPid = 1;
/** Names of a path that decide its lane: `visual.transformer`, `transformer.resblocks`. */
const laneDepth = 2;

const laneOf = (path: string) => path.split('.').slice(0, laneDepth).join('.') || 'top level';

/** Microseconds with nanoseconds behind the point. */
const micro = (ms: number) => Math.round(ms * 1e6) / 1e3;

function nameEvent(name: NameEvent['name'], pid: number, tid: number, label: string): NameEvent {
  return { name, ph: 'M', pid, tid, args: { name: label } };
}

function stepArguments({ flops, bytes, workgroups, schedule }: PlanStep): SliceEvent['args'] {
  return {
    gflop: flops / 1e9,
    megabytes: bytes / 1e6,
    workgroups: workgroups.join(' x '),
    ...(schedule === undefined ? {} : { schedule: schedule.id, work: schedule.key }),
  };
}

/**
 * Slices of the blocks below the lane's own name, from the first to the last of consecutive steps in each.
 */
function blockSlices(
  spans: readonly StepSpan[],
  place: (seconds: number) => number,
  pid: number,
  tids: ReadonlyMap<string, number>,
): SliceEvent[] {
  const slices: SliceEvent[] = [];
  const paths = spans.map(({ step }) => pathOf(step.label).split('.'));
  const deepest = paths.reduce((most, path) => Math.max(most, path.length), 0);
  for (let depth = laneDepth + 1; depth <= deepest; depth++) {
    for (let i = 0; i < spans.length; ) {
      const prefix = paths[i]!.slice(0, depth).join('.');
      let end = i + 1;
      while (end < spans.length && paths[end]!.slice(0, depth).join('.') === prefix) end++;
      if (paths[i]!.length >= depth) {
        const start = place(spans[i]!.start);
        slices.push({
          name: paths[i]!.slice(laneDepth, depth).join('.'),
          cat: 'block',
          ph: 'X',
          ts: start,
          dur: micro((place(spans[end - 1]!.end) - start) / 1e3),
          pid,
          tid: tids.get(laneOf(prefix))!,
        });
      }
      i = end;
    }
  }
  return slices;
}

function runSlices(
  { began, encode, spans }: RecordedRun,
  zero: number,
  pid: number,
  tids: ReadonlyMap<string, number>,
): SliceEvent[] {
  const place = (seconds: number) => micro(began + encode - zero + seconds * 1e3);
  const steps = spans.map(({ step, start, end }): SliceEvent => {
    const path = pathOf(step.label);
    return {
      name: path === '' ? step.label : step.label.slice(path.length + 2),
      cat: 'kernel',
      ph: 'X',
      ts: place(start),
      dur: micro((end - start) * 1e3),
      pid,
      tid: tids.get(laneOf(path))!,
      args: { path, ...stepArguments(step) },
    };
  });
  // Viewers nest slices that begin together in the order of the file: blocks enclose steps.
  return [...blockSlices(spans, place, pid, tids), ...steps];
}

function sessionEvents(session: SessionProfile, pid: number, zero: number): TraceEvent[] {
  const { model, entry, batch } = session.plan;
  const lanes = new Set(
    session.kept.flatMap(({ spans }) => spans.map(({ step }) => laneOf(pathOf(step.label)))),
  );
  const tids = new Map([...lanes].map((lane, i) => [lane, i + 1]));
  return [
    nameEvent('process_name', pid, 0, `GPU: ${model} ${entry}, batch ${batch}`),
    ...[...tids].map(([lane, tid]) => nameEvent('thread_name', pid, tid, lane)),
    ...session.kept.flatMap((run) => runSlices(run, zero, pid, tids)),
  ];
}

/** The first runs of every session. */
export function chromeTrace({ sessions }: ProfileRecorder): ChromeTrace {
  const used = sessions.filter((s) => s.runs > 0);
  const host = used.flatMap((s) => s.hostSpans);
  const zero = host.reduce((first, { start }) => Math.min(first, start), Number.POSITIVE_INFINITY);
  const events: TraceEvent[] = [
    nameEvent('process_name', hostPid, 0, 'host'),
    nameEvent('thread_name', hostPid, 1, 'state, upload, encode, wait'),
    ...host.map(
      ({ phase, start, end }): SliceEvent => ({
        name: phase,
        cat: 'host',
        ph: 'X',
        ts: micro(start - zero),
        dur: micro(end - start),
        pid: hostPid,
        tid: 1,
      }),
    ),
    ...used.flatMap((session, i) => sessionEvents(session, hostPid + 1 + i, zero)),
  ];
  return { displayTimeUnit: 'ms', traceEvents: events };
}
