/** What a self-test found, in words: as Markdown that a person attaches to an issue, and as rows for whoever shows it otherwise. */
import type { SelftestCheck, SelftestFailure, WrongOutput } from '../../runtime/selftest/types.ts';
import type { SelftestReport } from './types.ts';

/** Checks of the same work by different schedules, in one row. */
export interface CheckRow
  extends Pick<SelftestCheck, 'part' | 'what' | 'precision' | 'error' | 'tolerance' | 'where'> {
  /** Schedules that were tried one by one, besides those that the adapter uses. */
  readonly schedules: number;
  readonly outputs: number;
  readonly failed: number;
}

const excess = ({ error, tolerance }: SelftestCheck) =>
  Number.isNaN(error) ? Number.POSITIVE_INFINITY : error / tolerance;

function checkRows({ checks }: Pick<SelftestReport, 'checks'>): CheckRow[] {
  const groups = new Map<string, SelftestCheck[]>();
  for (const check of checks) {
    const key = JSON.stringify([check.part, check.what, check.precision]);
    groups.set(key, [...(groups.get(key) ?? []), check]);
  }
  return [...groups.values()].map((group) => {
    const { part, what, precision, error, tolerance, where } = group.reduce((most, check) =>
      excess(check) > excess(most) ? check : most,
    );
    return {
      ...{ part, what, precision, error, tolerance, where },
      schedules: new Set(group.flatMap(({ schedule }) => schedule ?? [])).size,
      outputs: group.reduce((sum, check) => sum + check.outputs, 0),
      failed: group.filter(({ passed }) => !passed).length,
    };
  });
}

export interface TextTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function checkTable(report: Pick<SelftestReport, 'checks'>): TextTable {
  return {
    head: ['checked', 'precision', 'schedules', '', 'worst error', 'tolerance', 'outputs', 'worst in'],
    rows: checkRows(report).map((row) => [
      row.what,
      row.precision,
      row.schedules === 0 ? '' : String(row.schedules),
      row.failed === 0 ? 'ok' : 'WRONG',
      scientific(row.error),
      scientific(row.tolerance),
      String(row.outputs),
      row.where,
    ]),
  };
}

const scientific = (x: number) => x.toExponential(1);

/** `3 of 120 checks failed: contract r16x8x8-down` */
export function verdict({ passed, checks, failures, failedSchedules, stopped }: SelftestReport): string {
  const said = stopped === undefined ? '' : `; then the device answered nothing any more: ${stopped}`;
  if (passed) return `all ${checks.length} checks are within tolerance`;
  const names = failedSchedules.map(({ family, schedule }) => `${family} ${schedule}`);
  return `${failures.length} of ${checks.length} checks failed${names.length === 0 ? '' : `: ${names.join(', ')}`}${said}`;
}

/** The variable that goes round what failed; undefined where no schedule is to blame. */
export function wayRound({ failedSchedules, avoid }: SelftestReport): string | undefined {
  if (failedSchedules.length === 0) return undefined;
  return `ZOOC_AVOID=${[...avoid, ...failedSchedules.map(({ schedule }) => schedule)].join(',')}`;
}

/** What is known of the device and of what runs it. */
export function deviceRows({
  adapter,
  features,
  versions,
  avoid,
  tuned,
}: SelftestReport): [string, string][] {
  const { subgroupSize, matrixConfigs = [], limits } = adapter;
  return [
    ['adapter', `${adapter.name} (${adapter.type}, ${adapter.backend})`],
    ['vendor', adapter.vendor],
    ['architecture', adapter.architecture],
    ['driver', adapter.driver],
    ...Object.entries(versions),
    ['features that kernels may use', features.join(', ')],
    ['subgroups', subgroupSize === undefined ? '' : `${subgroupSize.min} to ${subgroupSize.max}`],
    [
      'subgroup matrices',
      matrixConfigs.map((c) => `${c.m}×${c.n}×${c.k} ${c.component} > ${c.result}`).join(', '),
    ],
    ...Object.entries(limits).map(([name, value]): [string, string] => [name, String(value)]),
    ['schedules avoided', avoid.join(', ')],
    ['schedules measured', tuned === 0 ? '' : `for ${tuned} pieces of work`],
  ].map(([name, value]) => [name!, value === '' ? '–' : value!]);
}

/** Lines about the ceilings; none where they were not measured. */
export function ceilingLines({ ceilings }: SelftestReport): string[] {
  if (ceilings === undefined) return [];
  const { copy, products } = ceilings;
  return [
    `copy: ${copy.toFixed(1)} GB/s`,
    ...products.map(
      ({ m, n, k, precision, gflops }) =>
        `product ${m} × ${k} × ${n}, ${precision}: ${gflops.toFixed(1)} GFLOP/s`,
    ),
  ];
}

/** `contract r16x8x8-down: products, f32` */
export function failureTitle({ part, what, precision, schedule }: SelftestFailure): string {
  return `${schedule === undefined ? '' : `${part} ${schedule}: `}${what}, ${precision}`;
}

/** Outputs of a failure, and kernels, that are written out; the others are counted. */
const most = { outputs: 8, kernels: 3 } as const;

export function wrongLine({ output, element, found, expected, error, tolerance }: WrongOutput): string {
  return `${output}[${element}] is ${found}, expected ${expected}: error ${scientific(error)}, tolerance ${scientific(tolerance)}`;
}

function markdown({ head, rows }: TextTable): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Text of kernels that was not shown before. */
function failureText(failure: SelftestFailure, shown: Set<string>): string {
  const { outputs, kernels, message } = failure;
  const lines = [
    ...(message === undefined ? [] : [message]),
    ...outputs.slice(0, most.outputs).map(wrongLine),
    ...(outputs.length > most.outputs ? [`${outputs.length - most.outputs} more outputs`] : []),
  ];
  const texts = kernels.slice(0, most.kernels).map(({ label, family, schedule, key, workgroups, wgsl }) => {
    const chosen = family === undefined ? '' : `, ${family} ${schedule} for ${key}`;
    const head = `Kernel \`${label}\`${chosen}, workgroups ${workgroups.join(' × ')}`;
    if (shown.has(wgsl)) return `${head} (shown above).`;
    shown.add(wgsl);
    return `${head}:\n\n\`\`\`wgsl\n${wgsl.trimEnd()}\n\`\`\``;
  });
  const rest = kernels
    .slice(most.kernels)
    .map(({ label, schedule }) => `\`${label}\`${schedule === undefined ? '' : ` (${schedule})`}`);
  const others =
    rest.length === 0
      ? []
      : [`Or one of ${rest.length} more: ${rest.slice(0, 40).join(', ')}${rest.length > 40 ? ', …' : ''}.`];
  return [
    `### ${failureTitle(failure)}`,
    lines.map((line) => `- ${line}`).join('\n'),
    ...texts,
    ...others,
  ].join('\n\n');
}

/** Checks, failures and ceilings as sections of Markdown. */
export function checkSections(report: SelftestReport): string[] {
  const shown = new Set<string>();
  const { failures, unchecked } = report;
  const round = wayRound(report);
  const ceilings = ceilingLines(report);
  return [
    '## Checks against double precision',
    `${sentence(verdict(report))} Errors are relative to the largest number of an output.${round === undefined ? '' : ` \`${round}\` goes round the schedules that failed.`}`,
    markdown(checkTable(report)),
    ...(unchecked.length === 0 ? [] : [`No check had work for ${unchecked.join(', ')}.`]),
    ...(failures.length === 0
      ? []
      : ['## Failures', ...failures.map((failure) => failureText(failure, shown))]),
    ...(ceilings.length === 0 ? [] : ['## Ceilings', ceilings.map((line) => `- ${line}`).join('\n')]),
  ];
}

export function sentence(words: string): string {
  return `${words[0]!.toUpperCase()}${words.slice(1)}.`;
}

/** The report as Markdown: what a person attaches to an issue. */
export function selftestMarkdown(report: SelftestReport): string {
  const { quick, only, seconds } = report;
  const extent = [...(quick ? ['quick'] : []), ...(only === undefined ? [] : [`only ${only.join(', ')}`])];
  return `${[
    `# zooc selftest: ${verdict(report)}`,
    `${seconds.toFixed(1)} s${extent.length === 0 ? '' : ` (${extent.join('; ')})`}.`,
    '## Device',
    markdown({ head: ['what', 'value'], rows: deviceRows(report) }),
    ...checkSections(report),
  ].join('\n\n')}\n`;
}
