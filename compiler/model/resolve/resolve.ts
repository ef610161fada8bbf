/**
 * From a reference (`ViT-B/32`, `mine.zoo#mine`) and overrides to an elaborated, shape-checked `Model`.
 */
import { parseExpression } from '../../../grammar/parser.ts';
import type { SourceFile, Span } from '../../../grammar/source.ts';
import { formatShape } from '../../graph/types.ts';
import { instantiate } from '../build/elaborate.ts';
import { contextOf } from '../build/evaluator.ts';
import { configOf } from '../build/structure.ts';
import { type Root, treeOf } from '../build/tree.ts';
import { evaluateModel } from '../evaluate/variants.ts';
import { isPicture, isText, vocabularyOf } from '../inputs.ts';
import { checkTexts } from '../inspect/declarations.ts';
import { bundledModels, ModuleLoader, modelsOf, nameOf, zooPackages } from '../modules/imports.ts';
import { normalizationOf } from '../normalization.ts';
import { openTrace, type Traced, traceDeclared, traceForward } from '../trace/callable.ts';
import { boundGraph } from '../trace/indices.ts';
import type { Trace } from '../trace/inputs.ts';
import { defaultObjective, lossEntry } from '../trace/objective.ts';
import { towersOf } from '../trace/tower.ts';
import { traceLoss } from '../trace/trace.ts';
import type { EntryInfo, EntryName, Model, ModelInput, ModuleHost, Result, Weight } from '../types.ts';
import { entriesOf, weightsInOrder } from '../values/instance.ts';
import * as mistakes from '../values/mistakes.ts';
import type { Loader, ModelDeclaration, Module } from '../values/module.ts';
import { type Env, evaluate, staticEnv } from '../values/scope.ts';
import { Session } from '../values/session.ts';
import { didYouMean } from '../values/suggest.ts';
import { describe, type Instance, type Override, type Value } from '../values/values.ts';

export interface TextOverride {
  readonly path: string;
  readonly value: string;
}

// ── references ─────────────────────────────────────────────────────────────────────────────────────────────

interface Reference {
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
function referencedModels(module: Module): Map<string, ModelDeclaration> {
  return module.bundled === undefined ? modelsOf(module) : bundledModels(module.loader);
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
    overrides.push({ kind: 'override', path: path.split('.'), value, span });
  }
  return overrides;
}

// ── models ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Runs `body` in a fresh session and turns its diagnostics and value into a result. */
export function inSession<T>(
  host: ModuleHost,
  body: (loader: Loader, session: Session) => T | undefined,
  session = new Session(),
): Result<T> {
  const loader = new ModuleLoader(host, session);
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
    const declared = pick(loader, opened, 'model', referencedModels(opened.module));
    if (declared === undefined) return undefined;
    const parsed = parseOverrides(overrides, staticEnv(contextOf(session), opened.module));
    if (parsed === undefined) return undefined;
    const value = evaluateModel(declared, parsed, contextOf(session));
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
    if (value.kind !== 'poison') mistakes.wrongKind(session, span, 'a model', 'a block', describe(value));
    return undefined;
  }
  const instance = instantiate({ ...value, path: '' }, { name, path: '', span }, contextOf(session));
  const root: Root = { instance, module, span };
  const weights = uniqueWeights(instance, session);
  const trace = openTrace(root, session, {});
  const forward = traceForward(trace);
  if (forward === undefined || weights === undefined || session.errorCount > before) return undefined;
  const objective = defaultObjective(trace, forward);
  const entries = entriesOfModel(trace, forward, objective);
  if (session.errorCount > before) return undefined;
  const inputs = entries.find((entry) => entry.name === 'forward')!.inputs.map(withoutShape);
  const tree = treeOf(root);
  const normalization = normalizationOf(tree, session);
  if (session.errorCount > before) return undefined;
  return {
    name,
    weights,
    parameters: parametersIn(weights),
    config: configOf(tree),
    entries,
    ...(objective === undefined ? {} : { objective }),
    inputs,
    ...sizesOf(inputs, forward, trace),
    normalization,
    sources: module.loader.modules().flatMap((m) => (m.bundled === undefined ? [m.file] : [])),
    root: tree,
  };
}

/** The entries that the root block declares, then its forward, and its loss where an objective fits. */
function entriesOfModel(trace: Trace, forward: Traced, objective: string | undefined): EntryInfo[] {
  const traced = entriesOf(trace.root.instance).flatMap((entry) => {
    const found = traceDeclared(trace, entry);
    return found === undefined ? [] : [entryInfo(entry.name.text, found, trace)];
  });
  const towers = towersOf(trace, forward);
  const loss = objective === undefined ? undefined : traceLoss(trace, forward);
  return [
    ...traced,
    ...towers.map((tower) => entryInfo(tower.name, tower.traced, trace)),
    entryInfo('forward', forward, trace),
    ...(loss === undefined ? [] : [entryInfo(lossEntry, loss, trace)]),
  ];
}

function entryInfo(name: EntryName, traced: Traced, trace: Trace): EntryInfo {
  const { builder } = trace.tracer;
  const text = (node: number) => formatShape(builder.type(node).shape);
  const inputs = boundInputs(traced, trace);
  return {
    name,
    inputs: inputs.map((input, i) => ({ ...input, shape: text(traced.inputs[i]!.value.node) })),
    outputs: traced.outputs.map(({ name, node }) => ({ name, shape: text(node) })),
  };
}

function withoutShape({ shape: _, ...input }: EntryInfo['inputs'][number]): ModelInput {
  return input;
}

/** What is fed, with the ids of integers as far as anything bounds them. */
function boundInputs({ outputs, inputs }: Traced, trace: Trace): ModelInput[] {
  const graph = boundGraph(trace.tracer.builder.finish(outputs), trace);
  const bounds = new Map(
    graph.nodes.flatMap(({ op, attrs }) => (op === 'input' ? [[attrs.name, attrs.ids] as const] : [])),
  );
  return inputs.map(({ value: _, ...input }) => {
    const ids = input.ids ?? bounds.get(input.name);
    return { ...input, ...(ids === undefined ? {} : { ids }) };
  });
}

/** Elements of all params. */
export function parametersIn(weights: Iterable<Weight>): number {
  let sum = 0;
  for (const { kind, shape } of weights) if (kind === 'param') sum += shape.reduce((a, b) => a * b, 1);
  return sum;
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

/** Sizes of pictures and texts, for those that take such, and the width of the features they give. */
export function sizesOf(
  inputs: readonly ModelInput[],
  { outputs }: Traced,
  { tracer }: Trace,
): Pick<Model, 'resolution' | 'context' | 'vocab' | 'embed'> {
  const picture = inputs.find(isPicture);
  const text = inputs.find(isText);
  const features = outputs
    .map(({ node }) => tracer.builder.type(node).shape)
    .find((shape) => shape.length === 2);
  const embed = features?.[1];
  const vocab = text && vocabularyOf(text);
  return {
    ...(picture === undefined ? {} : { resolution: picture.sizes[1]! }),
    ...(text === undefined ? {} : { context: text.sizes[0]! }),
    ...(vocab === undefined ? {} : { vocab }),
    ...(typeof embed === 'number' ? { embed } : {}),
  };
}
