/**
 * Numbers to words: medians and quartiles, ratios within rounds, one table in Markdown, the whole as JSON.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ceiling } from '../zoo/bench/measure.ts';
import { median } from '../zoo/bench/measure.ts';
import { mebibytes, table, writeText } from '../zoo/cli/output.ts';
import { type Cell, isWrong } from './measure.ts';
import { tolerance } from './rows.ts';

export interface MeasuredRow {
  readonly name: string;
  readonly gflop: number;
  readonly cells: readonly Cell[];
}

export interface Report {
  readonly adapter: {
    readonly name: string;
    readonly backend: string;
    readonly driver: string;
    readonly type: string;
  };
  readonly date: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: string;
  readonly rounds: number;
  readonly chain: number;
  readonly ceiling: readonly Ceiling[];
  readonly rows: readonly MeasuredRow[];
}

/** Linear between the values beside it, as numpy's default. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)]!;
  return low + (sorted[Math.ceil(at)]! - low) * (at % 1);
}

/** Its time over zooc's in the same round: the median over all rounds. */
function ratioOf(cell: Cell, zooc: Cell | undefined): string {
  if (zooc === undefined || zooc.problem !== undefined) return '';
  return `${median(cell.seconds.map((s, i) => s / zooc.seconds[i]!)).toFixed(2)}×`;
}

function milliseconds(seconds: number): string {
  const ms = seconds * 1000;
  return ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0);
}

/** A library whose calls do not pass Dawn's bindings has no counts. */
function counted(cell: Cell, text: string): string {
  return cell.dispatches === 0 ? 'unseen' : text;
}

const head = [
  'row',
  'library',
  'ms',
  'quartiles',
  '× zooc',
  'processor ms',
  'GFLOP/s',
  'of ceiling',
  'dispatches / submits',
  'device memory',
  'resident',
  'first result s',
  'difference',
];

function cellsOf(row: MeasuredRow, cell: Cell, best: number): string[] {
  if (cell.problem !== undefined) return [row.name, cell.contestant, `no number: ${cell.problem}`];
  const time = median(cell.seconds);
  const gflops = row.gflop / time;
  const difference = cell.difference?.toExponential(0) ?? '';
  return [
    row.name,
    cell.contestant,
    milliseconds(time),
    `${milliseconds(quantile(cell.seconds, 0.25))}–${milliseconds(quantile(cell.seconds, 0.75))}`,
    ratioOf(
      cell,
      row.cells.find((c) => c.contestant === 'zooc'),
    ),
    cell.processorSeconds ? milliseconds(median(cell.processorSeconds)) : 'unseen',
    gflops.toFixed(1),
    (gflops / best).toFixed(2),
    counted(cell, `${cell.dispatches} / ${cell.submits}`),
    counted(cell, mebibytes(cell.deviceBytes)),
    mebibytes(cell.residentBytes),
    cell.firstSeconds.toFixed(1),
    isWrong(cell) ? `WRONG ${difference}` : difference,
  ];
}

function markdown(rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const filled = rows.map((r) => line([...r, ...head.slice(r.length).map(() => '')]));
  return [line(head), line(head.map(() => '---')), ...filled].join('\n');
}

function bestCeiling({ ceiling }: Report): number {
  return Math.max(...ceiling.map((c) => c.gflops));
}

function bodyOf(report: Report): string[][] {
  const best = bestCeiling(report);
  return report.rows.flatMap((row) => row.cells.map((cell) => cellsOf(row, cell, best)));
}

function remarks(report: Report): string[] {
  const versions = Object.entries(report.versions).map(([name, version]) => `${name} ${version}`);
  const products = report.ceiling.map((c) => `${c.m}×${c.k}×${c.n}: ${c.gflops.toFixed(1)}`);
  return [
    `${report.adapter.name} (${report.adapter.backend}, ${report.adapter.driver}); ${report.machine}; ${report.date}`,
    versions.join(', '),
    `${report.rounds} rounds in turns; median and quartiles of one call, inputs from the host, result back on the host; ratios within a round`,
    `products are chains of ${report.chain}; the ceiling is zooc's best single product, GFLOP/s: ${products.join(', ')}`,
    `difference: largest from zooc's result over its largest value, over all calls; allowed ${tolerance}`,
  ];
}

export function printed(report: Report): string {
  return [
    table([head, ...bodyOf(report)], [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    '',
    ...remarks(report),
  ].join('\n');
}

function document(report: Report): string {
  const lines = remarks(report).map((r) => `- ${r}`);
  return [`# ${report.adapter.name}`, '', ...lines, '', markdown(bodyOf(report)), ''].join('\n');
}

/** Writes the report as Markdown and JSON, named after the adapter; gives the paths. */
export async function saveReport(report: Report, folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const words = report.adapter.name.toLowerCase().match(/[a-z0-9]+/g) ?? ['adapter'];
  const paths = ['json', 'md'].map((extension) => join(folder, `${words.join('-')}.${extension}`));
  await writeText(paths[0]!, `${JSON.stringify(report, null, 2)}\n`);
  await writeText(paths[1]!, document(report));
  return paths;
}
