/**
 * What one check shares: the diagnostics found so far, the chain of calls that led here, and the limits of
 * evaluation.
 *
 * `report` never throws, it returns `poison`, so the caller goes on and finds independent errors. Errors
 * inside a bundled package are moved to the place in the user's file that led there, with a note about the
 * library line. One place is reported once, however many layers run into it.
 */

import type { BlockDecl } from '../../../grammar/ast.ts';
import type { Code } from '../../../grammar/codes.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { positionAt, type Span } from '../../../grammar/source.ts';
import { type Poison, poison } from './poison.ts';

/** Expressions evaluated in one check; ViT-L/14 with its loss takes some 20 000. */
const maxSteps = 600_000;
/** Nested calls, blocks and expressions. */
const maxDepth = 600;

export type Extras = Omit<Diagnostic, 'code' | 'severity' | 'message' | 'span'>;

export function isBundled(span: Span): boolean {
  return span.file.path.startsWith('zooc:');
}

/** `clip.zoo:19` */
export function placeOf(span: Span): string {
  const path = span.file.path;
  const name = path.startsWith('zooc:') ? `${path.slice(5)}.zoo` : (path.split(/[\\/]/).pop() ?? path);
  return `${name}:${positionAt(span.file, span.start).line}`;
}

export function sourceText(span: Span): string {
  return span.file.text.slice(span.start, span.end).replace(/\s+/g, ' ');
}

export class Session {
  /**
   * Only sizes are asked of models that are known to be right: members of an array that are alike are made once, and a forward that
   * says its result is not run.
   */
  readonly outline: boolean;
  readonly #found: Diagnostic[] = [];
  readonly #seen = new Set<string>();
  /** Places of the calls and instantiations under way, outermost first. */
  readonly #trail: Span[] = [];
  #errors = 0;
  #reports = 0;
  #steps = 0;
  #depth = 0;
  /** Blocks in a cycle, which was reported: they are not instantiated. */
  readonly cyclic = new Set<BlockDecl>();
  /** How often each function is being called at this moment. */
  readonly activeCalls = new Map<object, number>();
  /** Blocks, functions and objectives whose shapes were checked in some use. */
  readonly instantiated = new Set<object>();

  constructor({ outline = false }: { readonly outline?: boolean } = {}) {
    this.outline = outline;
  }

  get diagnostics(): readonly Diagnostic[] {
    return this.#found;
  }

  get hasErrors(): boolean {
    return this.#found.some((d) => d.severity === 'error');
  }

  /** Errors so far, repeated ones too; two readings tell whether something failed in between. */
  get errorCount(): number {
    return this.#errors;
  }

  /** Errors and warnings so far, repeated ones too. */
  get reportCount(): number {
    return this.#reports;
  }

  report(code: Code, span: Span, message: string, extras: Extras = {}): Poison {
    this.#add({ code, severity: 'error', message, span, ...extras });
    return poison;
  }

  warn(code: Code, span: Span, message: string, extras: Extras = {}): void {
    this.#add({ code, severity: 'warning', message, span, ...extras });
  }

  /** Diagnostics of other stages (the parser's), unchanged. */
  adopt(diagnostics: readonly Diagnostic[]): void {
    for (const d of diagnostics) this.#add(d);
  }

  #add(diagnostic: Diagnostic): void {
    this.#reports++;
    if (diagnostic.severity === 'error') this.#errors++;
    const at = diagnostic.span;
    if (at !== undefined && this.#repeats(at)) return;
    const anchored = this.#anchor(diagnostic);
    if (
      anchored !== diagnostic &&
      anchored.span !== undefined &&
      this.#repeats(anchored.span, anchored.message)
    )
      return;
    this.#found.push(anchored);
  }

  #repeats(span: Span, text = ''): boolean {
    const key = `${span.file.path}:${span.start}:${span.end}:${text}`;
    if (this.#seen.has(key)) return true;
    this.#seen.add(key);
    return false;
  }

  /** Moves an error inside a bundled package to the innermost place of the user's files on the trail. */
  #anchor(diagnostic: Diagnostic): Diagnostic {
    const { span } = diagnostic;
    if (span === undefined || !isBundled(span)) return diagnostic;
    const place = this.#trail.findLast((s) => !isBundled(s));
    if (place === undefined) return diagnostic;
    const { caption: _, fix: __, ...rest } = diagnostic;
    const labels = (diagnostic.labels ?? []).filter((l) => !isBundled(l.span));
    const note = `in ${placeOf(span)}: ${shorten(sourceText(span))}`;
    return { ...rest, span: place, labels, notes: [...(diagnostic.notes ?? []), note] };
  }

  /** Runs `body` with `span` on the trail, one level deeper. */
  within<T>(span: Span, body: () => T): T {
    this.#trail.push(span);
    try {
      return this.deeper(span, body);
    } finally {
      this.#trail.pop();
    }
  }

  /** The innermost place in a user's file that is being evaluated. */
  userPlace(): Span | undefined {
    return this.#trail.findLast((s) => !isBundled(s));
  }

  deeper<T>(span: Span, body: () => T): T {
    this.enter(span);
    try {
      return body();
    } finally {
      this.leave();
    }
  }

  /** One level deeper until `leave`, for what is evaluated too often for a closure. */
  enter(span: Span): void {
    if (++this.#depth > maxDepth)
      this.#limit(span, 'blocks, calls and expressions are nested too deeply here');
  }

  leave(): void {
    this.#depth--;
  }

  /** Counts work; throws when the limit is reached. */
  spend(span: Span, steps = 1): void {
    this.#steps += steps;
    if (this.#steps > maxSteps) this.#limit(span, `the model takes more than ${maxSteps} steps to elaborate`);
  }

  #limit(span: Span, message: string): never {
    const place = isBundled(span) ? (this.userPlace() ?? span) : span;
    throw new DiagnosticError([{ code: 'Z314', severity: 'error', message, span: place }]);
  }

  /** A stage's edge: limits and failures that arrive as exceptions become diagnostics. */
  guard<T>(body: () => T): T | undefined {
    const depth = this.#depth;
    const trail = this.#trail.length;
    try {
      return body();
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      this.adopt(error.diagnostics);
      return undefined;
    } finally {
      this.#depth = depth;
      this.#trail.length = trail;
    }
  }
}

function shorten(text: string): string {
  return text.length > 70 ? `${text.slice(0, 67)}...` : text;
}
