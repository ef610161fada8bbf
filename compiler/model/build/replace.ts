/**
 * `with "visual.**.c_fc" as LoRALinear(rank = 4)`: other blocks in the places that a pattern fits.
 *
 * Replacements work one after another, each on the model that the ones before it left: what stood in a place
 * is made first, for its arguments and for the names of its weights, and inside what was put there only later
 * ones look for places. Paths are those of weights, from the block that `with` varies.
 */
import type { ParamDecl } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { coerceStatic } from '../evaluate/match.ts';
import { matchesGlob } from '../values/globs.ts';
import { childrenOf } from '../values/instance.ts';
import { nearPaths } from '../values/near-paths.ts';
import { type Session, sourceText } from '../values/session.ts';
import type { BlockValue, BoundArgument, Instance, Poison, Replacement, Value } from '../values/values.ts';
import { formatValue } from '../values/values.ts';

/** A replacement at work below one block. */
export interface Active {
  readonly replacement: Replacement;
  /** Path of the block that it varies. */
  readonly base: string;
  /** Whether it found a place. */
  used: boolean;
}

/** Those of a block, which look for places inside it before those that came from outside. */
export function activeIn(block: BlockValue, base: string, outer: readonly Active[]): readonly Active[] {
  if (block.replacements.length === 0) return outer;
  return [...block.replacements.map((replacement) => ({ replacement, base, used: false })), ...outer];
}

function fits({ replacement, base }: Active, path: string): boolean {
  if (base === '') return matchesGlob(replacement.pattern, path);
  return path.startsWith(`${base}.`) && matchesGlob(replacement.pattern, path.slice(base.length + 1));
}

/**
 * What stands at a path at last; undefined after a report.
 * @param original makes what the text puts there, under the replacements given
 * @param make makes an instance of a replacement's value, which stands at the span
 */
export function placed(
  path: string,
  active: readonly Active[],
  original: (inner: readonly Active[]) => Instance | undefined,
  make: (value: Value, span: Span, inner: readonly Active[]) => Instance | undefined,
  session: Session,
): Instance | undefined {
  const here = active.flatMap((one, i) => (fits(one, path) ? [i] : []));
  let instance = original(active.slice(0, here[0] ?? active.length));
  for (const [n, i] of here.entries()) {
    active[i]!.used = true;
    if (instance === undefined || instance.failed) return instance;
    const { replacement } = active[i]!;
    const value = withArguments(replacement, instance, session);
    const span = value.kind === 'block' ? value.span : replacement.span;
    const made = make(value, span, active.slice(i + 1, here[n + 1] ?? active.length));
    instance = made === undefined ? undefined : { ...made, replaces: instance };
  }
  return instance;
}

/** The new block with the arguments of the old one where it has parameters so called and was given none. */
function withArguments({ value, span }: Replacement, old: Instance, session: Session): Value {
  if (value.kind !== 'block') return value;
  const args = new Map<string, BoundArgument>(value.args);
  const known = new Set(old.block?.decl.params.map((p) => p.name.text));
  for (const { name, type } of value.decl.params) {
    const own = args.has(name.text) || value.overrides.some((o) => o.path[0] === name.text);
    const bound = own || !known.has(name.text) ? undefined : old.scope.find(name.text);
    if (bound === undefined) continue;
    // `inline text: text` gives a child the name of the parameter that it was made from.
    const given = bound.value.kind === 'instance' ? (bound.value.instance.block ?? bound.value) : bound.value;
    const what = `\`${name.text}\` of ${value.decl.name.text}, which the replaced ${nameOf(old)} has,`;
    const checked = coerceStatic(given, type, what, span, session);
    const provenance = bound.provenance ?? { name: name.text, text: formatValue(checked), span };
    args.set(name.text, { value: checked, provenance });
  }
  const missing = value.decl.params.filter((param) => {
    const overridden = value.overrides.some((o) => o.path[0] === param.name.text);
    return param.default === undefined && !args.has(param.name.text) && !overridden;
  });
  if (missing.length > 0) return lacking(missing, value, old, session);
  return { ...value, args, ...(old.block?.path === undefined ? {} : { path: old.block.path }) };
}

function nameOf({ block, kind }: Instance): string {
  return block?.decl.name.text ?? (kind === 'seq' ? 'seq' : 'function');
}

function lacking(missing: readonly ParamDecl[], block: BlockValue, old: Instance, session: Session): Poison {
  const name = block.decl.name.text;
  const list = missing.map((p) => `\`${p.name.text}: ${sourceText(p.type.span)}\``).join(' and ');
  const has = old.block?.decl.params.map((p) => p.name.text).join(', ') ?? '';
  const gives = has === '' ? 'has no parameters' : `gives ${has}`;
  return session.report(
    'Z202',
    block.span,
    `${name} needs ${list}, which the replaced ${nameOf(old)} has not`,
    {
      notes: [`the replaced ${nameOf(old)} ${gives}`],
      help: `give it: ${name}(${missing[0]!.name.text} = ...)`,
    },
  );
}

/** Reports the replacements of a block that found no place in it. */
export function reportUnused(
  block: BlockValue,
  instance: Instance,
  active: readonly Active[],
  session: Session,
): void {
  const unused = active.slice(0, block.replacements.length).filter(({ used }) => !used);
  if (unused.length === 0) return;
  const paths = [...pathsIn(instance)].map((path) =>
    instance.path === '' ? path : path.slice(instance.path.length + 1),
  );
  for (const { replacement } of unused) {
    const { pattern, span } = replacement;
    session.report('Z212', span, `"${pattern}" fits no block of ${instance.name}`, {
      help: nearPaths(pattern, paths),
    });
  }
}

/** Paths of all blocks inside that could be replaced. */
function* pathsIn(instance: Instance): Generator<string> {
  for (const { child, inline } of childrenOf(instance)) {
    if (!inline) yield child.path;
    yield* pathsIn(child);
  }
}
