/**
 * `names` maps: bijective rules between our weight names and another format's.
 *
 * `{i}` stands for one part of a name without dots, `{q,k,v}` on the right for several tensors in a row (with
 * `split(axis)`, which cuts ours into that many). Every variable stands on both sides, so each rule can be
 * read either way.
 */
import type { Expr, NameRule as NameRuleExpr, StringExpr } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { contextOf } from '../build/evaluator.ts';
import { lookup } from '../modules/imports.ts';
import { inSession, openReference, pick } from '../resolve/resolve.ts';
import type { Model, ModuleHost, Result } from '../types.ts';
import type { Module } from '../values/module.ts';
import { evaluate, staticEnv } from '../values/scope.ts';
import type { Session } from '../values/session.ts';
import { describe } from '../values/values.ts';

/** Applied to our tensor on export, undone on import. */
type NameTransform = { readonly kind: 'transpose' } | { readonly kind: 'split'; readonly axis: number };

/** A name as literal text, variables and alternatives. */
type NamePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'alternatives'; readonly choices: readonly string[] };

interface NameRule {
  readonly from: readonly NamePart[];
  readonly to: readonly NamePart[];
  readonly transforms: readonly NameTransform[];
}

export interface NameMap {
  readonly name: string;
  readonly rules: readonly NameRule[];
}

/** One of our tensors and the tensors it becomes, after the transforms. */
export interface MappedName {
  readonly ours: string;
  readonly theirs: readonly string[];
  readonly transforms: readonly NameTransform[];
}

// ── applying ───────────────────────────────────────────────────────────────────────────────────────────────

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** Variables of a rule by name if `name` fits its left side. */
function match(parts: readonly NamePart[], name: string): Map<string, string> | undefined {
  const variables: string[] = [];
  const source = parts.map((part) => {
    if (part.kind !== 'variable') return literally(part.kind === 'text' ? part.text : '');
    variables.push(part.name);
    return '([^.]+)';
  });
  const found = new RegExp(`^${source.join('')}$`).exec(name);
  return found === null ? undefined : new Map(variables.map((v, i) => [v, found[i + 1]!]));
}

function fill(parts: readonly NamePart[], values: ReadonlyMap<string, string>): string[] {
  let names = [''];
  for (const part of parts) {
    const choices =
      part.kind === 'text'
        ? [part.text]
        : part.kind === 'variable'
          ? [values.get(part.name) ?? '']
          : part.choices;
    names =
      choices.length === 1
        ? names.map((n) => n + choices[0])
        : names.flatMap((n) => choices.map((c) => n + c));
  }
  return names;
}

/** What one of our names becomes; undefined if no rule names it. The first rule that fits wins. */
export function mapName(map: NameMap, ours: string): MappedName | undefined {
  for (const { from, to, transforms } of map.rules) {
    const values = match(from, ours);
    if (values !== undefined) return { ours, theirs: fill(to, values), transforms };
  }
  return undefined;
}

/** A model's weights under a map; those that no rule names are listed apart. */
export function mapWeights(
  map: NameMap,
  model: Model,
): { readonly mapped: MappedName[]; readonly unmapped: string[] } {
  const mapped: MappedName[] = [];
  const unmapped: string[] = [];
  for (const { name } of model.weights) {
    const found = mapName(map, name);
    if (found === undefined) unmapped.push(name);
    else mapped.push(found);
  }
  return { mapped, unmapped };
}

/**
 * The shape of each of a weight's tensors under a map; undefined where the transforms do not fit the weight.
 */
export function mappedShape(mapped: MappedName, ours: readonly number[]): readonly number[] | undefined {
  let shape = [...ours];
  for (const transform of mapped.transforms) {
    if (transform.kind === 'transpose') {
      if (shape.length !== 2) return undefined;
      shape.reverse();
      continue;
    }
    const size = shape[transform.axis];
    if (size === undefined || size % mapped.theirs.length !== 0) return undefined;
    shape = shape.with(transform.axis, size / mapped.theirs.length);
  }
  return shape;
}

// ── evaluating ─────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A `names` map by reference: `clip.zoo#anything` or a bundled model's name gives the file, `map` the
 * declaration.
 */
export function nameRules(host: ModuleHost, reference: string, map: string): Result<NameMap> {
  return inSession(host, (loader, session) => {
    const opened = openReference(loader, reference);
    if (opened === undefined) return undefined;
    const decl = pick(loader, { module: opened.module, name: map }, 'names map', opened.module.maps);
    return decl === undefined
      ? undefined
      : { name: map, rules: evaluateRules(decl.rules, opened.module, session) };
  });
}

/** Checks every map of a module. */
export function checkNames(module: Module, session: Session): void {
  for (const decl of module.maps.values()) {
    if (module.damaged.has(decl)) continue;
    const target = lookup(module, decl.target.text);
    if (target?.kind !== 'block' && target !== null && !module.broken) {
      session.report(
        'Z206',
        decl.target.span,
        `names ${decl.name.text} is for \`${decl.target.text}\`, which is no block`,
      );
    }
    evaluateRules(decl.rules, module, session);
  }
}

function evaluateRules(rules: readonly NameRuleExpr[], module: Module, session: Session): NameRule[] {
  const seen = new Map<string, Span>();
  return rules.flatMap((rule) => {
    const key = shapeOfName(rule.from.value);
    const before = seen.get(key);
    if (before !== undefined) {
      session.report('Z218', rule.from.span, 'another rule names the same weights', {
        labels: [{ span: before, text: 'first here' }],
      });
    }
    seen.set(key, rule.from.span);
    return evaluateRule(rule, module, session) ?? [];
  });
}

function evaluateRule(rule: NameRuleExpr, module: Module, session: Session): NameRule | undefined {
  const from = parseName(rule.from, session);
  const to = parseName(rule.to, session);
  const transforms = rule.transforms.map((t) => evaluateTransform(t, module, session));
  if (from === undefined || to === undefined || transforms.some((t) => t === undefined)) return undefined;
  const known = transforms as NameTransform[];
  const fault = ruleFault(rule, from, to, known);
  if (fault === undefined) return { from, to, transforms: known };
  session.report('Z218', fault.span, fault.message, fault.help === undefined ? {} : { help: fault.help });
  return undefined;
}

function ruleFault(
  rule: NameRuleExpr,
  from: readonly NamePart[],
  to: readonly NamePart[],
  transforms: readonly NameTransform[],
): { span: Span; message: string; help?: string } | undefined {
  const variables = (parts: readonly NamePart[]) =>
    parts.flatMap((p) => (p.kind === 'variable' ? [p.name] : []));
  for (const [mine, theirs, span, side] of [
    [from, to, rule.from.span, 'right'],
    [to, from, rule.to.span, 'left'],
  ] as const) {
    const names = variables(mine);
    const lost = names.find((n) => !variables(theirs).includes(n));
    if (lost !== undefined)
      return { span, message: `{${lost}} is missing on the ${side}, so the name could not be read back` };
    const twice = names.find((n, i) => names.indexOf(n) < i);
    if (twice !== undefined) return { span, message: `{${twice}} stands twice in one name` };
  }
  if (from.some((p) => p.kind === 'alternatives')) {
    return { span: rule.from.span, message: 'alternatives {a,b} belong on the right: ours is one tensor' };
  }
  const split = transforms.some((t) => t.kind === 'split');
  const parts = to.filter((p) => p.kind === 'alternatives').length;
  if (split === (parts === 1) && parts <= 1) return undefined;
  const help = 'split(0) "...{q,k,v}_proj.weight"';
  return { span: rule.to.span, message: 'split(axis) and one group {a,b,c} on the right go together', help };
}

/** A name with its variables unnamed, to see which rules collide. */
function shapeOfName(name: string): string {
  return name.replace(/\{[^{},]*\}/g, '{}');
}

function parseName(text: StringExpr, session: Session): NamePart[] | undefined {
  const parts: NamePart[] = [];
  for (const piece of text.value.split(/(\{[^{}]*\})/)) {
    if (piece === '') continue;
    if (!piece.startsWith('{')) {
      if (/[{}]/.test(piece)) {
        session.report('Z218', text.span, 'a brace in a name is not closed');
        return undefined;
      }
      parts.push({ kind: 'text', text: piece });
      continue;
    }
    const inside = piece
      .slice(1, -1)
      .split(',')
      .map((s) => s.trim());
    if (inside.some((s) => !/^[A-Za-z0-9_]+$/.test(s))) {
      session.report('Z218', text.span, `${piece} must hold a name, or names with commas between`);
      return undefined;
    }
    parts.push(
      inside.length === 1
        ? { kind: 'variable', name: inside[0]! }
        : { kind: 'alternatives', choices: inside },
    );
  }
  return parts;
}

function evaluateTransform(expr: Expr, module: Module, session: Session): NameTransform | undefined {
  const callee = expr.kind === 'call' ? expr.callee : expr;
  if (expr.kind === 'name' && expr.text === 'transpose') return { kind: 'transpose' };
  const [argument, ...more] = expr.kind === 'call' ? expr.args : [];
  if (callee.kind === 'name' && callee.text === 'split' && argument !== undefined && more.length === 0) {
    const axis = evaluate(argument.value, staticEnv(contextOf(session), module));
    if (axis.kind === 'int' && axis.value >= 0) return { kind: 'split', axis: axis.value };
    if (axis.kind !== 'poison')
      session.report('Z218', argument.span, `split needs an axis, got ${describe(axis)}`);
    return undefined;
  }
  if (expr.kind !== 'error') {
    session.report('Z218', expr.span, 'a rule can `transpose` or `split(axis)`', {
      help: '"ours" -> transpose "theirs"',
    });
  }
  return undefined;
}
