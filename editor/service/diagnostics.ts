/** The mistakes of a file as an editor shows them, and the edits that mend them. */
import type { Module } from '../../compiler/model/values/module.ts';
import type { Diagnostic } from '../../grammar/diagnostics.ts';
import type { Span } from '../../grammar/source.ts';
import type { Check } from './analysis.ts';
import { importedModule } from './binding/bind.ts';
import type { CodeAction, Location, Range, ServiceDiagnostic } from './types.ts';
import type { Workspace } from './workspace.ts';

export function diagnosticsOf(workspace: Workspace, path: string): ServiceDiagnostic[] {
  return told(workspace.check(path), path) ?? [];
}

export function* diagnosing(
  workspace: Workspace,
  path: string,
): Generator<undefined, ServiceDiagnostic[] | undefined> {
  return told(yield* workspace.checking(path), path);
}

function told(check: Check | undefined, path: string): ServiceDiagnostic[] | undefined {
  return check?.diagnostics.map((d) => shown(d, path, check.module));
}

function locationOf({ file, start, end }: Span): Location {
  return { path: file.path, start, end };
}

/** What is wrong in an imported file is shown at the import, with the place itself as a label. */
function shown(diagnostic: Diagnostic, path: string, module: Module | undefined): ServiceDiagnostic {
  const { code, severity, message, span, caption, help, notes = [], labels = [], fix } = diagnostic;
  const away = span !== undefined && span.file.path !== path ? span : undefined;
  const at = away === undefined ? span : module && importOf(module, away.file.path);
  return {
    start: at?.start ?? 0,
    end: at?.end ?? 0,
    code,
    severity,
    message: away === undefined ? message : `${away.file.path}: ${message}`,
    ...(caption === undefined ? {} : { caption }),
    ...(help === undefined ? {} : { help }),
    notes,
    labels: [
      ...(away === undefined ? [] : [{ ...locationOf(away), text: 'here' }]),
      ...labels.map((label) => ({ ...locationOf(label.span), text: label.text })),
    ],
    ...(fix === undefined || fix.span.file.path !== path
      ? {}
      : { fix: { start: fix.span.start, end: fix.span.end, text: fix.replacement } }),
  };
}

/** The import that leads to a file, itself or through others. */
function importOf(module: Module, path: string): Span | undefined {
  const leads = (from: Module | undefined, seen: Set<Module>): boolean => {
    if (from === undefined || seen.has(from)) return false;
    seen.add(from);
    return (
      from.file.path === path ||
      from.program.imports.some((item) => leads(importedModule(from, item.from), seen))
    );
  };
  return module.program.imports.find((item) => leads(importedModule(module, item.from), new Set([module])))
    ?.from.span;
}

export function actionsOf(workspace: Workspace, path: string, { start, end }: Range): CodeAction[] {
  return diagnosticsOf(workspace, path).flatMap(({ fix, code, ...at }) => {
    if (fix === undefined || at.start > end || at.end < start) return [];
    return [{ title: titleOf(fix.text, fix.start === fix.end), code, edits: [fix] }];
  });
}

function titleOf(text: string, added: boolean): string {
  return added ? `add \`${text.trim().replace(/^, /, '')}\`` : `replace with \`${text}\``;
}
