/** What `--profile [FILE.json]` shows: a table for each session on stderr, and a Chrome trace in the file. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fail } from '../../grammar/diagnostics.ts';
import { ProfileRecorder } from '../../runtime/profile/recorder.ts';
import { type ProfileSummary, type SessionSummary, summarize } from '../../runtime/profile/summary.ts';
import { chromeTrace } from '../../runtime/profile/trace.ts';
import { count, note, table, writeText } from './output.ts';

/** As commander gives it: the option alone, or with a file. */
export type ProfileOption = true | string | undefined;

interface Profiling {
  readonly recorder: ProfileRecorder;
  /** Prints the tables and writes the trace; gives the numbers for `--json`. */
  report(): Promise<ProfileSummary>;
}

/**
 * Undefined where no profile was asked for.
 * @throws DiagnosticError Z703 when the file's folder does not exist, before anything runs
 */
export function startProfiling(option: ProfileOption): Profiling | undefined {
  if (option === undefined) return undefined;
  const file = option === true ? undefined : option;
  if (file !== undefined && !existsSync(dirname(file)))
    fail('Z703', `--profile ${file}: ${dirname(file)} does not exist`);
  const recorder = new ProfileRecorder();
  return {
    recorder,
    async report() {
      const summary = summarize(recorder);
      for (const session of summary.sessions) note(`\n${profileTable(session, summary.clock)}`);
      if (file !== undefined) {
        await writeText(file, JSON.stringify(chromeTrace(recorder)));
        note(`trace: ${file} (chrome://tracing, ui.perfetto.dev)`);
      }
      return summary;
    },
  };
}

export function profileTable(session: SessionSummary, clock: ProfileSummary['clock']): string {
  const { model, entry, batch, runs, cold, seconds, host } = session;
  const ms = (s: number) => (s * 1000).toFixed(2);
  const head = ['kernel', 'count', 'ms', 'share', 'GFLOP/s', 'GB/s', 'work'];
  const rows = session.kernels.map((k) => [
    k.kernel,
    String(k.count),
    ms(k.seconds),
    `${(k.share * 100).toFixed(1)} %`,
    k.gflops.toFixed(1),
    k.gigabytes.toFixed(1),
    k.work,
  ]);
  return [
    `${model} ${entry}, batch ${batch}: ${count(runs)} ${runs === 1 ? 'run' : 'runs'}${cold ? ' (the first, with what the driver compiles late)' : ''}, ` +
      `${ms(seconds / runs)} ms a run in kernels (by the ${clock}'s clock)`,
    table([head, ...rows], [1, 2, 3, 4, 5]),
    `host, ms a run: upload ${ms(host.upload)}, encode ${ms(host.encode)}, wait ${ms(host.wait)}; ` +
      `weights ${ms(host.state)} in all`,
  ].join('\n');
}
