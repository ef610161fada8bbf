/** What was measured and checked here, as Markdown that can be copied. */
import manifest from '../../package.json' with { type: 'json' };
import type { SelftestReport } from '../../zoo/api/browser.ts';
import { checkSections, type TextTable } from '../../zoo/selftest/report.ts';
import { bytes, count, milliseconds } from '../ui/numbers.ts';
import type { Comparison, Timed } from '../worker/compare/comparing.ts';
import type { DeviceFacts } from '../worker/device.ts';

const versions = {
  zooc: manifest.version,
  jax: manifest.devDependencies['@jax-js/jax'],
  onnx: manifest.devDependencies['@jax-js/onnx'],
};

export interface Findings {
  readonly device?: DeviceFacts;
  readonly comparisons: readonly Comparison[];
  readonly checked?: SelftestReport;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function minimum(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
}

/** A number of three digits, `6.1e-7` where it is small. */
function short(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

export type Cells = readonly string[];

/** Rows of both libraries; the last column says how many times the own time another takes. */
export function comparisonTable({ own, other }: Comparison): TextTable {
  const row = (name: string, timed: Timed): Cells => [
    name,
    milliseconds(timed.start),
    milliseconds(median(timed.times)),
    milliseconds(minimum(timed.times)),
    `${(median(timed.times) / median(own.times)).toFixed(2)} ×`,
  ];
  return {
    head: ['library', 'start-up', 'median', 'minimum', 'of zooc’s'],
    rows: [
      row(`zooc ${versions.zooc}`, own),
      'reason' in other
        ? [`jax-js ${versions.jax}`, '–', '–', '–', '–']
        : row(`jax-js ${versions.jax} (onnx ${versions.onnx})`, other),
    ],
  };
}

export function comparisonTitle({ model, entry, shape }: Comparison): string {
  return `${model}, ${entry}, pictures [${shape.join(', ')}]`;
}

export function comparisonNotes(comparison: Comparison): string[] {
  const { agreement, other, parameters, exported, own } = comparison;
  const notes = [
    `The model has ${count(parameters)} parameters; its picture tower as ONNX has ${bytes(comparison.bytes)}, made in ${milliseconds(exported)}.`,
  ];
  if ('reason' in other) notes.push(`${other.reason}.`);
  if (agreement !== undefined)
    notes.push(
      `The libraries differ by ${short(agreement.difference)} at most, of numbers up to ${short(agreement.largest)}; the smallest cosine is ${agreement.cosine.toFixed(7)}.`,
    );
  const turns =
    'reason' in other ? 'runs after warm-up' : 'turns after warm-up, each library first in every other one';
  notes.push(
    `${own.times.length} ${turns}, from pictures on the host to features on the host. Start-up is compiling, weights and the first run.`,
  );
  return notes;
}

/** Name and value of what the adapter says of itself. */
export function adapterRows({ adapter, features }: DeviceFacts): [string, string][] {
  const { vendor, architecture, name, driver, type, subgroupSize, limits } = adapter;
  const rows: [string, string][] = [
    ['name', name],
    ['vendor', vendor],
    ['architecture', architecture],
    ['description', driver],
    ['kind', type],
    ['subgroups', subgroupSize === undefined ? '' : `${subgroupSize.min} to ${subgroupSize.max}`],
    ['features that kernels may use', features.join(', ')],
    ['all features', adapter.features.join(', ')],
    ...Object.entries(limits).map(([key, value]): [string, string] => [key, count(value)]),
    ['browser', navigator.userAgent],
  ];
  return rows.map(([key, value]) => [key, value === '' ? '(not told)' : value]);
}

function markdown({ head, rows }: TextTable): string {
  const line = (cells: Cells): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export function reportText(findings: Findings): string {
  const { device, comparisons, checked } = findings;
  const parts = [`# zooc ${versions.zooc} on this device`];
  if (device !== undefined)
    parts.push(`## Adapter\n\n${markdown({ head: ['what', 'value'], rows: adapterRows(device) })}`);
  for (const comparison of comparisons) {
    const { own, other } = comparison;
    const all = (timed: Timed): string => timed.times.map((time) => time.toFixed(1)).join(' ');
    const times = [`zooc, ms: ${all(own)}`, ...('reason' in other ? [] : [`jax-js, ms: ${all(other)}`])];
    const notes = [...comparisonNotes(comparison), ...times].map((note) => `- ${note}`);
    parts.push(
      `## ${comparisonTitle(comparison)}\n\n${markdown(comparisonTable(comparison))}\n\n${notes.join('\n')}`,
    );
  }
  if (checked !== undefined) parts.push(...checkSections(checked));
  return `${parts.join('\n\n')}\n`;
}
