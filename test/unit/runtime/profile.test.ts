import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Plan, PlanStep } from '../../../compiler/plan/types.ts';
import { ProfileRecorder } from '../../../runtime/profile/recorder.ts';
import { summarize } from '../../../runtime/profile/summary.ts';
import { chromeTrace } from '../../../runtime/profile/trace.ts';
import type { TimedRun } from '../../../runtime/timing/timed-run.ts';
import { profileTable } from '../../../zoo/cli/profile-report.ts';
import { addPlan } from '../../support/plans.ts';

const step = (label: string, pipeline: number, flops: number): PlanStep => ({
  pipeline,
  bindings: [],
  workgroups: [1, 1, 1],
  label,
  flops,
  bytes: 4e6,
});

const steps = [
  step('visual.transformer.resblocks.0.attn: matmul_8x8', 0, 2e9),
  step('visual.transformer.resblocks.0.mlp: matmul_8x8', 0, 2e9),
  step('visual.transformer.resblocks.1.attn: softmax', 1, 1e6),
  step('map', 1, 1e6),
];
const plan: Plan = { ...addPlan(64), model: 'tiny', entry: 'logits', batch: 2, steps };

/** One step after the other, `milliseconds` each with as long a pause behind it. */
function run(began: number, milliseconds: number): TimedRun {
  const at = (i: number) => (2 * i * milliseconds) / 1000;
  const spans = steps.map((s, i) => ({ step: s, start: at(i), end: at(i) + milliseconds / 1000 }));
  return { clock: 'device', spans, began, encode: 0.001, wait: at(steps.length) };
}

function recorded(runs: readonly TimedRun[]): ProfileRecorder {
  const recorder = new ProfileRecorder();
  recorder.clock = 'device';
  const session = recorder.begin(plan);
  session.addHost({ phase: 'state', start: 0, end: 4 });
  for (const timed of runs) {
    session.calls++;
    session.addHost({ phase: 'upload', start: timed.began - 2, end: timed.began });
    session.addRun(timed);
  }
  return recorder;
}

// The trace event format, as far as complete slices and names go; nothing else is written.
const traceSchema = z.strictObject({
  displayTimeUnit: z.enum(['ms', 'ns']),
  traceEvents: z.array(
    z.discriminatedUnion('ph', [
      z.strictObject({
        name: z.string().min(1),
        cat: z.string(),
        ph: z.literal('X'),
        ts: z.number().nonnegative(),
        dur: z.number().nonnegative(),
        pid: z.int(),
        tid: z.int(),
        args: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
      }),
      z.strictObject({
        name: z.enum(['process_name', 'thread_name']),
        ph: z.literal('M'),
        pid: z.int(),
        tid: z.int(),
        args: z.strictObject({ name: z.string() }),
      }),
    ]),
  ),
});

describe('a profile', () => {
  it('leaves the first run out where there are others', () => {
    const [session] = summarize(recorded([run(10, 50), run(1000, 5), run(2000, 7)])).sessions;
    expect(session).toMatchObject({ runs: 2, cold: false });
    expect(session!.seconds).toBeCloseTo(4 * 0.012, 9);
    expect(session!.host.encode).toBeCloseTo(0.001, 9);
    expect(session!.host.upload).toBeCloseTo(0.002, 9);
    expect(session!.host.state).toBeCloseTo(0.004, 9);
    expect(session!.host.wait).toBeCloseTo(8 * 0.006, 9);
  });

  it('takes the first run for want of others, and says so', () => {
    const summary = summarize(recorded([run(10, 50)]));
    expect(summary.sessions[0]).toMatchObject({ runs: 1, cold: true });
    expect(profileTable(summary.sessions[0]!, 'device')).toContain(
      '(the first, with what the driver compiles late)',
    );
  });

  it('leaves out sessions that never ran', () => {
    const recorder = new ProfileRecorder();
    recorder.begin(plan);
    expect(summarize(recorder).sessions).toEqual([]);
    expect(chromeTrace(recorder).traceEvents.filter((e) => e.ph === 'X')).toEqual([]);
  });

  it('is a table of kernels, the longest first, with rates and shares', () => {
    const summary = summarize(recorded([run(10, 50), run(1000, 5)]));
    expect(profileTable(summary.sessions[0]!, summary.clock)).toBe(
      [
        "tiny logits, batch 2: 1 run, 20.00 ms a run in kernels (by the device's clock)",
        'kernel  count     ms   share  GFLOP/s  GB/s  work',
        'add         2  10.00  50.0 %    400.0   0.8  visual.transformer.resblocks.0.attn',
        'double      2  10.00  50.0 %      0.2   0.8  visual.transformer.resblocks.1.attn',
        'host, ms a run: upload 2.00, encode 1.00, wait 40.00; weights 4.00 in all',
      ].join('\n'),
    );
  });

  it('is a Chrome trace: lanes by block path, deeper blocks around their steps, the host beside them', () => {
    const trace = traceSchema.parse(
      JSON.parse(JSON.stringify(chromeTrace(recorded([run(10, 50), run(1000, 5)])))),
    );
    const names = trace.traceEvents.flatMap((e) => (e.ph === 'M' ? [`${e.name} ${e.args.name}`] : []));
    expect(names).toEqual([
      'process_name host',
      'thread_name state, upload, encode, wait',
      'process_name GPU: tiny logits, batch 2',
      'thread_name visual.transformer',
      'thread_name top level',
    ]);
    const slices = trace.traceEvents.flatMap((e) => (e.ph === 'X' ? [e] : []));
    const kernels = slices.filter((e) => e.cat === 'kernel');
    expect(kernels).toHaveLength(8);
    expect(kernels.map((e) => e.tid)).toEqual([1, 1, 1, 2, 1, 1, 1, 2]);
    expect(kernels[0]).toMatchObject({
      name: 'matmul_8x8',
      // Host time 0 is the trace's; the run began at 10 ms, and encoding took 1 ms.
      ts: 11_000,
      dur: 50_000,
      args: { path: 'visual.transformer.resblocks.0.attn', gflop: 2 },
    });
    const blocks = slices.filter((e) => e.cat === 'block').slice(0, 6);
    expect(blocks.map((e) => [e.name, e.ts, e.dur])).toEqual([
      ['resblocks', 11_000, 250_000],
      ['resblocks.0', 11_000, 150_000],
      ['resblocks.1', 211_000, 50_000],
      ['resblocks.0.attn', 11_000, 50_000],
      ['resblocks.0.mlp', 111_000, 50_000],
      ['resblocks.1.attn', 211_000, 50_000],
    ]);
    expect(slices.filter((e) => e.cat === 'host').map((e) => e.name)).toEqual([
      'state',
      'upload',
      'encode',
      'wait',
      'upload',
      'encode',
      'wait',
    ]);
  });

  it('keeps the spans of the first runs only', () => {
    const recorder = recorded(Array.from({ length: 40 }, (_, i) => run(10 + 1000 * i, 1)));
    expect(recorder.sessions[0]!.kept).toHaveLength(5);
    expect(summarize(recorder).sessions[0]!.runs).toBe(39);
  });
});
