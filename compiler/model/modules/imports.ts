/**
 * Files and packages as modules: what each declares, imports and can see.
 *
 * A name is looked up in the file, in its imports, in the bundled package the file continues (`package nn` in
 * a user's file), and last in the prelude: the functions and objectives of `nn` and `losses`, which need no
 * import. Blocks do, so that a file says what it is built from. Models have names of their own, which also
 * reach the bundled zoo: a quoted name is a model, a bare one a block, function or objective, and a model
 * only if there is none of these.
 */
import type { Identifier, ImportDecl, Item, Program } from '../../../grammar/ast.ts';
import type { Diagnostic, Fix } from '../../../grammar/diagnostics.ts';
import { type ParseResult, parse } from '../../../grammar/parser.ts';
import type { SourceFile, Span } from '../../../grammar/source.ts';
import { builtinNames } from '../builtins/builtins.ts';
import type { ModuleHost } from '../types.ts';
import type { Declaration, Loader, ModelDeclaration, Module } from '../values/module.ts';
import { type Poison, poison } from '../values/poison.ts';
import type { Session } from '../values/session.ts';
import { corrected, didYouMean, nearest, spelledHere } from '../values/suggest.ts';
import { treeTooDeep } from './depth.ts';

const preludePackages = ['nn', 'losses'] as const;
/** The home of CLIP's blocks and of the maps of their weights' names. */
export const zooPackage = 'clip';
/** Where models without a path are looked up, in this order. */
export const zooPackages = [zooPackage, 'open_clip'] as const;

/** Bundled packages are parsed once: their trees are immutable and the same for every check. */
const bundledPrograms = new Map<string, { readonly text: string; readonly result: ParseResult }>();

export function bundledProgram(file: SourceFile): ParseResult {
  const known = bundledPrograms.get(file.path);
  if (known?.text === file.text) return known.result;
  const result = parse(file);
  bundledPrograms.set(file.path, { text: file.text, result });
  return result;
}

export class ModuleLoader implements Loader {
  readonly host: ModuleHost;
  readonly session: Session;
  readonly #modules = new Map<string, Module | undefined>();
  readonly #loading: string[] = [];

  constructor(host: ModuleHost, session: Session) {
    this.host = host;
    this.session = session;
  }

  /** A file by path; undefined (and a diagnostic, if `from` says who asked) when it cannot be read. */
  loadFile(path: string): Module | undefined {
    if (this.#modules.has(path)) return this.#modules.get(path);
    const text = this.host.read(path);
    return text === undefined ? undefined : this.#load(path, { path, text });
  }

  loadBundled(name: string): Module | undefined {
    const key = `zooc:${name}`;
    if (this.#modules.has(key)) return this.#modules.get(key);
    const file = this.host.bundled(name);
    return file === undefined ? undefined : this.#load(key, file, name);
  }

  /** Every module read so far. */
  modules(): Module[] {
    return [...this.#modules.values()].filter((m) => m !== undefined);
  }

  #load(key: string, file: SourceFile, bundled?: string): Module {
    const { program, diagnostics } = bundled === undefined ? parse(file) : bundledProgram(file);
    this.session.adopt(diagnostics);
    const tooDeep = bundled === undefined && treeTooDeep(program, this.session);
    const module: Module = {
      file,
      program: tooDeep ? { ...program, imports: [], items: [] } : program,
      declarations: new Map(),
      models: new Map(),
      recipes: new Map(),
      maps: new Map(),
      imports: new Map(),
      importedModels: new Map(),
      damaged: damagedItems(program, diagnostics),
      broken: diagnostics.some((d) => d.severity === 'error'),
      loader: this,
      ...(bundled === undefined ? {} : { bundled }),
    };
    this.#modules.set(key, module);
    this.#loading.push(key);
    declareItems(module, this.session);
    for (const item of module.program.imports) this.#import(module, item);
    this.#loading.pop();
    return module;
  }

  #import(module: Module, item: ImportDecl): void {
    const target = this.#target(module, item);
    for (const name of item.names) {
      const found = target === undefined ? undefined : exported(target, name);
      const isModel = found === undefined ? name.quoted : found.kind === 'model';
      const declared = (isModel ? module.models : module.declarations).has(name.text);
      const imported = isModel ? module.importedModels : module.imports;
      if (declared || imported.has(name.text)) {
        this.session.report(
          'Z207',
          name.span,
          `\`${name.text}\` is already ${declared ? 'declared' : 'imported'} here`,
        );
        continue;
      }
      imported.set(name.text, found);
      if (target !== undefined && found === undefined && !target.broken) {
        const known = [...target.declarations.keys(), ...passedOn(target).keys(), ...modelsOf(target).keys()];
        const builtin = builtinNames().includes(name.text);
        const hint = builtin ? ': it is built in, without an import' : didYouMean(name.text, known);
        const other = hint === '' ? elsewhere(this, name.text, target.bundled) : undefined;
        const there = other && foundElsewhere(other, name.text);
        const message = `${nameOf(target)} exports no \`${name.text}\`${there?.hint ?? hint}`;
        const more = there === undefined ? {} : { help: there.help };
        const fix = builtin ? {} : corrected(name.text, known, name.span);
        this.session.report('Z205', name.span, message, { ...more, ...fix });
      }
    }
  }

  #target(module: Module, item: ImportDecl): Module | undefined {
    const spec = item.from.text;
    const at = item.from.span;
    if (!item.from.quoted) {
      const found = this.#cycle(`zooc:${spec}`, at) ? undefined : this.loadBundled(spec);
      if (found === undefined && this.host.bundled(spec) === undefined) this.#noPackage(spec, at);
      return found;
    }
    const resolved = this.host.resolve(spec, module.file.path);
    if (resolved !== undefined && !resolved.endsWith('.zoo')) {
      this.session.report('Z205', at, `${resolved} is no file of the language: their names end in .zoo`);
      return undefined;
    }
    const path = displayPath(spec, module.file.path, this.host);
    if (path === undefined) {
      const relative = /^\.{0,2}\//.test(spec);
      const help = relative
        ? undefined
        : 'install it with npm, or write "./file.zoo" for a file beside this one';
      const what = relative
        ? `there is no file ${spec}`
        : `there is no npm package "${spec}" with a \`zoo\` entry`;
      this.session.report('Z205', at, what, help === undefined ? {} : { help });
      return undefined;
    }
    if (this.#cycle(path, at)) return undefined;
    const found = this.loadFile(path);
    if (found === undefined) this.session.report('Z205', at, `cannot read ${path}`);
    return found;
  }

  #noPackage(spec: string, at: Span): void {
    const known = this.host.bundledNames();
    this.session.report('Z205', at, `there is no package \`${spec}\`${didYouMean(spec, known)}`, {
      help: `packages that come with zooc: ${known.join(', ')}; a file is imported as "./${spec}.zoo"`,
      ...corrected(spec, known, at),
    });
  }

  #cycle(key: string, at: Span): boolean {
    const start = this.#loading.indexOf(key);
    if (start < 0) return false;
    const names = [...this.#loading.slice(start), key].map((k) => k.replace(/^zooc:/, ''));
    this.session.report('Z204', at, `import cycle: ${names.join(' -> ')}`, {
      help: 'move what both files need into a third one',
    });
    return true;
  }
}

/**
 * The path under which an imported file is read and shown; relative imports stay relative to what the user
 * typed.
 */
export function displayPath(spec: string, from: string, host: ModuleHost): string | undefined {
  const resolved = host.resolve(spec, from);
  if (resolved === undefined || !/^\.{1,2}\//.test(spec)) return resolved;
  const path = besides(from, spec);
  return host.read(path) === undefined ? resolved : path;
}

/** The path of a file by its path from another one. */
export function besides(from: string, spec: string): string {
  const parts = [...from.split('/').slice(0, -1)];
  for (const part of spec.split('/')) {
    if (part === '.' || part === '') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else parts.push(part);
  }
  return parts.join('/');
}

function damagedItems(program: Program, diagnostics: readonly Diagnostic[]): Set<Item> {
  const touches = (item: Item) => (d: Diagnostic) =>
    d.span !== undefined && d.span.start <= item.span.end && d.span.end >= item.span.start;
  return new Set(program.items.filter((item) => diagnostics.some(touches(item))));
}

/**
 * Imports that others can import in turn: those of a bundled package, so that `encoders` has all families,
 * each of which is a file of its own.
 */
export function passedOn({ bundled, imports }: Module): Module['imports'] {
  return bundled === undefined ? new Map() : imports;
}

/** Models that others can name in a file, its own and imported ones: the `model.zoo` of an export may only import. */
export function modelsOf(module: Module): Map<string, ModelDeclaration> {
  const imported = [...module.importedModels].flatMap(([name, d]) =>
    d?.kind === 'model' ? [[name, d] as const] : [],
  );
  return new Map([...module.models, ...imported]);
}

/** What a file gives under a name that another imports. */
function exported(module: Module, { text, quoted }: Identifier): Declaration | undefined {
  const value = module.declarations.get(text) ?? passedOn(module).get(text);
  const model = modelsOf(module).get(text);
  return quoted ? (model ?? value) : (value ?? model);
}

/** Where items of a kind have their names: two of one name may be in different places. */
function namespaceOf(module: Module, kind: Item['kind']): Map<string, unknown> {
  if (kind === 'train') return module.recipes;
  if (kind === 'names') return module.maps;
  return kind === 'model' ? module.models : module.declarations;
}

function declareItems(module: Module, session: Session): void {
  for (const item of module.program.items) {
    const target = namespaceOf(module, item.kind);
    const { text, span } = item.name;
    if (text === '') continue;
    if (target.has(text)) {
      session.report('Z207', span, `\`${text}\` is declared twice`, {
        labels: firstPlace(module, text, target),
      });
      continue;
    }
    if (item.kind === 'train' || item.kind === 'names') target.set(text, item);
    else target.set(text, { kind: item.kind, decl: item, module });
  }
}

function firstPlace(module: Module, name: string, namespace: Map<string, unknown>) {
  const { items } = module.program;
  const first = items.find((i) => i.name.text === name && namespaceOf(module, i.kind) === namespace);
  return first === undefined ? [] : [{ span: first.name.span, text: 'first here' }];
}

export function nameOf(module: Module): string {
  return module.bundled === undefined ? module.file.path : `package ${module.bundled}`;
}

/** The bundled package that a user's `package nn` file continues. */
function continued(module: Module): Module | undefined {
  const name = module.program.package?.text;
  if (name === undefined || module.bundled !== undefined) return undefined;
  return module.loader.loadBundled(name);
}

/**
 * What a bare name stands for: `undefined` if nothing declares it, `null` if it is bound to something that
 * failed to load.
 */
export function lookup(module: Module, name: string): Declaration | null | undefined {
  const value = lookupValue(module, name);
  return value === undefined ? modelHere(module, name) : value;
}

function lookupValue(module: Module, name: string): Declaration | null | undefined {
  const own = module.declarations.get(name);
  if (own !== undefined) return own;
  if (module.imports.has(name)) return module.imports.get(name) ?? null;
  const inPackage = continued(module)?.declarations.get(name);
  return inPackage ?? inPrelude(module, name);
}

/** The function or objective of this name that needs no import. */
export function inPrelude(module: Module, name: string): Declaration | undefined {
  for (const prelude of preludePackages) {
    if (module.bundled === prelude || module.program.package?.text === prelude) continue;
    const found = module.loader.loadBundled(prelude)?.declarations.get(name);
    if (found?.kind === 'fn' || found?.kind === 'objective') return found;
  }
  return undefined;
}

function modelHere(module: Module, name: string): Declaration | null | undefined {
  const own = module.models.get(name);
  if (own !== undefined) return own;
  if (module.importedModels.has(name)) return module.importedModels.get(name) ?? null;
  return continued(module)?.models.get(name);
}

/** A model by name: of the file, imported, or bundled; what else has the name if no model does. */
export function lookupModel(module: Module, name: string): Declaration | null | undefined {
  const model = modelHere(module, name);
  if (model !== undefined) return model;
  return bundledModels(module.loader).get(name) ?? lookup(module, name);
}

/** The models that need no path, by name. */
export function bundledModels(loader: Loader): Map<string, ModelDeclaration> {
  return new Map(zooPackages.flatMap((name) => [...(loader.loadBundled(name)?.models ?? [])]));
}

/** Names that `lookup` would find, for suggestions. */
export function visibleNames(module: Module): string[] {
  const names = [...module.declarations.keys(), ...module.imports.keys(), ...module.models.keys()];
  names.push(...(continued(module)?.declarations.keys() ?? []));
  for (const prelude of preludePackages) {
    for (const [name, d] of module.loader.loadBundled(prelude)?.declarations ?? []) {
      if (d.kind === 'fn' || d.kind === 'objective') names.push(name);
    }
  }
  return names;
}

export function visibleModels(module: Module): string[] {
  return [...module.models.keys(), ...module.importedModels.keys(), ...bundledModels(module.loader).keys()];
}

/** A shorter name is near too many others. */
const shortestElsewhere = 4;

/** What a bundled package other than `beside` declares under a name, or else under one that is near. */
function elsewhere(
  loader: Loader,
  name: string,
  beside: string | undefined,
): { readonly home: string; readonly declared: Declaration; readonly near?: string } | undefined {
  const packages = loader.host.bundledNames().filter((home) => home !== beside);
  const find = (text: string) =>
    packages
      .map((home) => ({ home, declared: loader.loadBundled(home)?.declarations.get(text) }))
      .find((found): found is { home: string; declared: Declaration } => found.declared !== undefined);
  const exact = find(name);
  if (exact !== undefined || name.length < shortestElsewhere) return exact;
  const names = packages.flatMap((home) => [...(loader.loadBundled(home)?.declarations.keys() ?? [])]);
  const near = nearest(name, names);
  return near === undefined ? undefined : { ...find(near)!, near };
}

/** "; did you mean `LayerNorm` of package nn?" with the import as help. */
function foundElsewhere({ home, near }: { readonly home: string; readonly near?: string }, name: string) {
  return {
    hint:
      near === undefined ? `; it is in package ${home}` : `; did you mean \`${near}\` of package ${home}?`,
    help: `import ${home} { ${near ?? name} }`,
  };
}

/** Where a name is looked for. */
export interface NamePlace {
  readonly session: Session;
  readonly module: Module;
  readonly scope: { names(): string[] };
}

/** Reports a name that nothing declares, with the nearest that something does. */
export function unknownName(name: string, span: Span, at: NamePlace): Poison {
  const { session, module } = at;
  if (module.broken) return nearInScope(name, span, at);
  const other = elsewhere(module.loader, name, module.bundled);
  if (other?.near === undefined && other?.declared.kind === 'block') {
    const { hint, help } = foundElsewhere(other, name);
    const fix = addedImport(module, other.home, name);
    return session.report('Z206', span, `unknown block \`${name}\`${hint}`, { help, fix });
  }
  const here = spelledHere(name);
  const known = [...at.scope.names(), ...visibleNames(module), ...builtinNames()];
  const hint = here === undefined ? didYouMean(name, known) : '';
  // What stands under this very name goes before what is near in reach, and that before what is near elsewhere.
  if (other !== undefined && here === undefined && (other.near === undefined || hint === '')) {
    const { hint: there, help } = foundElsewhere(other, name);
    const fix = other.near === undefined ? { fix: addedImport(module, other.home, name) } : {};
    return session.report('Z200', span, `unknown name \`${name}\`${there}`, { help, ...fix });
  }
  return session.report(
    'Z200',
    span,
    `unknown name \`${name}\`${hint}`,
    here ?? corrected(name, known, span),
  );
}

/** The edit that imports a name: behind those that come from the package already, or in a line of its own. */
function addedImport({ file, program }: Module, from: string, name: string): Fix {
  const known = program.imports.find((item) => !item.from.quoted && item.from.text === from);
  const last = known?.names.at(-1)?.span.end;
  if (last !== undefined) return { span: { file, start: last, end: last }, replacement: `, ${name}` };
  const line = `import ${from} { ${name} }`;
  const above = program.imports.at(-1)?.span.end ?? program.package?.span.end;
  if (above !== undefined) return { span: { file, start: above, end: above }, replacement: `\n${line}` };
  const start = program.items[0]?.span.start ?? 0;
  return { span: { file, start, end: start }, replacement: `${line}\n\n` };
}

/** In a file with syntax errors declarations may be lost, so only slips of local names are said. */
function nearInScope(name: string, span: Span, at: NamePlace): Poison {
  const known = at.scope.names();
  const hint = didYouMean(name, known);
  return hint === ''
    ? poison
    : at.session.report('Z200', span, `unknown name \`${name}\`${hint}`, corrected(name, known, span));
}
