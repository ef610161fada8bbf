/** Where names are declared and used, in a file, what it imports, and open documents; and their renaming. */
import type { Module } from '../../compiler/model/values/module.ts';
import { isBundled } from '../../compiler/model/values/session.ts';
import { hardWords } from '../../grammar/tokens.ts';
import type { Binding } from './binding/bind.ts';
import { importedModule } from './binding/bind.ts';
import type { Named, Occurrence } from './binding/named.ts';
import { occurrenceAt, scopeAt } from './places.ts';
import type { Location, Range, RenameResult, TextEdit } from './types.ts';
import type { Workspace } from './workspace.ts';

export function definitionOf(workspace: Workspace, path: string, offset: number): Location | undefined {
  const binding = workspace.binding(path);
  const named = binding && occurrenceAt(binding, offset)?.named;
  if (named === undefined) return undefined;
  if (named.at !== undefined) return { path: named.at.file.path, start: named.at.start, end: named.at.end };
  return named.kind === 'package' && named.module !== undefined
    ? { path: named.module.file.path, start: 0, end: 0 }
    : undefined;
}

/** Files whose names may mean the same: the file itself, open ones, and what they import. */
function reachable(workspace: Workspace, path: string): Binding[] {
  const found = new Map<string, Binding>();
  const add = (at: string): void => {
    if (found.has(at)) return;
    const binding = workspace.binding(at);
    if (binding === undefined) return;
    found.set(at, binding);
    for (const item of binding.module.program.imports) {
      const target: Module | undefined = importedModule(binding.module, item.from);
      if (target !== undefined) add(target.file.path);
    }
  };
  for (const at of [path, ...workspace.documents]) add(at);
  return [...found.values()];
}

function same(a: Named, b: Named): boolean {
  if (a.at === undefined || b.at === undefined)
    return (
      a.at === b.at && a.kind === b.kind && a.name === b.name && a.module?.file.path === b.module?.file.path
    );
  return a.at.file.path === b.at.file.path && a.at.start === b.at.start;
}

function usesOf(workspace: Workspace, path: string, named: Named): { path: string; at: Occurrence }[] {
  return reachable(workspace, path).flatMap(({ module, occurrences }) =>
    occurrences.filter((o) => same(o.named, named)).map((at) => ({ path: module.file.path, at })),
  );
}

export function referencesOf(workspace: Workspace, path: string, offset: number): Location[] {
  const binding = workspace.binding(path);
  const named = binding && occurrenceAt(binding, offset)?.named;
  if (named === undefined) return [];
  const uses = usesOf(workspace, path, named);
  const [declared, used] = [true, false].map((first) =>
    uses.filter(({ at }) => (at.role === 'declaration') === first),
  );
  const seen = new Set<string>();
  return [...declared!, ...used!]
    .map(({ path, at }) => ({ path, start: at.name.span.start, end: at.name.span.end }))
    .filter(({ path, start }) => !seen.has(`${path}:${start}`) && seen.add(`${path}:${start}`));
}

// ── renaming ───────────────────────────────────────────────────────────────────────────────────────────────

/** Why a name cannot get another one; undefined where it can. */
function refusal({ kind, name, at }: Named): string | undefined {
  if (kind === 'builtin' || kind === 'type') return `\`${name}\` is built into the language`;
  if (at === undefined) return `\`${name}\` is no name of a declaration`;
  return isBundled(at)
    ? `\`${name}\` belongs to package ${at.file.path.slice('zooc:'.length)}, which comes with zooc`
    : undefined;
}

export function renameRangeOf(workspace: Workspace, path: string, offset: number): Range | undefined {
  const binding = workspace.binding(path);
  const found = binding && occurrenceAt(binding, offset);
  return found === undefined || refusal(found.named) !== undefined ? undefined : textRange(found);
}

/** Without quotes. */
function textRange({ name }: Occurrence): Range {
  const { file, start, end } = name.span;
  const quoted = file.text[start] === '"';
  return quoted ? { start: start + 1, end: end - 1 } : { start, end };
}

export function renamed(workspace: Workspace, path: string, offset: number, name: string): RenameResult {
  const binding = workspace.binding(path);
  const found = binding && occurrenceAt(binding, offset);
  if (found === undefined) return { ok: false, message: 'there is no name here' };
  const refused = refusal(found.named) ?? unfit(found.named, name) ?? taken(workspace, found.named, name);
  if (refused !== undefined) return { ok: false, message: refused };
  const uses = usesOf(workspace, path, found.named);
  const bare = !/^[A-Za-z_]\w*$/.test(name);
  const seen = new Set<string>();
  const edits = uses.flatMap(({ path, at }): (TextEdit & { path: string })[] => {
    const { start, end } = at.name.span;
    if (seen.has(`${path}:${start}`)) return [];
    seen.add(`${path}:${start}`);
    const quoted = at.name.span.file.text[start] === '"';
    // A model's name may stand without quotes where it is a word.
    const text = !quoted && bare ? JSON.stringify(name) : name;
    return quoted ? [{ path, ...textRange(at), text }] : [{ path, start, end, text }];
  });
  const foreign = edits.find((edit) => edit.path.startsWith('zooc:'));
  if (foreign !== undefined)
    return { ok: false, message: `${foreign.path.slice(5)}, which comes with zooc, uses it` };
  return { ok: true, edits };
}

/** Whether the name already means something where the other one is declared. */
function taken(workspace: Workspace, { kind, name: old, at }: Named, name: string): string | undefined {
  const home = at && workspace.binding(at.file.path);
  if (at === undefined || home === undefined || name === old || kind === 'field') return undefined;
  const { declarations, imports, models, recipes } = home.module;
  const here = { model: [models], recipe: [recipes] }[kind as string] ?? [declarations, imports];
  const local = scopeAt(home, at.start).visible(Number.POSITIVE_INFINITY);
  const known = here.some((names) => names.has(name)) || local.some((named) => named.name === name);
  return known ? `\`${name}\` is already the name of something here` : undefined;
}

const words: ReadonlySet<string> = new Set(hardWords);

/** Why a name cannot be this one. */
function unfit({ kind }: Named, name: string): string | undefined {
  if (kind === 'model' || kind === 'recipe')
    return name === '' || /["\\\r\n]/.test(name)
      ? 'a name in quotes has no quotes, backslashes or line ends'
      : undefined;
  if (!/^[A-Za-z_]\w*$/.test(name)) return 'a name is a letter or `_`, then letters, digits and `_`';
  if (words.has(name)) return `\`${name}\` is a word of the language`;
  const dimension = kind === 'dimension';
  return dimension && !/^[A-Z]/.test(name) ? 'a dimension variable begins with a capital letter' : undefined;
}
