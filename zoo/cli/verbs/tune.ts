/**
 * `zooc tune`: measures every schedule of a model's kernels on the adapter and keeps the
 * best in the user's cache.
 */
import { type Precision, planFitting } from '../../../compiler/compile.ts';
import { scheduleKey } from '../../../compiler/kernels/schedules/schedules.ts';
import type { EntryName, Model } from '../../../compiler/model/types.ts';
import { openGpu } from '../../../runtime/node/gpu.ts';
import type { CompileFor } from '../../../runtime/tune/contest.ts';
import type { TunedWork } from '../../../runtime/tune/tuner.ts';
import { measureBandwidth, measureCeiling } from '../../bench/measure.ts';
import { compileFitting, compileTrainingStep } from '../../run/entry.ts';
import { tuneAndStore } from '../../run/tune.ts';
import { closing } from '../closing.ts';
import { parseCount, parseEntry } from '../models.ts';
import { note, print, printJson, table } from '../output.ts';
import { loadModel } from '../packages.ts';

interface TuneOptions {
  readonly entry?: readonly string[];
  readonly batch: string;
  readonly train?: boolean;
  readonly precision?: Precision;
  readonly set: readonly string[];
  readonly json?: boolean;
}

/** The best that the adapter was seen to do, now or while tuning. */
interface Ceilings {
  readonly gflops: number;
  readonly gigabytes: number;
}

interface Job {
  readonly name: string;
  readonly compile: CompileFor;
}

/** The entries asked for, else the towers; with `--train` one step of training. */
function jobsOf(model: Model, options: TuneOptions): Job[] {
  const batch = parseCount('--batch', options.batch);
  const { precision = 'f32' } = options;
  if (options.train === true) {
    const compile: CompileFor = (profile) =>
      planFitting(batch, (fitting) => compileTrainingStep(model, fitting, profile, precision));
    return [{ name: `a training step, batch ${batch}`, compile }];
  }
  const towers = model.entries.map((e) => e.name).filter((name) => name.startsWith('encode_'));
  const chosen = options.entry ?? (towers.length > 0 ? towers : ['forward']);
  const entries: EntryName[] = chosen.map((name) => parseEntry(model, name));
  return entries.map((entry) => ({
    name: `${entry}, batch ${batch}`,
    compile: (profile) =>
      compileFitting(model, { entry, batch, mode: 'eval', gradients: false, precision }, profile).plan,
  }));
}

/** GFLOP/s of kernels that compute, GB/s of those that mostly move. */
function rateOf({ family, flops, bytes }: TunedWork, seconds: number): { rate: number; unit: string } {
  return family === 'rows'
    ? { rate: bytes / seconds / 1e9, unit: 'GB/s' }
    : { rate: flops / seconds / 1e9, unit: 'GFLOP/s' };
}

export function tuneTable(results: readonly TunedWork[], ceilings: Ceilings): string {
  const head = [
    'kernel',
    'shape',
    'used',
    'schedule',
    'rate',
    '',
    'of ceiling',
    'default',
    'its rate',
    'gain',
  ];
  const rows = results.map((r) => {
    const { rate, unit } = rateOf(r, r.seconds);
    const ceiling = unit === 'GB/s' ? ceilings.gigabytes : ceilings.gflops;
    return [
      r.family,
      r.key,
      `${r.count}×`,
      r.id,
      rate.toFixed(1),
      unit,
      (rate / ceiling).toFixed(2),
      r.defaultId === r.id ? 'the same' : r.defaultId,
      rateOf(r, r.defaultSeconds).rate.toFixed(1),
      `${((r.defaultSeconds / r.seconds - 1) * 100).toFixed(0)} %`,
    ];
  });
  return table([head, ...rows], [2, 4, 6, 8, 9]);
}

/** Seconds of one run in the kernels that were tuned, with their defaults and with the winners. */
function totals(results: readonly TunedWork[]): { before: number; after: number } {
  return results.reduce(
    (sum, r) => ({
      before: sum.before + r.count * r.defaultSeconds,
      after: sum.after + r.count * r.seconds,
    }),
    { before: 0, after: 0 },
  );
}

export async function tune(reference: string, options: TuneOptions): Promise<void> {
  const model = await loadModel(reference, options.set);
  const jobs = jobsOf(model, options);
  await closing(async (keep) => {
    const opened = await openGpu({ warn: note });
    const device = keep(opened.device);
    note(`${opened.report.name}: ${opened.because}`);
    const results: TunedWork[] = [];
    const known = new Set<string>();
    let path: string | undefined;
    for (const { name, compile } of jobs) {
      note(`${model.name} ${name}`);
      const tuned = await tuneAndStore(opened, compile, {
        known,
        notify: note,
        progress: (done, of, { family, key, entrants }) =>
          note(`  ${done + 1} of ${of}: ${family} ${key}, ${entrants.length} schedules`),
      });
      for (const result of tuned.results) known.add(scheduleKey(result.family, result.key));
      results.push(...tuned.results);
      path = tuned.path ?? path;
    }
    const products = (await measureCeiling(device, 3, options.precision)).map((c) => c.gflops);
    const reached = results.filter((r) => r.family === 'contract').map((r) => r.flops / r.seconds / 1e9);
    const ceilings = {
      gflops: Math.max(...products, ...reached),
      gigabytes: await measureBandwidth(device, 3),
    };
    const { before, after } = totals(results);
    if (options.json === true) {
      printJson({
        adapter: opened.report,
        cache: path ?? null,
        ceilings,
        seconds: { before, after },
        results,
      });
      return;
    }
    print(tuneTable(results, ceilings));
    print(
      `ceilings: ${ceilings.gflops.toFixed(1)} GFLOP/s (matrix product), ${ceilings.gigabytes.toFixed(1)} GB/s (copy); ` +
        `these kernels took ${(before * 1000).toFixed(1)} ms a run, now ${(after * 1000).toFixed(1)} ms`,
    );
    if (path !== undefined) note(`kept in ${path}`);
  });
}
