/** Which argument goes to which parameter: one rule for blocks, functions, forwards, built-ins and models. */
import type { Argument, CallExpr, Expr, Identifier, ParamDecl, PipeExpr } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { type Env, evaluate } from '../values/scope.ts';
import { placeOf, type Session, sourceText } from '../values/session.ts';
import { corrected, didYouMean, spelledHere } from '../values/suggest.ts';
import { poison, type Value } from '../values/values.ts';

export interface Formal {
  readonly name: string;
  /** As declared: `int`, `[B, T, width]`. */
  readonly type: string;
  readonly required: boolean;
  /** Where it is declared; absent for built-ins. */
  readonly span?: Span;
}

/** An argument as written, or a value that a pipe or a chain hands on. */
export interface Actual {
  readonly name?: Identifier;
  readonly expr?: Expr;
  readonly value?: Value;
  readonly span: Span;
  /** Goes to every link of a chain. */
  readonly shared?: boolean;
}

interface Callee {
  /** As messages name it: `VisionTransformer`, `mlp`. */
  readonly name: string;
  readonly formals: readonly Formal[];
  /** Takes any number of leading positional arguments for its first parameter (`concat`). */
  readonly variadic?: boolean;
  /** Takes named arguments beyond its parameters (`rearrange(..., h = heads)`). */
  readonly openNames?: boolean;
}

interface Bound {
  readonly byName: ReadonlyMap<string, Actual>;
  /** Leading arguments of a variadic callee. */
  readonly leading: readonly Actual[];
  readonly ok: boolean;
}

/** By the declarations, which many calls bind arguments to. */
const formals = new WeakMap<readonly ParamDecl[], readonly Formal[]>();

export function formalsOf(params: readonly ParamDecl[]): readonly Formal[] {
  let known = formals.get(params);
  if (known === undefined) {
    known = params.map((p) => ({
      name: p.name.text,
      type: sourceText(p.type.span),
      required: p.default === undefined,
      span: p.span,
    }));
    formals.set(params, known);
  }
  return known;
}

export function actualOf({ name, value: expr, span }: Argument): Actual {
  return name === undefined ? { expr, span } : { name, expr, span };
}

/**
 * The right side of a pipe as the call it is: `x |> f` calls `f()`, which takes x as a further first
 * argument.
 */
export function pipedCall({ right }: PipeExpr): CallExpr {
  let callee = right;
  while (callee.kind === 'group' && callee.inner.kind !== 'elvis') callee = callee.inner;
  return callee.kind === 'call' ? callee : { kind: 'call', callee, args: [], span: callee.span };
}

/** The value of an argument, evaluated where it was written. */
export function actualValue(actual: Actual, env: Env): Value {
  if (actual.value !== undefined) return actual.value;
  return actual.expr === undefined ? poison : evaluate(actual.expr, env);
}

/** Assigns arguments; `partial` allows required ones to be missing, `taken` were given before. */
export function bindArguments(
  session: Session,
  callee: Callee,
  actuals: readonly Actual[],
  span: Span,
  options: { readonly partial?: boolean; readonly taken?: ReadonlySet<string> } = {},
): Bound {
  const byName = new Map<string, Actual>();
  const leading: Actual[] = [];
  let ok = true;
  const names = callee.formals.map((f) => f.name);
  const open = names.filter((n) => !options.taken?.has(n));
  let next = 0;
  for (const actual of actuals) {
    if (actual.name !== undefined) {
      ok = bindNamed(session, callee, actual, actual.name, byName) && ok;
      continue;
    }
    if (callee.variadic) {
      leading.push(actual);
      continue;
    }
    while (next < open.length && byName.has(open[next]!)) next++;
    const name = open[next++];
    if (name === undefined) {
      ok = false;
      if (byName.size <= names.length) tooMany(session, callee, actual, actuals.length);
      break;
    }
    byName.set(name, actual);
  }
  if (ok && options.partial !== true) ok = requireAll(session, callee, byName, span, options.taken);
  return { byName, leading, ok };
}

function bindNamed(
  session: Session,
  callee: Callee,
  actual: Actual,
  name: Identifier,
  byName: Map<string, Actual>,
): boolean {
  const known = callee.formals.map((f) => f.name);
  if (!known.includes(name.text) && callee.openNames !== true) {
    const hint = didYouMean(name.text, known);
    const takes = spelledHere(name.text) ?? { help: `it takes ${signature(callee)}` };
    const help = hint === '' ? takes : corrected(name.text, known, name.span);
    session.report('Z201', name.span, `${callee.name} has no parameter \`${name.text}\`${hint}`, help);
    return false;
  }
  if (byName.has(name.text)) {
    session.report('Z208', actual.span, `\`${name.text}\` of ${callee.name} is given twice`);
    return false;
  }
  byName.set(name.text, actual);
  return true;
}

function tooMany(session: Session, callee: Callee, actual: Actual, count: number): void {
  const takes = callee.formals.length;
  const noun = takes === 1 ? 'argument' : 'arguments';
  session.report('Z208', actual.span, `${callee.name} takes ${takes} ${noun}, got ${count}`, {
    ...(actual.shared === true
      ? { notes: ['further arguments of a chain go to every link, and this link takes none'] }
      : {}),
    help: `it takes ${signature(callee)}`,
  });
}

function requireAll(
  session: Session,
  callee: Callee,
  byName: ReadonlyMap<string, Actual>,
  span: Span,
  taken: ReadonlySet<string> | undefined,
): boolean {
  const missing = callee.formals.filter((f) => f.required && !byName.has(f.name) && !taken?.has(f.name));
  if (missing.length === 0) return true;
  reportMissing(session, callee.name, missing, span);
  return false;
}

export function reportMissing(session: Session, name: string, missing: readonly Formal[], span: Span): void {
  const list = missing.map((f) => `\`${f.name}: ${f.type}\``).join(' and ');
  const at = missing[0]!.span;
  session.report('Z202', span, `${name} needs ${list} and none was given`, {
    ...(at === undefined ? {} : { notes: [`declared at ${placeOf(at)}`] }),
  });
}

/** `(width: int, heads: int)` */
function signature(callee: Callee): string {
  const shown = callee.formals.map((f) => `${f.name}: ${f.type}${f.required ? '' : ' = ...'}`);
  return shown.length === 0 ? 'no arguments' : `(${shown.join(', ')})`;
}
