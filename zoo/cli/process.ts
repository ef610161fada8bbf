/**
 * What belongs to the process of the command line: streams that nobody reads, errors that nobody caught.
 *
 * Whatever happens, a process that did not do what it was asked ends with words and an exit code above 0.
 */
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { systemReason } from '../../runtime/data/files/atomic.ts';
import { report } from './failure.ts';

function failed(error: unknown): void {
  process.exitCode = report(error);
}

/**
 * A reader that closes the pipe early (`zooc list | head -1`) is no error; anything else that stdout refuses is.
 * With stderr gone nobody can be told, and a run goes on.
 */
function watchStreams(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return;
    const message = `cannot write to stdout: ${systemReason(error) ?? error.message}`;
    failed(new DiagnosticError([{ code: 'Z701', severity: 'error', message }]));
  });
  process.stderr.on('error', () => {});
}

/** Node's code where nothing is left to wait for and yet something is waited for. It says nothing. */
const unsettled = 13;

/** Runs `body` as all that this process does. */
export async function runProcess(body: () => Promise<void>): Promise<void> {
  watchStreams();
  for (const event of ['uncaughtException', 'unhandledRejection'] as const)
    process.on(event, (error: unknown) => {
      failed(error);
      // What goes on behind it cannot be trusted.
      process.exit();
    });
  let done = false;
  process.on('exit', () => {
    if (!done && process.exitCode === unsettled)
      failed(new Error('the process ended before its work was done'));
  });
  await body();
  done = true;
}
