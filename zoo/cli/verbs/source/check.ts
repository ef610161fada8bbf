/** `zooc check`: parse and type-check files; every independent error of all of them in one run. */
import { checkFile } from '../../../../compiler/model/index.ts';
import { DiagnosticError } from '../../../../grammar/diagnostics.ts';
import { diagnosticToJson, renderDiagnostics } from '../../../../grammar/render.ts';
import { nodeHost } from '../../../host.ts';
import { note, print, printJson } from '../../output.ts';

export function check(files: readonly string[], options: { json?: boolean }): void {
  const host = nodeHost();
  const diagnostics = files.flatMap((file) => checkFile(host, file).diagnostics);
  const errors = diagnostics.filter((d) => d.severity === 'error').length;
  if (options.json === true) {
    printJson(diagnostics.map(diagnosticToJson));
    if (errors > 0) process.exitCode = 1;
    return;
  }
  if (errors > 0) throw new DiagnosticError(diagnostics);
  if (diagnostics.length > 0) note(renderDiagnostics(diagnostics));
  print(`${files.length === 1 ? files[0] : `${files.length} files`}: no errors`);
}
