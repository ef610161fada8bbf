/**
 * The measuring half of the tuner: every schedule of every distinct piece of work of a plan,
 * timed on the device itself.
 *
 * Candidates take turns, so that a machine that drifts slows all of them, and those far behind the best
 * drop out. The lower quartile decides: interruptions only ever add time. A winner must beat the
 * default by more than the noise, and give what the default gives.
 */
import { scheduleKey } from '../../compiler/kernels/schedules/schedules.ts';
import type { ScheduleFamily } from '../../compiler/kernels/text/choices.ts';
import type { Plan } from '../../compiler/plan/types.ts';
import type { TunedSchedules } from '../../compiler/profile.ts';
import { trustedClock } from '../timing/clock.ts';
import type { Clock } from '../timing/timed-run.ts';
import type { WebGpuDevice } from '../webgpu/device.ts';
import type { WebGpuSession } from '../webgpu/session.ts';
import { Agreement, writeOperands } from './agreement.ts';
import { type CompileFor, type Contest, contestPlan, contestsOf } from './contest.ts';

export interface TunedWork {
  readonly family: ScheduleFamily;
  readonly key: string;
  readonly count: number;
  readonly flops: number;
  readonly bytes: number;
  /** The winner and its seconds; the default and its. */
  readonly id: string;
  readonly seconds: number;
  readonly defaultId: string;
  readonly defaultSeconds: number;
  readonly tried: number;
  /** Schedules that were faster, but give other results than the default. */
  readonly wrong: readonly string[];
}

export interface TuneOptions {
  /** Keys (`scheduleKey`) that need no measurement. */
  readonly known?: ReadonlySet<string>;
  /** Seconds of device time for one piece of work, after the rounds that everything gets. */
  readonly budget?: number;
  /** Remarks. */
  notify(text: string): void;
  /** Called before each piece of work. */
  progress?(done: number, of: number, contest: Contest): void;
}

/** A winner must be at least so much faster than the default. */
const gain = 0.97;
const rounds = { least: 3, most: 25 } as const;
/** How many times slower than the best a candidate may be to stay, after so many rounds. */
const patience = (round: number) => (round < 4 ? 2 : 1.3);
/** What one timed pass should last at least: below that, starting it is what one measures. */
const shortest: Readonly<Record<Clock, number>> = { device: 2e-4, host: 2e-2 };
const mostRepeats = 256;

/** Measures what `compile` makes for the device, and lets the device adopt the winners. */
export async function tune(
  device: WebGpuDevice,
  compile: CompileFor,
  options: TuneOptions,
): Promise<TunedWork[]> {
  const contests = contestsOf(compile, device.profile, options.known);
  if (contests.length === 0) return [];
  const { clock, remark } = await trustedClock(device);
  if (remark !== undefined) options.notify(remark);
  const results: TunedWork[] = [];
  for (const [i, contest] of contests.entries()) {
    options.progress?.(i, contests.length, contest);
    results.push(await decide(device, contest, clock, options));
  }
  device.adopt(tunedSchedules(results));
  return results;
}

export function tunedSchedules(results: readonly TunedWork[]): TunedSchedules {
  return Object.fromEntries(results.map(({ family, key, id }) => [scheduleKey(family, key), id]));
}

async function decide(
  device: WebGpuDevice,
  contest: Contest,
  clock: Clock,
  { budget = 2, notify }: TuneOptions,
): Promise<TunedWork> {
  const plan = contestPlan(contest, device.profile);
  const session = await device.open(plan);
  try {
    const { family, key, count, flops, bytes, entrants } = contest;
    writeOperands(session, plan);
    const seconds = await race(session, plan, clock, budget);
    const faster = entrants.flatMap((_, i) => (seconds[i]! < seconds[0]! * gain ? [i] : []));
    faster.sort((i, j) => seconds[i]! - seconds[j]!);
    const agreement = new Agreement(session, plan);
    const wrong: string[] = [];
    let chosen = 0;
    for (const i of faster) {
      if (await agreement.of(i)) {
        chosen = i;
        break;
      }
      wrong.push(entrants[i]!.id);
    }
    for (const id of wrong)
      notify(
        `${family} ${key}: ${id} is not taken, since it gives other results than ${entrants[0]!.id}; zooc selftest says more`,
      );
    return {
      family,
      key,
      count,
      flops,
      bytes,
      id: entrants[chosen]!.id,
      seconds: seconds[chosen]!,
      defaultId: entrants[0]!.id,
      defaultSeconds: seconds[0]!,
      tried: entrants.length,
      wrong,
    };
  } finally {
    session.close();
  }
}

/** Seconds of every step of the plan. */
async function race(session: WebGpuSession, plan: Plan, clock: Clock, budget: number): Promise<number[]> {
  const all = plan.steps.map((_, i) => i);
  // Once unmeasured: caches, clocks, lazily made code.
  const warm = await lapTimes(session, clock, all, 1);
  const slowest = Math.max(...warm);
  const repeat = Math.min(mostRepeats, Math.max(1, Math.ceil(shortest[clock] / Math.max(slowest, 1e-7))));
  const times = all.map((): number[] => []);
  let left = budget;
  let running = all;
  for (let round = 0; round < rounds.most && (round < rounds.least || left > 0); round++) {
    const laps = await lapTimes(session, clock, running, repeat);
    for (const [i, step] of running.entries()) times[step]!.push(laps[i]!);
    left -= repeat * laps.reduce((a, b) => a + b, 0);
    const best = Math.min(...running.map((step) => lowerQuartile(times[step]!)));
    const most = patience(round) * best;
    running = running.filter((step) => step === 0 || lowerQuartile(times[step]!) <= most);
  }
  return times.map(lowerQuartile);
}

async function lapTimes(
  session: WebGpuSession,
  clock: Clock,
  steps: readonly number[],
  repeat: number,
): Promise<number[]> {
  const { spans } = await session.timedRun(clock, steps, repeat);
  return spans.map(({ start, end }) => end - start);
}

function lowerQuartile(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 4)]!;
}
