/** `check`: everything that can be wrong with a file, in one run. */
import type { Item, ModelDecl, TrainDecl } from '../../grammar/ast.ts';
import type { SourceFile } from '../../grammar/source.ts';
import { contextOf } from './build/evaluator.ts';
import { evaluateModel } from './evaluate/variants.ts';
import { checkUnused } from './generic.ts';
import { checkTexts } from './inspect/declarations.ts';
import { checkTerms } from './inspect/terms.ts';
import { warnOfUnread } from './inspect/unread.ts';
import { checkNames } from './names/names.ts';
import { evaluateRecipe } from './recipes/recipe.ts';
import { buildModel, inSession } from './resolve/resolve.ts';
import type { ModuleHost, Result } from './types.ts';
import type { Loader, Module } from './values/module.ts';

/** What a file declares, by name, once it is free of errors. */
interface CheckedFile {
  readonly file: SourceFile;
  readonly blocks: readonly string[];
  readonly functions: readonly string[];
  readonly objectives: readonly string[];
  readonly models: readonly string[];
  readonly recipes: readonly string[];
  /** `names` maps. */
  readonly maps: readonly string[];
}

/**
 * Checks a file and what it imports: syntax, names, kinds, and the shapes of every model and recipe it
 * declares.
 */
export function checkFile(host: ModuleHost, path: string): Result<CheckedFile> {
  return inSession(host, (loader) => {
    const module = checkModule(loader, path);
    return module && listed(module);
  });
}

/** What an earlier check of the same texts found right, for editors: a file is checked after each key. */
export interface CheckMemory {
  /** Keys of what a model or recipe without mistakes uses of its file; undefined if that is not known. */
  recall(item: Checked): readonly string[] | undefined;
  remember(item: Checked, used: readonly string[]): void;
}

export type Checked = ModelDecl | TrainDecl;

/** The file as a module, its mistakes with the loader's session; undefined where it cannot be read. */
function checkModule(loader: Loader, path: string): Module | undefined {
  const steps = checkSteps(loader, path);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** The same in steps, of which the longest is the check of one model or recipe. */
export function* checkSteps(
  loader: Loader,
  path: string,
  memoryOf?: (module: Module) => CheckMemory,
): Generator<undefined, Module | undefined> {
  const module = loader.loadFile(path);
  if (module === undefined) {
    loader.session.adopt([{ code: 'Z205', severity: 'error', message: `cannot read ${path}` }]);
    return undefined;
  }
  checkTexts(loader);
  const memory = memoryOf?.(module);
  const models = [...module.models.values()].map(({ decl }) => decl);
  for (const item of [...models, ...module.recipes.values()]) {
    yield;
    checkOnce(item, module, memory);
  }
  yield;
  checkObjectives(module);
  checkNames(module, loader.session);
  checkUnused(module, loader.session);
  warnOfUnread(loader);
  return module;
}

function checkOnce(item: Checked, module: Module, memory: CheckMemory | undefined): void {
  const { session } = module.loader;
  const known = memory?.recall(item);
  const { items } = module.program;
  if (known !== undefined) {
    for (const i of items) if (known.includes(keyOf(i))) session.instantiated.add(i);
    return;
  }
  const before = session.reportCount;
  const others = [...session.instantiated];
  session.instantiated.clear();
  checkItem(item, module);
  const used = items.filter((i) => session.instantiated.has(i)).map(keyOf);
  for (const other of others) session.instantiated.add(other);
  if (session.reportCount === before) memory?.remember(item, used);
}

const keyOf = ({ kind, name }: Item) => `${kind} ${name.text}`;

/** The shapes of a model or recipe; mistakes are with the loader's session. */
export function checkItem(item: Checked, module: Module): void {
  const { session } = module.loader;
  if (module.damaged.has(item)) return;
  // A model whose parameters have no defaults is checked where a variant gives them.
  if (item.kind === 'model' && item.params.some((p) => p.default === undefined)) return;
  session.guard(() => {
    if (item.kind === 'train') {
      evaluateRecipe(item, module, [], false);
      return;
    }
    const value = evaluateModel({ kind: 'model', decl: item, module }, [], contextOf(session));
    buildModel(item.name.text, value, item.value.span, module, session);
  });
}

/** After the recipes, which are not traced where an error was found. */
function checkObjectives({ program, damaged, loader }: Module): void {
  for (const item of program.items)
    if (item.kind === 'objective' && !damaged.has(item)) checkTerms(item, loader.session);
}

function listed(module: Module): CheckedFile {
  const names = (kind: string) =>
    [...module.declarations].filter(([, d]) => d.kind === kind).map(([name]) => name);
  return {
    file: module.file,
    blocks: names('block'),
    functions: names('fn'),
    objectives: names('objective'),
    models: [...module.models.keys()],
    recipes: [...module.recipes.keys()],
    maps: [...module.maps.keys()],
  };
}
