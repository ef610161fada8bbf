/**
 * One check of a file, watched: its diagnostics, and of each expression the values that it had.
 *
 * An expression of a block is evaluated for each instance of each model. The first few different values are kept,
 * with where they were seen.
 */
import { type Witness, watch } from '../../compiler/model/build/evaluator.ts';
import { checkModule } from '../../compiler/model/check.ts';
import { ModuleLoader } from '../../compiler/model/modules/imports.ts';
import type { ModuleHost } from '../../compiler/model/types.ts';
import type { Module } from '../../compiler/model/values/module.ts';
import type { Env } from '../../compiler/model/values/scope.ts';
import { Session } from '../../compiler/model/values/session.ts';
import type { Value } from '../../compiler/model/values/values.ts';
import type { Expr } from '../../grammar/ast.ts';
import type { Diagnostic } from '../../grammar/diagnostics.ts';
import type { Range } from './types.ts';
import { valueText } from './values.ts';

export interface Seen {
  readonly value: Value;
  readonly env: Env;
  /** As people read it: `[B, 50, 768]`, `12`. */
  readonly text: string;
}

export interface Analysis {
  readonly module: Module | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** By the place of an expression in the file: `start:end`. */
  readonly seen: ReadonlyMap<string, readonly Seen[]>;
  /** Values of a name declared at a place, by the expressions that were evaluated with it in reach. */
  uses(at: Range, name: string): Generator<Seen>;
}

/** Different values of one expression that are kept. */
const maxSeen = 4;
/** Evaluations of one expression that are looked at: an array of children has hundreds of the same. */
const maxLooks = 48;

export const placeKey = ({ start, end }: { readonly start: number; readonly end: number }) =>
  `${start}:${end}`;

export function analyse(host: ModuleHost, path: string): Analysis | undefined {
  if (host.read(path) === undefined) return undefined;
  const session = new Session();
  const seen = new Map<string, Seen[]>();
  const looks = new Map<Expr, number>();
  const witness: Witness = (expr, value, env) => {
    if (expr.span.file.path !== path || value.kind === 'poison') return;
    const count = (looks.get(expr) ?? 0) + 1;
    looks.set(expr, count);
    if (count > maxLooks) return;
    const key = placeKey(expr.span);
    const known = seen.get(key);
    if (known !== undefined && known.length >= maxSeen) return;
    const text = valueText(value, env);
    if (text === undefined || known?.some((s) => s.text === text)) return;
    if (known === undefined) seen.set(key, [{ value, env, text }]);
    else known.push({ value, env, text });
  };
  watch(session, path, witness);
  const loader = new ModuleLoader(host, session);
  const module = session.guard(() => checkModule(loader, path));
  return { module, diagnostics: session.diagnostics, seen, uses: (at, name) => usesOf(seen, at, name) };
}

/** Expressions behind a declaration in whose scope the name is bound: those of the same part of the file come first. */
function* usesOf(seen: ReadonlyMap<string, readonly Seen[]>, at: Range, name: string): Generator<Seen> {
  const behind = [...seen]
    .map(([key, values]) => ({ start: Number(key.split(':')[0]), values }))
    .filter(({ start }) => start >= at.end)
    .sort((a, b) => a.start - b.start);
  const [first] = behind.filter(({ values }) => values.some(({ env }) => env.scope.find(name) !== undefined));
  for (const { env } of first?.values ?? []) {
    const value = env.scope.find(name)?.value;
    const text = value && valueText(value, env);
    if (value !== undefined && text !== undefined) yield { value, env, text };
  }
}
