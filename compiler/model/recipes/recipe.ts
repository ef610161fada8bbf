/**
 * Recipes: the settings of `train`, evaluated and validated against the model they train.
 *
 * `check` wants every setting that is there to be right; training also wants those that must be there
 * (`data`, `batch`). Settings may be overridden like parameters: `batch = 64`, `optimizer.lr = 1e-3`; paths
 * that name no setting belong to the model (`vision.layers = 2`).
 */

import type { Expr, TrainDecl } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { stepOf } from '../../graph/create-builder.ts';
import type { Graph } from '../../graph/types.ts';
import { contextOf } from '../build/evaluator.ts';
import { rootOf } from '../build/tree.ts';
import { evaluateModelExpr } from '../evaluate/variants.ts';
import { inputsOf } from '../inputs.ts';
import { checkTexts } from '../inspect/declarations.ts';
import { lookup, lookupModel, visibleModels, visibleNames } from '../modules/imports.ts';
import {
  buildModel,
  inSession,
  openReference,
  parseOverrides,
  pick,
  type TextOverride,
} from '../resolve/resolve.ts';
import { lossEntry } from '../trace/objective.ts';
import { traceRoot } from '../trace/trace.ts';
import type { Model, ModelInput, ModuleHost, ObjectiveChoice, Recipe, Result, StaticCall } from '../types.ts';
import type { Module } from '../values/module.ts';
import { type Env, staticEnv } from '../values/scope.ts';
import { sourceText } from '../values/session.ts';
import { didYouMean } from '../values/suggest.ts';
import { assignmentsOf, isSettingPath, type Key, withoutPrefix } from './assignments.ts';
import { dataMistakes } from './columns.ts';
import { readLengths } from './lengths.ts';
import { checkMetricColumns } from './metric-columns.ts';
import { readObjective } from './objective.ts';
import {
  clippings,
  dataSources,
  optimizers,
  type precisions,
  type Reading,
  readCall,
  readCalls,
  readPlain,
  readSetting,
  sampleSources,
  schedules,
  settings,
  tableSources,
} from './schema.ts';
import { readStartFiles } from './start-files.ts';
import { StatementReader } from './statements.ts';
import { readTables } from './tables.ts';
import { comparesSamples, warnUnlikely } from './unlikely.ts';

/** A recipe by reference (`path.zoo#recipe`), ready to train. */
export function resolveRecipe(
  host: ModuleHost,
  reference: string,
  overrides: readonly TextOverride[] = [],
): Result<Recipe> {
  return inSession(host, (loader) => {
    const opened = openReference(loader, reference);
    if (opened === undefined) return undefined;
    checkTexts(loader);
    const decl = pick(loader, opened, 'recipe', opened.module.recipes);
    return decl === undefined ? undefined : evaluateRecipe(decl, opened.module, overrides, true);
  });
}

/** Evaluates a recipe; with `complete` it must have all that training needs. Undefined after a report. */
export function evaluateRecipe(
  decl: TrainDecl,
  module: Module,
  overrides: readonly TextOverride[],
  complete: boolean,
): Recipe | undefined {
  const { session } = module.loader;
  const env = staticEnv(contextOf(session), module);
  const mine = overrides.filter((o) => isSettingPath(o.path));
  const theirs = overrides.filter((o) => !isSettingPath(o.path));
  const forModel = parseOverrides(theirs.map(withoutPrefix), env);
  if (forModel === undefined) return undefined;
  const before = session.errorCount;
  const value = evaluateModelExpr(decl.of, forModel, env);
  const name = modelName(decl.of);
  const model = buildModel(name, value, modelPlace(decl.of, module), module, session);
  const reader = new RecipeReader(decl, module, env, model, complete);
  const recipe = reader.read(mine);
  return session.errorCount > before ? undefined : recipe;
}

/** Mistakes of a named model belong to its declaration, where they may have been reported already. */
function modelPlace(expr: Expr, module: Module): Span {
  const found = expr.kind === 'string' ? lookupModel(module, expr.value) : undefined;
  return found?.kind === 'model' && found.module.bundled === undefined ? found.decl.value.span : expr.span;
}

function modelName(expr: Expr): string {
  if (expr.kind === 'string') return expr.value;
  if (expr.kind === 'with') return modelName(expr.base);
  return expr.kind === 'group' ? modelName(expr.inner) : sourceText(expr.span);
}

class RecipeReader {
  private readonly decl: TrainDecl;
  private readonly module: Module;
  private readonly env: Env;
  private readonly model: Model | undefined;
  private readonly complete: boolean;

  constructor(decl: TrainDecl, module: Module, env: Env, model: Model | undefined, complete: boolean) {
    this.decl = decl;
    this.module = module;
    this.env = env;
    this.model = model;
    this.complete = complete;
  }

  read(overrides: readonly TextOverride[]): Recipe | undefined {
    const from = readStartFiles(this.decl, this.model, this.session) ?? this.readFrom();
    const assigned = assignmentsOf(this.decl, overrides, this.session);
    const fixed = this.readAssigned(assigned);
    const statements = new StatementReader(this.decl, this.env, this.model).read(overrides);
    const { model } = this;
    if (model === undefined || fixed === undefined) return undefined;
    return {
      name: this.decl.name.text,
      model,
      ...(from === undefined ? {} : { from }),
      ...fixed,
      ...statements,
      source: this.module.file,
    };
  }

  private get session() {
    return this.env.session;
  }

  /** A model by name or with overrides of its own, or a file of weights. */
  private readFrom(): Recipe['from'] {
    const { from } = this.decl;
    if (from === undefined || from.kind === 'error') return undefined;
    const name = modelName(from);
    const found = lookupModel(this.module, name);
    if (found === null) return undefined;
    if (found?.kind === 'model') {
      const value = evaluateModelExpr(from, [], this.env);
      const model = buildModel(name, value, modelPlace(from, this.module), this.module, this.session);
      return model === undefined ? undefined : { kind: 'model', model };
    }
    if (from.kind === 'string' && /\.safetensors$|^\.{0,2}\/|^(hf|openai|open_clip):/.test(name))
      return { kind: 'file', path: name };
    const hint = didYouMean(name, visibleModels(this.module));
    this.session.report('Z213', from.span, `there is no model "${name}"${hint}`, {
      help: 'from takes a model or a file: "weights.safetensors"',
    });
    return undefined;
  }

  private readAssigned(assigned: ReadonlyMap<Key, Expr>) {
    const { env } = this;
    const read = <T>(key: Key, reader: (expr: Expr) => T): T | undefined => {
      const expr = assigned.get(key);
      return expr === undefined || expr.kind === 'error' ? undefined : reader(expr);
    };
    const objective = read('objective', (expr) => this.readObjective(expr));
    const place = assigned.get('objective')?.span ?? this.decl.of.span;
    const known = objective !== undefined || !assigned.has('objective');
    const graph = known ? this.traceLoss(objective, place) : undefined;
    const inputs = graph && inputsOf(graph);
    const tables = readTables(this.decl, inputs, this.model?.name ?? '', env);
    const data =
      read('data', (expr) => this.readData(expr, inputs)) ??
      read('mix', (expr) => this.readMix(expr, inputs));
    const batch = read('batch', (expr) => readPlain(expr, 'batch', settings.batch, env));
    const chunk = read('chunk', (expr) => this.readChunk(expr, batch));
    const lengths = read('lengths', (expr) => this.readLengths(expr, known, objective));
    const optimizer = read('optimizer', (expr) => this.readOptimizer(expr));
    const schedule = read('schedule', (expr) => readSetting(expr, 'schedule', env));
    const precision = read('precision', (expr) => readSetting(expr, 'precision', env));
    const clip = read('grad_clip', (expr) => this.readClip(expr));
    const norm = read('batch_norm', (expr) => readSetting(expr, 'batch_norm', env));
    const wire = read('wire', (expr) => readSetting(expr, 'wire', env));
    const shard = read('shard', (expr) => readSetting(expr, 'shard', env));
    const ema = read('ema', (expr) => readPlain(expr, 'ema', settings.ema, env));
    const seed = read('seed', (expr) => readPlain(expr, 'seed', settings.seed, env)) ?? 0;
    const steps = read('steps', (expr) => readPlain(expr, 'steps', settings.steps, env));
    const whole = this.requireSettings(assigned);
    if (!whole || data === undefined || batch === undefined || graph === undefined || inputs === undefined)
      return undefined;
    const planned = scheduled(schedule, steps);
    const at = (key: Key) => assigned.get(key)?.span ?? this.decl.name.span;
    const places = { schedule: at('schedule'), batch: at('batch') };
    warnUnlikely({ schedule: planned, batch, compares: comparesSamples(graph) }, places, this.session);
    return {
      data,
      ...(objective === undefined ? {} : { objective }),
      inputs,
      tables,
      batch,
      ...(chunk === undefined ? {} : { chunk }),
      ...(lengths === undefined ? {} : { lengths }),
      optimizer: optimizer ?? optimizerOf({ kind: 'adamw', value: optimizers.adamw.schema.parse({}) }),
      schedule: planned,
      precision: mixedOr32(precision),
      ...(clip === undefined ? {} : { gradClip: clip }),
      ...(norm?.kind === 'sync' ? { batchNorm: norm.kind } : {}),
      ...(wire?.kind === 'f16' ? { wire: wire.kind } : {}),
      ...(shard?.kind === 'optimizer' ? { shard: shard.kind } : {}),
      ...(ema === undefined ? {} : { ema }),
      seed,
    };
  }

  /** What a table gives must be what the loss is fed. */
  private readData(expr: Expr, inputs: readonly ModelInput[] | undefined): StaticCall | undefined {
    const data = readCall(expr, 'data', dataSources, this.env);
    if (data === undefined || !tableSources.has(data.name)) return data;
    return this.fits(data, expr, inputs) ? data : undefined;
  }

  /** Several sources: a call of the name `mix`. */
  private readMix(expr: Expr, inputs: readonly ModelInput[] | undefined): StaticCall | undefined {
    const calls = readCalls(expr, 'mix', sampleSources, this.env);
    if (calls === undefined) return undefined;
    const fitting = calls.filter((call) => this.fits(call, expr, inputs));
    return fitting.length < calls.length
      ? undefined
      : { name: 'mix', args: calls, named: {}, span: expr.span };
  }

  /** Whether a source of samples gives what the loss is fed. */
  private fits(data: StaticCall, expr: Expr, inputs: readonly ModelInput[] | undefined): boolean {
    const { model } = this;
    if (model === undefined || inputs === undefined) return true;
    const given = this.decl.settings.flatMap((s) => (s.kind === 'table' ? s.name.text : []));
    const left = inputs.filter(({ name, table }) => !(table && given.includes(name)));
    const mistakes = dataMistakes(data, left, model.name);
    for (const { span, message, ...extras } of mistakes)
      this.session.report('Z315', span ?? expr.span, message, extras);
    return mistakes.length === 0;
  }

  /** Missing `data` or `batch`: an error where training starts, a warning where the file is only checked. */
  private requireSettings(assigned: ReadonlyMap<Key, Expr>): boolean {
    const missing = (['data', 'batch'] as const).filter(
      (key) => !assigned.has(key) && !(key === 'data' && assigned.has('mix')),
    );
    if (missing.length === 0) return true;
    const { name } = this.decl;
    const message = `recipe ${name.text} has no ${missing.map((k) => `\`${k}\``).join(' and no ')}`;
    const help = missing[0] === 'data' ? 'data = csv("pairs.csv")' : 'batch = 256';
    if (this.complete) this.session.report('Z503', name.span, message, { help });
    else
      this.session.warn('Z503', name.span, `${message}: it cannot be trained before that is set`, { help });
    return false;
  }

  /** `contrastive`, or a call that gives its static parameters: `coca(caption = 1.0)`. */
  private readObjective(expr: Expr): ObjectiveChoice | undefined {
    const choice = readObjective(expr, this.env);
    if (choice === undefined) return undefined;
    const found = lookup(this.module, choice.name);
    if (found?.kind === 'objective' || found?.kind === 'fn') return choice;
    const hint = didYouMean(choice.name, visibleNames(this.module));
    if (found !== null)
      this.session.report('Z200', expr.span, `there is no objective \`${choice.name}\`${hint}`);
    return undefined;
  }

  /** Traces the loss, so that its shapes are checked with this model; undefined after a report. */
  private traceLoss(objective: ObjectiveChoice | undefined, span: Span): Graph | undefined {
    const { model, session } = this;
    if (model === undefined) return undefined;
    const chosen = objective === undefined ? {} : { objective };
    const graph = traceRoot({ ...rootOf(model), span }, lossEntry, session, { ...chosen, training: true });
    if (graph === undefined) return undefined;
    const found = objective && lookup(this.module, objective.name);
    const declared = found?.kind === 'objective' || found?.kind === 'fn' ? { objective: found.decl } : {};
    checkMetricColumns(graph, { model, place: span, ...declared }, session);
    return graph;
  }

  private readOptimizer(expr: Expr): Recipe['optimizer'] | undefined {
    const reading = readSetting(expr, 'optimizer', this.env);
    if (reading?.kind === 'sgd' && reading.value.nesterov && reading.value.momentum === 0) {
      const help = 'sgd(lr = 0.1, momentum = 0.9, nesterov = true)';
      this.session.report('Z502', expr.span, '`nesterov` of sgd needs a momentum above 0', { help });
      return undefined;
    }
    return reading && optimizerOf(reading);
  }

  private readChunk(expr: Expr, batch: number | undefined): number | undefined {
    const chunk = readPlain(expr, 'chunk', settings.chunk, this.env);
    if (chunk === undefined || batch === undefined || batch % chunk === 0) return chunk;
    const near = nearestDivisors(batch, chunk);
    this.session.report('Z502', expr.span, `batch ${batch} is not a multiple of chunk ${chunk}`, {
      help: `chunks that work: ${near.join(', ')}`,
    });
    return undefined;
  }

  private readLengths(expr: Expr, known: boolean, objective: ObjectiveChoice | undefined) {
    const { model, session } = this;
    return readLengths(expr, this.env, model?.name ?? '', () => {
      if (model === undefined || !known || session.hasErrors) return undefined;
      const chosen = objective === undefined ? {} : { objective };
      const graph = traceRoot(rootOf(model), lossEntry, session, { ...chosen, training: true, batch: 2 });
      return graph && stepOf(graph);
    });
  }

  private readClip(expr: Expr): number | undefined {
    if (expr.kind === 'int' || expr.kind === 'float') {
      return readPlain(expr, 'grad_clip', clippings.norm.fields.max, this.env) as number | undefined;
    }
    return readSetting(expr, 'grad_clip', this.env)?.value.max;
  }
}

// ── values ─────────────────────────────────────────────────────────────────────────────────────────────────

function optimizerOf({ kind, value }: Reading<typeof optimizers>): Recipe['optimizer'] {
  const { weight_decay: weightDecay, decay_when: decayMinDims, ...rule } = value;
  return { kind, ...rule, weightDecay, decayMinDims } as Recipe['optimizer'];
}

type ScheduleReading = Reading<typeof schedules> | undefined;

/** Constant without a `schedule`; `steps` is its length. */
function scheduled(reading: ScheduleReading, steps: number | undefined): Recipe['schedule'] {
  const { kind, value } = reading ?? { kind: 'constant', value: schedules.constant.schema.parse({}) };
  const length = steps === undefined ? {} : { total: { value: steps, unit: 'steps' } as const };
  return { kind, ...value, ...length } as Recipe['schedule'];
}

function mixedOr32(reading: Reading<typeof precisions> | undefined): Recipe['precision'] {
  if (reading?.kind !== 'mixed') return { kind: 'f32' };
  return { kind: 'mixed', lossScale: reading.value.loss_scale };
}

function nearestDivisors(batch: number, chunk: number): number[] {
  if (batch > 1e7) return [1, batch];
  const found: number[] = [];
  for (let below = Math.min(chunk, batch); below >= 1 && found.length < 1; below--)
    if (batch % below === 0) found.push(below);
  for (let above = chunk; above <= batch && found.length < 2; above++)
    if (batch % above === 0) found.push(above);
  return found;
}
