/**
 * A model's source text as files that need nothing but the bundled packages: for exports and run folders.
 *
 * One file with one model stays as it is, without its recipes. Anything else becomes a `model.zoo` that imports the one
 * model from copies of the user's files beside it, whose imports are rewritten to each other. Overrides (`--set`) become
 * a `with` in the text, so the package says all that was built.
 */
import { basename, resolve } from 'node:path';
import { zooPackage } from '../../compiler/model/imports.ts';
import type { TextOverride } from '../../compiler/model/resolve.ts';
import type { Model, ModuleHost } from '../../compiler/model/types.ts';
import type { Program } from '../../grammar/ast.ts';
import { parse } from '../../grammar/parser.ts';
import type { SourceFile } from '../../grammar/source.ts';

export interface Bundle {
  /** Texts by name, all in one folder; `model.zoo` among them. */
  readonly files: ReadonlyMap<string, string>;
  /** Name of the model that `model.zoo` stands for. */
  readonly name: string;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function applyEdits(text: string, edits: readonly Edit[]): string {
  const sorted = [...edits].sort((a, b) => b.start - a.start);
  return sorted.reduce((t, e) => t.slice(0, e.start) + e.text + t.slice(e.end), text);
}

/** Cuts a declaration together with the comment lines right above it. */
function cut(text: string, start: number, end: number): Edit {
  let from = text.lastIndexOf('\n', start - 1) + 1;
  while (from > 0) {
    const above = text.lastIndexOf('\n', from - 2) + 1;
    if (!text.slice(above, from).trimStart().startsWith('#')) break;
    from = above;
  }
  const lineEnd = text.indexOf('\n', end);
  return { start: from, end: lineEnd < 0 ? text.length : lineEnd + 1, text: '' };
}

function cutRecipes(program: Program, text: string): Edit[] {
  return program.items.flatMap((item) =>
    item.kind === 'train' ? [cut(text, item.span.start, item.span.end)] : [],
  );
}

/** Blank lines that cutting left behind. */
function tidy(text: string): string {
  return `${text.replace(/\n{3,}/g, '\n\n').trim()}\n`;
}

/** File names in the folder by absolute path: the base names, made unique. */
function chooseNames(sources: readonly SourceFile[]): Map<string, string> {
  const taken = new Set(['model.zoo', 'recipe.zoo']);
  const names = new Map<string, string>();
  for (const { path } of sources) {
    const stem = basename(path, '.zoo');
    let name = `${stem}.zoo`;
    for (let n = 2; taken.has(name); n++) name = `${stem}-${n}.zoo`;
    taken.add(name);
    names.set(resolve(path), name);
  }
  return names;
}

/** Quoted imports made to point at the copies. */
function redirectImports(
  program: Program,
  file: SourceFile,
  names: ReadonlyMap<string, string>,
  host: ModuleHost,
): Edit[] {
  return program.imports.flatMap(({ from }) => {
    if (!from.quoted) return [];
    const target = host.resolve(from.text, file.path);
    const name = target === undefined ? undefined : names.get(resolve(target));
    if (name === undefined)
      throw new Error(`${file.path}: the import of ${from.text} is not among the model's sources`);
    return [{ start: from.span.start, end: from.span.end, text: JSON.stringify(`./${name}`) }];
  });
}

function withClause(name: string, overrides: readonly TextOverride[]): string {
  const settings = overrides.map((o) => `${o.path} = ${o.value}`).join(', ');
  return settings === '' ? JSON.stringify(name) : `${JSON.stringify(name)} with ${settings}`;
}

const heading = '# Written by zooc: the model of this folder.\n';

function bundleBundled(model: string, overrides: readonly TextOverride[]): Bundle {
  if (overrides.length === 0) {
    const text = `${heading}import ${zooPackage} { ${JSON.stringify(model)} }\n`;
    return { files: new Map([['model.zoo', text]]), name: model };
  }
  const name = `${model}-custom`;
  const text = `${heading}model ${JSON.stringify(name)} = ${withClause(model, overrides)}\n`;
  return { files: new Map([['model.zoo', text]]), name };
}

/** A name that no declaration of the file has. */
function freshName(program: Program, name: string): string {
  const taken = new Set(program.items.map((item) => item.name.text));
  let fresh = `${name}-custom`;
  for (let n = 2; taken.has(fresh); n++) fresh = `${name}-custom-${n}`;
  return fresh;
}

/**
 * Everything that defines a model, as texts.
 * @param reference what the model was loaded by: a bundled name or `path.zoo#name`
 * @param overrides the ones it was loaded with
 */
export function bundleModel(
  host: ModuleHost,
  reference: string,
  model: Model,
  overrides: readonly TextOverride[],
): Bundle {
  const path = reference.split('#', 1)[0]!;
  if (!path.endsWith('.zoo')) return bundleBundled(model.name, overrides);
  const main = model.sources.find((s) => resolve(s.path) === resolve(path));
  if (main === undefined) throw new Error(`${path} is not among the sources of ${model.name}`);
  const { program } = parse(main);
  const models = program.items.filter((item) => item.kind === 'model');
  const declared = models.some((m) => m.name.text === model.name);
  const alone = models.length === 1 && program.imports.every((i) => i.names.every((n) => !n.quoted));
  if (model.sources.length === 1 && alone && declared && overrides.length === 0) {
    const text = tidy(applyEdits(main.text, cutRecipes(program, main.text)));
    return { files: new Map([['model.zoo', text]]), name: model.name };
  }
  const names = chooseNames(model.sources);
  const plain = declared && overrides.length === 0;
  const name = plain ? model.name : freshName(program, model.name);
  const files = new Map<string, string>();
  files.set(
    'model.zoo',
    `${heading}import ${JSON.stringify(`./${names.get(resolve(main.path))}`)} { ${JSON.stringify(name)} }\n`,
  );
  for (const source of model.sources) {
    const parsed = parse(source).program;
    const edits = [...cutRecipes(parsed, source.text), ...redirectImports(parsed, source, names, host)];
    const text = tidy(applyEdits(source.text, edits));
    const extra =
      source === main && !plain
        ? `\nmodel ${JSON.stringify(name)} = ${withClause(model.name, overrides)}\n`
        : '';
    files.set(names.get(resolve(source.path))!, text + extra);
  }
  return { files, name };
}
