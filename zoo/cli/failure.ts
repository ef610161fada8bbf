/**
 * The one place that turns whatever was thrown into words and an exit code.
 *
 * Diagnostics, and refusals of the operating system (no such file, disk full), are the user's to mend:
 * rendered, exit code 1. Anything else is a defect of zooc: one line, exit code 2, and the stack only when
 * ZOOC_DEBUG=1 asks for it.
 */
import { type Diagnostic, DiagnosticError } from '../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../grammar/render.ts';
import { systemReason } from '../../runtime/data/files/atomic.ts';
import { missingPackage } from '../../runtime/node/optional.ts';
import { note } from './output.ts';

/** Node's loader opens some hundred files at once, and takes one that it may not open for one that is not there. */
const enoughFiles = 1024;

/** How many files the process may have open, where that is too few for what could not be loaded. */
function tooFewFiles(error: unknown): number | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND' && code !== 'ERR_DLOPEN_FAILED') return;
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft: unknown } } };
  const limit = Number(userLimits?.open_files?.soft);
  return limit < enoughFiles ? limit : undefined;
}

/** The diagnostics that an error stands for; none if it is a defect of ours. */
export function diagnosticsOf(error: unknown): readonly Diagnostic[] {
  if (error instanceof DiagnosticError) return error.diagnostics;
  const missing = missingPackage(error);
  const limit = error instanceof Error && missing === undefined ? tooFewFiles(error) : undefined;
  if (limit !== undefined) {
    const message = `zooc cannot be loaded: this process may have no more than ${limit} files open at once`;
    return [{ code: 'Z701', severity: 'error', message, help: `ulimit -n ${enoughFiles}` }];
  }
  if (missing !== undefined) return [missing];
  const reason = systemReason(error);
  if (reason === undefined) return [];
  const { path, syscall } = error as NodeJS.ErrnoException;
  return [{ code: 'Z701', severity: 'error', message: `${path ?? syscall ?? 'system call'}: ${reason}` }];
}

/** Colours for people at a terminal, unless NO_COLOR says otherwise. */
function useColor(): boolean {
  return process.stderr.isTTY === true && !process.env.NO_COLOR;
}

/** Prints what went wrong to stderr; returns the exit code. */
export function report(error: unknown): 1 | 2 {
  const diagnostics = diagnosticsOf(error);
  if (diagnostics.length > 0) {
    note(renderDiagnostics(diagnostics, { color: useColor() }));
    return 1;
  }
  const message = error instanceof Error ? error.message : String(error);
  note(`zooc: internal error: ${message.split('\n')[0]}`);
  note('This is a defect of zooc, not of your input. ZOOC_DEBUG=1 shows where it happened.');
  if (process.env.ZOOC_DEBUG === '1' && error instanceof Error) note(error.stack ?? message);
  return 2;
}
