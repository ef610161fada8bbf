/** `zooc bench`: the benchmark cases beside the adapter's own matrix-product ceiling, all from one run. */
import type { Precision } from '../../../compiler/compile.ts';
import { fail } from '../../../grammar/diagnostics.ts';
import { openGpu } from '../../../runtime/node/gpu.ts';
import { ProfilingDevice } from '../../../runtime/profile/device.ts';
import { type BenchResult, benchCases, runCase } from '../../bench/cases.ts';
import { type ConvolutionRate, convolutionsName, measureConvolutions } from '../../bench/convolutions.ts';
import { type Ceiling, measureCeiling } from '../../bench/measure.ts';
import { nodeHost } from '../../host.ts';
import { closing } from '../closing.ts';
import { parseCount } from '../models.ts';
import { count, mebibytes, note, print, printJson, table } from '../output.ts';
import { type ProfileOption, startProfiling } from '../profile-report.ts';

interface BenchOptions {
  readonly runs: string;
  readonly only?: readonly string[];
  readonly precision?: Precision;
  readonly profile?: ProfileOption;
  readonly json?: boolean;
}

function selectCases(only: readonly string[] | undefined): typeof benchCases {
  const names = [...benchCases.map((c) => c.name), convolutionsName];
  const unknown = only?.find((name) => !names.includes(name));
  if (unknown !== undefined) fail('Z703', `--only ${unknown}: no such case`, `cases: ${names.join(', ')}`);
  return only === undefined ? benchCases : benchCases.filter((c) => only.includes(c.name));
}

function caseTable(results: readonly BenchResult[], best: number): string {
  const head = [
    'case',
    'ms',
    'GFLOP/s',
    'of ceiling',
    'dispatches',
    'submits',
    'pipelines',
    'memory',
    'lower bound',
    'host ms',
    'open s',
  ];
  const rows = results.map((r) => [
    r.name,
    (r.median * 1000).toFixed(1),
    r.gflops.toFixed(1),
    (r.gflops / best).toFixed(2),
    String(r.dispatches),
    String(r.submits),
    String(r.pipelines),
    mebibytes(r.peakMemory),
    mebibytes(r.lowerBound),
    (r.hostSeconds * 1000).toFixed(2),
    (r.compileSeconds + r.openSeconds).toFixed(1),
  ]);
  return table([head, ...rows], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
}

function ceilingTable(ceilings: readonly Ceiling[]): string {
  return table(
    [
      ['matrix product', 'GFLOP/s'],
      ...ceilings.map((c) => [`${c.m} x ${c.k} x ${c.n}`, c.gflops.toFixed(1)]),
    ],
    [1],
  );
}

function convolutionTable(rates: readonly ConvolutionRate[]): string {
  const rows = rates.map(({ channels, filters, side, stride, ...r }) => [
    `${channels} > ${filters} at ${side}x${side}${stride === 1 ? '' : ` / ${stride}`}`,
    r.gflops.toFixed(1),
    r.productGflops.toFixed(1),
    r.ratio.toFixed(2),
  ]);
  return table([['convolution 3x3', 'GFLOP/s', 'equal product', 'ratio'], ...rows], [1, 2, 3]);
}

export async function bench(options: BenchOptions): Promise<void> {
  const runs = parseCount('--runs', options.runs);
  const { precision = 'f32' } = options;
  const cases = selectCases(options.only);
  const profiling = startProfiling(options.profile);
  await closing(async (keep) => {
    const opened = await openGpu();
    const device = keep(opened.device);
    note(`${opened.report.name}: ${opened.because}`);
    // The machine drifts, so the ceiling is taken before and after; the better of the two counts.
    const before = await measureCeiling(device, runs, precision);
    const results: BenchResult[] = [];
    for (const test of cases) {
      note(`${test.name} ...`);
      results.push(await runCase(nodeHost(), device, test, { runs, precision }));
    }
    const convolutions =
      options.only === undefined || options.only.includes(convolutionsName)
        ? await measureConvolutions(device, runs)
        : [];
    const after = await measureCeiling(device, runs, precision);
    // Behind all timing, since profiled runs are slower.
    if (profiling !== undefined) {
      const profiled = new ProfilingDevice(device, profiling.recorder, note);
      for (const test of cases) await runCase(nodeHost(), profiled, test, { runs, precision });
    }
    const profile = await profiling?.report();
    const ceilings = before.map((c, i) => (c.gflops >= after[i]!.gflops ? c : after[i]!));
    const best = Math.max(...ceilings.map((c) => c.gflops));
    if (options.json === true) {
      const cases = results.map((r) => ({ ...r, ofCeiling: r.gflops / best }));
      printJson({
        adapter: opened.report,
        runs,
        precision,
        ceiling: best,
        products: ceilings,
        cases,
        convolutions,
        ...(profile === undefined ? {} : { profile }),
      });
      return;
    }
    print(ceilingTable(ceilings));
    print('');
    if (results.length > 0) print(`${caseTable(results, best)}\n`);
    if (convolutions.length > 0) print(`${convolutionTable(convolutions)}\n`);
    print(
      `median of ${count(runs)} runs; the ceiling is the best matrix product of this run, ${best.toFixed(1)} GFLOP/s`,
    );
  });
}
