/** `zooc fmt`: canonical formatting, in place. Files with syntax errors are reported and left alone. */
import { type Diagnostic, DiagnosticError } from '../../../../grammar/diagnostics.ts';
import { parse } from '../../../../grammar/parser.ts';
import { format } from '../../../../grammar/printer.ts';
import { readTextSync } from '../../../../runtime/data/files/read-fully.ts';
import { note, writeText } from '../../output.ts';

export async function fmt(files: readonly string[], options: { check?: boolean }): Promise<void> {
  const problems: Diagnostic[] = [];
  for (const path of files) {
    const text = readTextSync(path, 'Z701');
    const { program, diagnostics } = parse({ path, text });
    if (diagnostics.some((d) => d.severity === 'error')) {
      problems.push(...diagnostics);
      continue;
    }
    const formatted = format(program);
    if (formatted === text) continue;
    if (options.check === true) {
      const message = `${path} is not in the canonical format`;
      problems.push({ code: 'Z705', severity: 'error', message, help: `zooc fmt ${path}` });
    } else {
      await writeText(path, formatted);
      note(`formatted ${path}`);
    }
  }
  if (problems.length > 0) throw new DiagnosticError(problems);
}
