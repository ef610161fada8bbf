/**
 * Diagnostics are data: what is wrong, where, both values with their origins, and one line of
 * help phrased as an edit.
 *
 * Nothing in the language throws for a user's mistake; stages return or collect diagnostics. `render.ts` is
 * the one renderer. Codes: Z1xx syntax, Z2xx names and arguments, Z3xx shapes and values, Z4xx weights and
 * data files, Z5xx recipes, Z6xx devices and running. `docs/reference/errors.md` lists them all.
 */
import type { Span } from './source.ts';

/** An error keeps anything from being made, a warning does not. */
export type Severity = 'error' | 'warning';

/** A secondary place in the source with what it contributes ("gives 512"). */
export interface Label {
  readonly span: Span;
  readonly text: string;
}

/** An edit that would repair the mistake, for editors. */
export interface Fix {
  readonly span: Span;
  readonly replacement: string;
}

/** Something that is wrong, or worth a look, with its place in a text where it has one. */
export interface Diagnostic {
  /** `Z301` and so on. */
  readonly code: string;
  readonly severity: Severity;
  /** Leads with the fact: "cannot add [B, 50, 768] and [B, 50, 512]: axis 2 differs". No final full stop. */
  readonly message: string;
  /** The primary place; absent only where no source exists (a missing weights file, say). */
  readonly span?: Span;
  /** What to write under the primary caret. */
  readonly caption?: string;
  readonly labels?: readonly Label[];
  /** "required at clip.zoo:19" and the like. */
  readonly notes?: readonly string[];
  readonly help?: string;
  readonly fix?: Fix;
}

/**
 * Thrown by code that cannot continue, caught at the stage's edge; carries data,
 * never shown as a stack trace.
 */
export class DiagnosticError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map((d) => `${d.code}: ${d.message}`).join('\n'));
    this.name = 'DiagnosticError';
    this.diagnostics = diagnostics;
  }
}

/** Raises one diagnostic without a source position: a file, a device or an argument is wrong. */
export function fail(code: string, message: string, help?: string): never {
  throw new DiagnosticError([{ code, severity: 'error', message, ...(help === undefined ? {} : { help }) }]);
}

/**
 * Raises problems, if there are any, with notes behind their own.
 * @throws DiagnosticError
 */
export function refuseAll(problems: readonly Diagnostic[], notes: readonly string[]): void {
  if (problems.length === 0) return;
  throw new DiagnosticError(problems.map((d) => ({ ...d, notes: [...(d.notes ?? []), ...notes] })));
}
