/** `check`: everything that can be wrong with a file, in one run. */
import type { SourceFile } from '../../grammar/source.ts';
import { contextOf } from './build/evaluator.ts';
import { evaluateModel } from './evaluate/variants.ts';
import { checkUnused } from './generic.ts';
import { checkTexts } from './inspect/declarations.ts';
import { checkTerms } from './inspect/terms.ts';
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

/** The file as a module, its mistakes with the loader's session; undefined where it cannot be read. */
export function checkModule(loader: Loader, path: string): Module | undefined {
  const module = loader.loadFile(path);
  if (module === undefined) {
    loader.session.adopt([{ code: 'Z205', severity: 'error', message: `cannot read ${path}` }]);
    return undefined;
  }
  checkTexts(loader);
  checkModels(module);
  checkRecipes(module);
  checkObjectives(module);
  checkNames(module, loader.session);
  checkUnused(module, loader.session);
  return module;
}

function checkModels(module: Module): void {
  const { session } = module.loader;
  for (const declared of module.models.values()) {
    if (module.damaged.has(declared.decl)) continue;
    // A model whose parameters have no defaults is checked where a variant gives them.
    if (declared.decl.params.some((p) => p.default === undefined)) continue;
    session.guard(() => {
      const value = evaluateModel(declared, [], contextOf(session));
      buildModel(declared.decl.name.text, value, declared.decl.value.span, module, session);
    });
  }
}

function checkRecipes(module: Module): void {
  for (const decl of module.recipes.values()) {
    if (module.damaged.has(decl)) continue;
    module.loader.session.guard(() => evaluateRecipe(decl, module, [], false));
  }
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
