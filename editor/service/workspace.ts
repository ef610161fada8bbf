/**
 * Open documents over the files of a host, and what is known of each as long as no text changes: the tokens, the
 * tree, the check.
 */

import { besides } from '../../compiler/model/modules/imports.ts';
import type { ModuleHost } from '../../compiler/model/types.ts';
import { Session } from '../../compiler/model/values/session.ts';
import type { Program } from '../../grammar/ast.ts';
import type { Diagnostic } from '../../grammar/diagnostics.ts';
import { parse } from '../../grammar/parser.ts';
import type { SourceFile } from '../../grammar/source.ts';
import { type Check, check, Observer, type Remembered } from './analysis.ts';
import { type Binding, bind } from './binding/bind.ts';
import { type Lexed, lex } from './tokens.ts';

/** What depends on the text of one file alone. */
export interface Syntax {
  readonly file: SourceFile;
  readonly lexed: Lexed;
  readonly program: Program;
  readonly diagnostics: readonly Diagnostic[];
}

const scheme = 'zooc:';

export class Workspace {
  /** Open documents first, then the host's files; bundled packages are files called `zooc:NAME`, too. */
  readonly host: ModuleHost;
  readonly #open = new Map<string, string>();
  readonly #syntax = new Map<string, Syntax>();
  /** Of the texts as they are: any change may concern every file. */
  readonly #observers = new Map<string, Observer>();
  readonly #checks = new Map<string, { readonly check: Check; readonly generation: number }>();
  readonly #remembered = new Map<string, Remembered>();
  #generation = 0;
  #included: readonly string[] = [];
  readonly #bindings = new Map<string, Binding | undefined>();

  constructor(host: ModuleHost) {
    this.host = {
      ...host,
      read: (path) => this.#open.get(path) ?? bundledText(host, path) ?? host.read(path),
      resolve: (spec, from) => {
        const path = /^\.{1,2}\//.test(spec) ? besides(from, spec) : undefined;
        return path !== undefined && this.#open.has(path) ? path : host.resolve(spec, from);
      },
      bundled: (name) => {
        const text = this.#open.get(`${scheme}${name}`);
        return text === undefined ? host.bundled(name) : { path: `${scheme}${name}`, text };
      },
    };
  }

  /** Paths of the open documents, then of the others that were named. */
  get documents(): readonly string[] {
    return [...new Set([...this.#open.keys(), ...this.#included])];
  }

  /** Files whose names count though nobody opened them. */
  include(paths: readonly string[]): void {
    this.#included = paths;
  }

  open(path: string, text: string): void {
    if (this.#open.get(path) === text) return;
    this.#open.set(path, text);
    this.#forget(path);
  }

  close(path: string): void {
    if (this.#open.delete(path)) this.#forget(path);
  }

  refresh(): void {
    this.#forget(scheme);
  }

  #forget(path: string): void {
    // What is remembered of checks takes bundled packages for fixed.
    if (path.startsWith(scheme)) this.#remembered.clear();
    this.#generation++;
    this.#observers.clear();
    this.#bindings.clear();
  }

  /** Undefined also where the host fails to read it. */
  text(path: string): string | undefined {
    return new Session().guard(() => this.host.read(path));
  }

  syntax(path: string): Syntax | undefined {
    const text = this.text(path);
    if (text === undefined) return undefined;
    const known = this.#syntax.get(path);
    if (known?.file.text === text) return known;
    const file: SourceFile = { path, text };
    const { program, diagnostics } = parse(file);
    const syntax = { file, lexed: lex(file), program, diagnostics };
    this.#syntax.set(path, syntax);
    return syntax;
  }

  /** The mistakes of a file; undefined where it cannot be read. */
  check(path: string): Check | undefined {
    const steps = this.checking(path);
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value;
    }
  }

  /** The same in steps; undefined also where a text changes before the last of them. */
  *checking(path: string): Generator<undefined, Check | undefined> {
    if (this.text(path) === undefined) return undefined;
    const generation = this.#generation;
    const known = this.#checks.get(path);
    if (known?.generation === generation) return known.check;
    const remembered: Remembered = this.#remembered.get(path) ?? new Map();
    this.#remembered.set(path, remembered);
    const steps = check(this.host, path, remembered);
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) {
        this.#checks.set(path, { check: value, generation });
        return value;
      }
      yield;
      if (this.#generation !== generation) return undefined;
    }
  }

  /** The values of a file's expressions; undefined where it cannot be read. */
  observer(path: string): Observer | undefined {
    if (!this.#observers.has(path) && this.text(path) !== undefined)
      this.#observers.set(path, new Observer(this.host, path));
    return this.#observers.get(path);
  }

  /** What the names of a file stand for, without a check; undefined where it cannot be read. */
  binding(path: string): Binding | undefined {
    if (!this.#bindings.has(path)) this.#bindings.set(path, bind(this.host, path));
    return this.#bindings.get(path);
  }
}

function bundledText(host: ModuleHost, path: string): string | undefined {
  return path.startsWith(scheme) ? host.bundled(path.slice(scheme.length))?.text : undefined;
}
