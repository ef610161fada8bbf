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
import { note } from './output.ts';

/** The diagnostics that an error stands for; none if it is a defect of ours. */
function diagnosticsOf(error: unknown): readonly Diagnostic[] {
  if (error instanceof DiagnosticError) return error.diagnostics;
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
