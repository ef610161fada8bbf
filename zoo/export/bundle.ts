/**
 * A model's source text as files that need nothing but the bundled packages: for exports and run folders.
 *
 * One file with one model stays as it is, without its recipes. Anything else becomes a `model.zoo` that
 * imports the one model from copies of the user's files beside it, whose imports are rewritten to each other.
 * Overrides (`--set`) become a `with` in the text, so the package says all that was built.
 */
import { basename, resolve } from 'node:path';
import { zooPackages } from '../../compiler/model/modules/imports.ts';
import type { TextOverride } from '../../compiler/model/resolve/resolve.ts';
import type { ModuleHost, Recipe } from '../../compiler/model/types.ts';
import type { Identifier, Program, TrainDecl } from '../../grammar/ast.ts';
import { parse } from '../../grammar/parser.ts';
import type { SourceFile } from '../../grammar/source.ts';
import { type Edit, isSetting, settingEdits } from './recipe-text.ts';

interface Bundle {
  /** Texts by name, all in one folder; `model.zoo` among them. */
  readonly files: ReadonlyMap<string, string>;
  /** Name of the model that `model.zoo` stands for. */
  readonly name: string;
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

/** Cuts all recipes, or all but one. */
function cutRecipes(program: Program, text: string, kept?: TrainDecl): Edit[] {
  return program.items.flatMap((item) =>
    item.kind === 'train' && item !== kept ? [cut(text, item.span.start, item.span.end)] : [],
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

/** What stands behind `with`, as text: `vision.layers = 2`, `"visual.**" as LoRALinear(rank = 4)`. */
type ChangeText = string;

function changeTexts(overrides: readonly TextOverride[]): ChangeText[] {
  return overrides.map((o) => `${o.path} = ${o.value}`);
}

function withClause(name: string, changes: readonly ChangeText[]): string {
  return changes.length === 0 ? JSON.stringify(name) : `${JSON.stringify(name)} with ${changes.join(', ')}`;
}

const heading = '# Written by zooc: the model of this folder.\n';

/** The bundled package that declares a model. */
function packageOf(host: ModuleHost, model: string): string {
  const found = zooPackages.find((name) =>
    parse(host.bundled(name)!).program.items.some((i) => i.kind === 'model' && i.name.text === model),
  );
  if (found === undefined) throw new Error(`no bundled package declares ${model}`);
  return found;
}

function bundleBundled(host: ModuleHost, model: string, changes: readonly ChangeText[]): Bundle {
  if (changes.length === 0) {
    const text = `${heading}import ${packageOf(host, model)} { ${JSON.stringify(model)} }\n`;
    return { files: new Map([['model.zoo', text]]), name: model };
  }
  const name = `${model}-custom`;
  const text = `${heading}model ${JSON.stringify(name)} = ${withClause(model, changes)}\n`;
  return { files: new Map([['model.zoo', text]]), name };
}

/** A name that no declaration of the file has. */
function freshName(program: Program, name: string): string {
  const taken = new Set(program.items.map((item) => item.name.text));
  let fresh = `${name}-custom`;
  for (let n = 2; taken.has(fresh); n++) fresh = `${name}-custom-${n}`;
  return fresh;
}

/** A copy of a file without recipes, whose imports lead to the other copies. */
function copySource(source: SourceFile, names: ReadonlyMap<string, string>, host: ModuleHost): string {
  const { program } = parse(source);
  return tidy(
    applyEdits(source.text, [
      ...cutRecipes(program, source.text),
      ...redirectImports(program, source, names, host),
    ]),
  );
}

/** Where a file imports a model from. */
function importOf(program: Program, model: string): Identifier | undefined {
  const importing = (quoted: boolean) =>
    program.imports.find((i) => i.names.some((n) => n.text === model && n.quoted === quoted));
  return (importing(true) ?? importing(false))?.from;
}

/**
 * Everything that defines a model, as texts.
 * @param reference a bundled model's name or `path.zoo#name`
 * @param sources the user's files that the model was made from (`model.sources`)
 * @param overrides the ones it was loaded with
 */
export function bundleModel(
  host: ModuleHost,
  reference: string,
  sources: readonly SourceFile[],
  overrides: readonly TextOverride[],
): Bundle {
  return bundleChanged(host, reference, sources, changeTexts(overrides), false);
}

/** @param here the changes name what the file of the reference declares, so it must come along */
function bundleChanged(
  host: ModuleHost,
  reference: string,
  sources: readonly SourceFile[],
  changes: readonly ChangeText[],
  here: boolean,
): Bundle {
  const hash = reference.indexOf('.zoo#') + 4;
  if (hash < 4) return bundleBundled(host, reference, changes);
  const path = reference.slice(0, hash);
  const model = reference.slice(hash + 1);
  const main = sources.find((s) => resolve(s.path) === resolve(path));
  if (main === undefined) throw new Error(`${path} is not among the sources`);
  const { program } = parse(main);
  const models = program.items.filter((item) => item.kind === 'model').map((item) => item.name.text);
  const from = models.includes(model) || here ? undefined : importOf(program, model);
  if (from !== undefined) {
    // What merely imports the model, as the main file of an export does, adds nothing to it.
    const target = from.quoted ? `${host.resolve(from.text, main.path)}#${model}` : model;
    const rest = sources.filter((s) => s !== main);
    return bundleChanged(host, target, rest, changes, false);
  }
  const plain = models.includes(model) && changes.length === 0;
  const alone = models.length === 1 && program.imports.every((i) => i.names.every((n) => !n.quoted));
  if (sources.length === 1 && alone && plain) {
    const text = tidy(applyEdits(main.text, cutRecipes(program, main.text)));
    return { files: new Map([['model.zoo', text]]), name: model };
  }
  const names = chooseNames(sources);
  const name = plain ? model : freshName(program, model);
  const files = new Map(sources.map((s) => [names.get(resolve(s.path))!, copySource(s, names, host)]));
  const mainName = names.get(resolve(main.path))!;
  if (!plain)
    files.set(
      mainName,
      `${files.get(mainName)}\nmodel ${JSON.stringify(name)} = ${withClause(model, changes)}\n`,
    );
  files.set('model.zoo', `${heading}import ${JSON.stringify(`./${mainName}`)} { ${JSON.stringify(name)} }\n`);
  return { files, name };
}

/** The model that a recipe names and the changes in its own text. */
function baseOf(recipe: TrainDecl, text: string): { name: string; changes: ChangeText[] } {
  const changes: ChangeText[] = [];
  let expr = recipe.of;
  while (expr.kind === 'with' || expr.kind === 'group') {
    if (expr.kind === 'with')
      changes.unshift(...expr.changes.map(({ span }) => text.slice(span.start, span.end)));
    expr = expr.kind === 'with' ? expr.base : expr.inner;
  }
  const name = expr.kind === 'string' ? expr.value : text.slice(expr.span.start, expr.span.end);
  return { name, changes };
}

/**
 * What a run trains, as texts for its folder: `recipe.zoo` with this recipe alone, `model.zoo` with its
 * model, and copies of the files they import. Data files stay where they are.
 * @param overrides the ones the recipe was loaded with; they become part of its text
 */
export function bundleRecipe(
  host: ModuleHost,
  recipe: Recipe,
  overrides: readonly TextOverride[],
): ReadonlyMap<string, string> {
  const { source, model } = recipe;
  const { program } = parse(source);
  const decl = program.items.find((item) => item.kind === 'train' && item.name.text === recipe.name);
  if (decl?.kind !== 'train') throw new Error(`${source.path} has no recipe ${recipe.name}`);
  const { name, changes: own } = baseOf(decl, source.text);
  const names = chooseNames(model.sources);
  const edits = [...cutRecipes(program, source.text, decl), ...redirectImports(program, source, names, host)];
  const { start, end } = decl.of.span;
  const ofModel = changeTexts(
    overrides.filter((o) => !isSetting(o.path)).map((o) => ({ ...o, path: o.path.replace(/^model\./, '') })),
  );
  if (ofModel.length > 0) edits.push({ start, end, text: withClause(name, [...own, ...ofModel]) });
  edits.push(...settingEdits(decl, recipe, overrides.map((o) => o.path).filter(isSetting)));
  const here = program.items.some((i) => i.kind === 'model' && i.name.text === name);
  const imported = importOf(program, name) !== undefined;
  // What stands behind `with` may name blocks of this file.
  const named = own.length > 0;
  const reference = here || imported || named ? `${source.path}#${name}` : name;
  const bundle = bundleChanged(host, reference, model.sources, [...own, ...ofModel], named);
  const files = new Map(bundle.files);
  for (const file of model.sources)
    if (resolve(file.path) !== resolve(source.path))
      files.set(names.get(resolve(file.path))!, copySource(file, names, host));
  files.set('recipe.zoo', tidy(applyEdits(source.text, edits)));
  return files;
}
