/**
 * From a reference (`ViT-B/32`, `mine.zoo#mine`) and overrides to an elaborated, shape-checked `Model`.
 */
import { parseExpression } from '../../grammar/parser.ts';
import type { SourceFile, Span } from '../../grammar/source.ts';
import { formatShape } from '../graph/types.ts';
import { checkTexts } from './declarations.ts';
import { instantiate } from './elaborate.ts';
import { evaluate } from './evaluate.ts';
import { bundledModels, Loader, type ModelDeclaration, type Module, nameOf, zooPackages } from './imports.ts';
import { type Instance, instancesOf, weightsInOrder } from './instance.ts';
import { type Env, Scope } from './scope.ts';
import { Session } from './session.ts';
import { didYouMean } from './suggest.ts';
import { defaultObjective, entriesOf, entryOutputs, type Root, type Run, runForward } from './trace.ts';
import type {
  ConfigValue,
  EntryInfo,
  EntryName,
  Model,
  ModelInput,
  ModuleHost,
  Result,
  StaticScalar,
  Weight,
} from './types.ts';
import { describe, type Override, type Value } from './values.ts';
import { evaluateModel } from './variants.ts';

export interface TextOverride {
  readonly path: string;
  readonly value: string;
}

// ── references ──────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Reference {
  readonly module: Module;
  readonly name: string | undefined;
}

/** The file and the name of `path.zoo#name`, or of a bundled name; undefined after a report. */
export function openReference(loader: Loader, reference: string): Reference | undefined {
  const { session } = loader;
  const hash = reference.indexOf('#');
  const path = hash < 0 ? reference : reference.slice(0, hash);
  if (!path.endsWith('.zoo')) {
    const module = loader.loadBundled(zooPackages[0]);
    if (module !== undefined) return { module, name: reference };
    session.adopt([
      { code: 'Z205', severity: 'error', message: `package ${zooPackages[0]} is not installed` },
    ]);
    return undefined;
  }
  const module = loader.loadFile(path);
  if (module !== undefined) return { module, name: hash < 0 ? undefined : reference.slice(hash + 1) };
  session.adopt([{ code: 'Z205', severity: 'error', message: `cannot read ${path}` }]);
  return undefined;
}

/** Picks a declaration by name, or the only one. `noun`: "model". */
export function pick<T>(
  loader: Loader,
  reference: Reference,
  noun: string,
  known: ReadonlyMap<string, T>,
): T | undefined {
  const { name, module } = reference;
  const names = [...known.keys()];
  const report = (message: string, help?: string) =>
    loader.session.adopt([
      { code: 'Z213', severity: 'error', message, ...(help === undefined ? {} : { help }) },
    ]);
  if (name !== undefined) {
    const found = known.get(name);
    if (found === undefined) {
      const where = module.bundled === undefined ? ` in ${nameOf(module)}` : '';
      report(`there is no ${noun} "${name}"${where}${didYouMean(name, names)}`, listOf(names, noun));
    }
    return found;
  }
  if (names.length === 1) return known.get(names[0]!);
  if (names.length === 0) report(`${nameOf(module)} defines no ${noun}`);
  else
    report(`${nameOf(module)} defines ${names.length} ${noun}s; say which`, `${nameOf(module)}#${names[0]}`);
  return undefined;
}

function listOf(names: readonly string[], noun: string): string | undefined {
  return names.length === 0 ? undefined : `${noun}s: ${names.join(', ')}`;
}

/** The models that a reference to this module may name. */
export function modelsOf(module: Module): Map<string, ModelDeclaration> {
  if (module.bundled !== undefined) return bundledModels(module.loader);
  const imported = [...module.importedModels].flatMap(([name, d]) =>
    d?.kind === 'model' ? [[name, d] as const] : [],
  );
  return new Map([...module.models, ...imported]);
}

/** `--set path=value` texts as overrides; the value is an expression of the language, or else a bare word. */
export function parseOverrides(texts: readonly TextOverride[], env: Env): Override[] | undefined {
  const overrides: Override[] = [];
  for (const { path, value: text } of texts) {
    const file: SourceFile = { path: `--set ${path}`, text };
    const { expression, diagnostics } = parseExpression(file);
    env.session.adopt(diagnostics);
    const span: Span = { file, start: 0, end: text.length };
    const value = diagnostics.length > 0 ? undefined : evaluate(expression, env);
    if (value === undefined || value.kind === 'poison') return undefined;
    overrides.push({ path: path.split('.'), value, span });
  }
  return overrides;
}

// ── models ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export function staticEnv(module: Module, session: Session): Env {
  return { session, module, scope: new Scope(), path: '' };
}

/** Runs `body` in a fresh session and turns its diagnostics and value into a result. */
export function inSession<T>(
  host: ModuleHost,
  body: (loader: Loader, session: Session) => T | undefined,
): Result<T> {
  const session = new Session();
  const loader = new Loader(host, session);
  const value = session.guard(() => body(loader, session));
  const { diagnostics } = session;
  return value === undefined || session.hasErrors
    ? { ok: false, diagnostics }
    : { ok: true, value, diagnostics };
}

export function resolveModel(
  host: ModuleHost,
  reference: string,
  overrides: readonly TextOverride[] = [],
): Result<Model> {
  return inSession(host, (loader, session) => {
    const opened = openReference(loader, reference);
    if (opened === undefined) return undefined;
    checkTexts(loader);
    const declared = pick(loader, opened, 'model', modelsOf(opened.module));
    if (declared === undefined) return undefined;
    const parsed = parseOverrides(overrides, staticEnv(opened.module, session));
    if (parsed === undefined) return undefined;
    const value = evaluateModel(declared, parsed, session);
    return buildModel(declared.decl.name.text, value, declared.decl.value.span, opened.module, session);
  });
}

/** Elaborates and shape-checks the block of a model; undefined after a report. */
export function buildModel(
  name: string,
  value: Value,
  span: Span,
  module: Module,
  session: Session,
): Model | undefined {
  const before = session.errorCount;
  if (value.kind !== 'block') {
    if (value.kind !== 'poison')
      session.report('Z209', span, `a model must be a block, got ${describe(value)}`);
    return undefined;
  }
  const instance = instantiate({ ...value, path: '' }, { name, path: '', span }, session);
  const root: Root = { instance, module, span };
  const weights = uniqueWeights(instance, session);
  const run = runForward(root, session, {});
  if (run === undefined || weights === undefined || session.errorCount > before) return undefined;
  const entries = entriesOf(run);
  if (entries.length === 0) {
    session.report('Z315', span, 'the forward of a model must give `image` or `text` features');
    return undefined;
  }
  const infos = entries.flatMap((entry) => entryInfo(entry, run, root) ?? []);
  if (session.errorCount > before) return undefined;
  return {
    name,
    weights,
    parameters: weights.reduce((sum, w) => sum + (w.kind === 'param' ? elements(w) : 0), 0),
    config: configOf(instance),
    entries: infos,
    ...(entries.includes('loss') ? { objective: defaultObjective(run) } : {}),
    inputs: run.inputs.map(({ name, dtype, sizes }) => ({ name, dtype, sizes })),
    ...sizesOf(run),
    sources: module.loader.modules().flatMap((m) => (m.bundled === undefined ? [m.file] : [])),
    root,
  };
}

function elements(weight: Weight): number {
  return weight.shape.reduce((a, b) => a * b, 1);
}

/** Weights in order; undefined if two share a path. */
function uniqueWeights(instance: Instance, session: Session): Weight[] | undefined {
  const weights = [...weightsInOrder(instance)];
  const seen = new Map<string, Weight>();
  for (const weight of weights) {
    const first = seen.get(weight.name);
    if (first !== undefined) {
      session.report('Z219', weight.span, `two weights are called ${weight.name}`, {
        labels: [{ span: first.span, text: 'the other one' }],
      });
      return undefined;
    }
    seen.set(weight.name, weight);
  }
  return weights;
}

function entryInfo(entry: EntryName, run: Run, root: Root): EntryInfo | undefined {
  // A model of another shape than CLIP's (with a bias, say) has its own objective, which its recipe names.
  const wanted = entry === 'loss' ? 'logits' : entry;
  const outputs = entryOutputs(run, wanted, root);
  if (outputs === undefined) return undefined;
  const { builder } = run.tracer;
  const text = (node: number) => formatShape(builder.type(node).shape);
  const read = builder.finish(outputs).nodes.flatMap((n) => (n.op === 'input' ? [n.attrs.name] : []));
  // Features of a picture may depend on the text as well; an input of an entry's own stays one if nothing reads it.
  const own = (name: string) =>
    entry === 'logits' || entry === 'loss' || (entry === 'encode_image') === (name === 'images');
  const used = run.inputs.filter(({ name }) => own(name) || read.includes(name));
  const results = outputs.map(({ name, node }) => ({ name, shape: text(node) }));
  return {
    name: entry,
    inputs: used.map(({ name, node }) => ({ name, shape: text(node) })),
    outputs: entry === 'loss' ? [...results, { name: 'loss', shape: '[]' }] : results,
  };
}

/** Resolution, context, vocabulary and embedding width, read off the traced graph. */
function sizesOf(run: Run): { resolution?: number; context?: number; vocab?: number; embed?: number } {
  const { builder } = run.tracer;
  const axis = (node: number | undefined, at: number) => {
    const dim = node === undefined ? undefined : builder.type(node).shape.at(at);
    return typeof dim === 'number' ? dim : undefined;
  };
  const sizesBehind = (name: ModelInput['name']) => run.inputs.find((i) => i.name === name)?.sizes;
  const [channels, height, width] = sizesBehind('images') ?? [];
  const pictures = channels === 3 && height === width && sizesBehind('images')?.length === 3;
  const first = [...run.out.fields.values()].find((v) => v.kind === 'tensor' && v.axes.length === 2);
  const outputs = [...run.out.fields].flatMap(([name, v]) =>
    v.kind === 'tensor' ? [{ name, node: v.node }] : [],
  );
  const { nodes } = builder.finish(outputs);
  const lookups = nodes.filter((n) => n.op === 'embedding' && nodes[n.inputs[1]!]?.op === 'input');
  const vocab = lookups.map((n) => nodes[n.inputs[0]!]!.type.shape[0]).find((d) => typeof d === 'number');
  const sizes = {
    resolution: pictures ? height : undefined,
    context: sizesBehind('tokens')?.[0],
    vocab,
    embed: axis(first?.kind === 'tensor' ? first.node : undefined, -1),
  };
  return Object.fromEntries(Object.entries(sizes).filter(([, v]) => v !== undefined));
}

/** Static values of the root's parameters and of the blocks handed to them, by path. */
function configOf(instance: Instance): Map<string, ConfigValue> {
  const config = new Map<string, ConfigValue>();
  for (const inner of instancesOf(instance)) {
    const { block } = inner;
    if (block?.path === undefined) continue;
    for (const param of block.decl.params) {
      const value = inner.scope.find(param.name.text)?.value;
      const path = block.path === '' ? param.name.text : `${block.path}.${param.name.text}`;
      const plain = value === undefined ? undefined : configValue(value);
      if (plain !== undefined && !config.has(path)) config.set(path, plain);
    }
  }
  return config;
}

function configValue(value: Value): ConfigValue | undefined {
  switch (value.kind) {
    case 'int':
    case 'float':
    case 'bool':
    case 'string':
      return value.value;
    case 'fn':
    case 'block':
      return value.decl.name.text;
    case 'builtin':
      return value.builtin.name;
    case 'list': {
      const items = value.items.map(configValue);
      return items.every((i) => i !== undefined && !Array.isArray(i)) ? (items as StaticScalar[]) : undefined;
    }
    default:
      return undefined;
  }
}
