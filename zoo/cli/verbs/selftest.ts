/** `zooc selftest`: what the adapter computes by every kernel family and schedule, beside double precision. */
import { fail } from '../../../grammar/diagnostics.ts';
import { writeAtomically, writeFully } from '../../../runtime/data/files/atomic.ts';
import { openGpu } from '../../../runtime/node/gpu.ts';
import type { SelftestPart } from '../../../runtime/selftest/types.ts';
import { nodeHost } from '../../host.ts';
import {
  ceilingLines,
  checkTable,
  deviceRows,
  failureTitle,
  selftestMarkdown,
  verdict,
  wayRound,
  wrongLine,
} from '../../selftest/report.ts';
import { selftest } from '../../selftest/selftest.ts';
import type { SelftestReport } from '../../selftest/types.ts';
import { nodeVersions } from '../../version.ts';
import { closing } from '../closing.ts';
import { note, print, printJson, table } from '../output.ts';

interface SelftestVerbOptions {
  readonly quick?: boolean;
  readonly only?: readonly string[];
  readonly out?: string;
  readonly json?: boolean;
}

/** Wrong outputs and kernels of a failure that the terminal shows. */
const shown = 3;

function text(report: SelftestReport): string {
  const { failures, unchecked, seconds } = report;
  const { head, rows } = checkTable(report);
  const parts = [
    table(deviceRows(report).filter(([, value]) => value !== '–')),
    table([head, ...rows], [2, 4, 5, 6]),
    ...(unchecked.length === 0 ? [] : [`no check had work for ${unchecked.join(', ')}`]),
    ...failures.map((failure) => {
      const { outputs, kernels, message } = failure;
      const blamed = kernels.map(
        ({ label, schedule, key }) =>
          `  kernel ${label}${schedule === undefined ? '' : `: ${schedule} for ${key}`}`,
      );
      const more = (list: readonly unknown[], what: string) =>
        list.length > shown ? [`  ${list.length - shown} more ${what}`] : [];
      return [
        `WRONG ${failureTitle(failure)}`,
        ...(message === undefined ? [] : [`  ${message}`]),
        ...outputs.slice(0, shown).map((output) => `  ${wrongLine(output)}`),
        ...more(outputs, 'outputs'),
        ...blamed.slice(0, shown),
        ...more(blamed, 'kernels'),
      ].join('\n');
    }),
    ...(report.ceilings === undefined ? [] : [ceilingLines(report).join('\n')]),
    `${verdict(report)} (${seconds.toFixed(1)} s)`,
  ];
  return parts.join('\n\n');
}

/** @throws DiagnosticError Z640 where something is wrong, behind the report */
export async function selftestVerb(options: SelftestVerbOptions): Promise<void> {
  const { quick, only, out, json } = options;
  const report = await closing(async (keep) => {
    const { device, report: adapter, because } = await openGpu({ warn: note });
    keep(device);
    note(`${adapter.name}: ${because}`);
    return selftest(
      { device, report: adapter, host: nodeHost(), versions: await nodeVersions() },
      {
        ...(quick === undefined ? {} : { quick }),
        ...(only === undefined ? {} : { only: only as SelftestPart[] }),
        progress: (done, of, doing) => note(`${done + 1} of ${of}: ${doing}`),
      },
    );
  });
  if (json === true) printJson(report);
  else print(text(report));
  if (out !== undefined) {
    await writeAtomically(out, (file) => writeFully(file, Buffer.from(selftestMarkdown(report))));
    note(`wrote ${out}`);
  }
  if (report.passed) return;
  const attach =
    out === undefined
      ? 'zooc selftest --out report.md writes what belongs into an issue'
      : `${out} belongs into an issue`;
  const round = wayRound(report);
  fail('Z640', verdict(report), round === undefined ? attach : `${round} goes round it; ${attach}`);
}
