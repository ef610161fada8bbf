/** `zooc check`: parse and type-check files; every independent error of all of them in one run. */
import { checkFile } from '../../../compiler/model/index.ts';
import { type Diagnostic, DiagnosticError } from '../../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { positionAt } from '../../../grammar/source.ts';
import { nodeHost } from '../host.ts';
import { note, print, printJson } from '../output.ts';

/** A diagnostic as the contract's JSON: lines and columns from 1, the end behind the last character. */
function toJson(d: Diagnostic): Record<string, unknown> {
  const { span } = d;
  const start = span && positionAt(span.file, span.start);
  const end = span && positionAt(span.file, span.end);
  return {
    code: d.code,
    severity: d.severity,
    message: d.message,
    file: span?.file.path ?? null,
    line: start?.line ?? null,
    column: start?.column ?? null,
    endLine: end?.line ?? null,
    endColumn: end?.column ?? null,
    ...(d.help === undefined ? {} : { help: d.help }),
  };
}

/** Two files that import a faulty third one report its errors once. */
function distinct(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set<string>();
  return diagnostics.filter((d) => {
    const key = JSON.stringify(toJson(d));
    return !seen.has(key) && seen.add(key);
  });
}

export function check(files: readonly string[], options: { json?: boolean }): void {
  const host = nodeHost();
  const diagnostics = distinct(files.flatMap((file) => checkFile(host, file).diagnostics));
  const errors = diagnostics.filter((d) => d.severity === 'error').length;
  if (options.json === true) {
    printJson(diagnostics.map(toJson));
    if (errors > 0) process.exitCode = 1;
    return;
  }
  if (errors > 0) throw new DiagnosticError(diagnostics);
  if (diagnostics.length > 0) note(renderDiagnostics(diagnostics));
  print(`${files.length === 1 ? files[0] : `${files.length} files`}: no errors`);
}
