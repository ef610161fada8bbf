/** The table of the day: zooc's times beside PyTorch's, estimates and the card's own ceilings. */
import type { SelftestReport } from '../../zoo/selftest/types.ts';
import type { CaseResult } from './case.ts';
import { estimateFor } from './estimates.ts';
import type { GoldenError } from './golden.ts';

export interface TorchRow {
  readonly name: string;
  readonly mode: 'f32' | 'tf32' | 'bf16' | 'f16';
  readonly compiled: boolean;
  readonly batch: number;
  readonly seconds?: number;
  readonly error?: string;
}

export interface StageOutcome {
  readonly name: string;
  readonly seconds: number;
  readonly failure?: string;
}

export interface Day {
  readonly adapter: string;
  readonly driver: string;
  readonly date: string;
  readonly stages: readonly StageOutcome[];
  readonly ceilings?: NonNullable<SelftestReport['ceilings']>;
  /** Parts of the self-test that came to an end, and whether all was right. */
  readonly selftest?: Readonly<Record<string, boolean>>;
  readonly golden?: readonly GoldenError[];
  readonly cases: readonly CaseResult[];
  readonly torch?: { readonly about: string; readonly rows: readonly TorchRow[] };
}

const milliseconds = (seconds: number | undefined): string =>
  seconds === undefined ? '' : (1000 * seconds).toPrecision(3);

/** GFLOP/s of the best product of this precision. */
function productCeiling({ ceilings }: Day, precision: string): number | undefined {
  const rates = ceilings?.products.filter((p) => p.precision === precision).map((p) => p.gflops) ?? [];
  return rates.length === 0 ? undefined : Math.max(...rates);
}

/** PyTorch's fastest of the modes that compute as this precision does, at the same batch. */
function fastest({ torch }: Day, result: CaseResult, compiled: boolean): TorchRow | undefined {
  const modes: readonly string[] = result.precision === 'f32' ? ['f32'] : ['bf16', 'f16'];
  return torch?.rows
    .filter((r) => r.name === result.name && r.batch === result.batch && r.compiled === compiled)
    .filter((r) => modes.includes(r.mode) && r.seconds !== undefined)
    .sort((a, b) => a.seconds! - b.seconds!)[0];
}

const share = (part: number, whole: number | undefined): string =>
  whole === undefined ? '' : `${((100 * part) / whole).toFixed(0)} %`;

function caseRow(day: Day, result: CaseResult): string {
  const { name, precision, batch, median, gflops } = result;
  const peers = [false, true].map((compiled) => fastest(day, result, compiled));
  const ratios = peers.map((peer) => (peer === undefined ? '' : (median / peer.seconds!).toFixed(2)));
  const times = peers.map((peer) =>
    peer === undefined ? '' : `${milliseconds(peer.seconds)} (${peer.mode})`,
  );
  const estimate = estimateFor(day.adapter, `${name} ${precision}`);
  const cells = [
    `${name}, batch ${batch}`,
    precision,
    milliseconds(median),
    estimate ?? '',
    (gflops / 1000).toPrecision(3),
    share(gflops, productCeiling(day, precision)),
    times[0],
    ratios[0],
    times[1],
    ratios[1],
  ];
  return `| ${cells.join(' | ')} |`;
}

function tf32Rows({ torch, cases }: Day): string[] {
  const rows = torch?.rows.filter((r) => r.mode === 'tf32' && r.seconds !== undefined) ?? [];
  return rows.map(({ name, batch, compiled, seconds }) => {
    const ours = cases.find((c) => c.name === name && c.batch === batch && c.precision === 'f32');
    const ratio = ours === undefined ? '' : (ours.median / seconds!).toFixed(2);
    return `| ${name}, batch ${batch} | ${compiled ? 'compiled' : 'eager'} | ${milliseconds(seconds)} | ${ratio} |`;
  });
}

function ceilingLines({ ceilings }: Day): string[] {
  if (ceilings === undefined) return [];
  const products = ceilings.products.map(
    ({ m, n, k, precision, gflops }) =>
      `| ${m}×${k} × ${k}×${n}, ${precision} | ${(gflops / 1000).toPrecision(3)} TFLOP/s |`,
  );
  return [
    '| ceiling | measured |',
    '| --- | ---: |',
    `| copy | ${ceilings.copy.toFixed(0)} GB/s |`,
    ...products,
    '',
  ];
}

function selftestLines({ selftest = {} }: Day): string[] {
  const parts = Object.entries(selftest).map(([part, passed]) => `${part} ${passed ? 'passed' : 'WRONG'}`);
  return parts.length === 0 ? [] : [`Self-test: ${parts.join(', ')}.`, ''];
}

const caseHead = `| case | precision | zooc, ms | estimate, ms | TFLOP/s | of ceiling | PyTorch eager, ms | zooc ÷ it | compiled, ms | zooc ÷ it |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |`;

/** Whatever is there by now: a day that is cut short has the rows of what it did. */
export function printDay(day: Day): string {
  const { adapter, driver, date, stages, golden = [], cases, torch } = day;
  const tf32 = tf32Rows(day);
  const refused = cases.flatMap((c) => c.refused.map((r) => `- ${c.name} ${c.precision}: ${r}`));
  const errors = torch?.rows.filter((r) => r.error !== undefined) ?? [];
  return [
    `# ${adapter}`,
    '',
    `${date}; ${driver}; PyTorch: ${torch?.about ?? 'none'}`,
    '',
    ...ceilingLines(day),
    ...selftestLines(day),
    ...(cases.length === 0 ? [] : [caseHead, ...cases.map((c) => caseRow(day, c)), '']),
    ...(tf32.length === 0
      ? []
      : ['| tf32 in PyTorch | | ms | zooc f32 ÷ it |', '| --- | --- | ---: | ---: |', ...tf32, '']),
    ...(golden.length === 0 ? [] : ['| golden set | | error | allowed |', '| --- | --- | ---: | ---: |']),
    ...golden.map((g) => `| ${g.set} | ${g.what} | ${g.error.toExponential(1)} | ${g.allowed} |`),
    ...(refused.length === 0 ? [] : ['', 'Too large:', '', ...refused]),
    ...errors.map((r) => `- PyTorch, ${r.name} ${r.mode}${r.compiled ? ' compiled' : ''}: ${r.error}`),
    '',
    '| stage | s | |',
    '| --- | ---: | --- |',
    ...stages.map((s) => `| ${s.name} | ${s.seconds.toFixed(0)} | ${s.failure ?? 'done'} |`),
    '',
  ].join('\n');
}
