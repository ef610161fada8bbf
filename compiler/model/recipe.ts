/**
 * Recipes: the settings of `train`, evaluated and validated against the model they train.
 *
 * `check` wants every setting that is there to be right; training also wants those that must be there (`data`, `batch`).
 * Settings may be overridden like parameters: `batch = 64`, `optimizer.lr = 1e-3`; paths that name no setting belong to the
 * model (`vision.layers = 2`).
 */
import type { Expr, PathExpr, Setting, StringExpr, TrainDecl } from '../../grammar/ast.ts';
import { parseExpression } from '../../grammar/parser.ts';
import type { SourceFile, Span } from '../../grammar/source.ts';
import { checkTexts } from './declarations.ts';
import { evaluate } from './evaluate.ts';
import { matchesGlob } from './globs.ts';
import { lookup, lookupModel, type Module, visibleModels, visibleNames } from './imports.ts';
import { instancesOf } from './instance.ts';
import { callData } from './recipe-data.ts';
import {
  clippings,
  dataSources,
  initialisations,
  optimizers,
  precisions,
  readDuration,
  readForm,
  readPlain,
  schedules,
  settings,
} from './recipe-schema.ts';
import {
  buildModel,
  inSession,
  openReference,
  parseOverrides,
  pick,
  staticEnv,
  type TextOverride,
} from './resolve.ts';
import type { Env } from './scope.ts';
import { sourceText } from './session.ts';
import { didYouMean } from './suggest.ts';
import { defaultObjective, type Root, traceRoot } from './trace.ts';
import type { Model, ModuleHost, Recipe, Result, StaticCall } from './types.ts';
import { describe, isNumber } from './values.ts';
import { evaluateModelExpr } from './variants.ts';

type Assign = Extract<Setting, { kind: 'assign' }>;

const assignable = [
  'data',
  'objective',
  'batch',
  'chunk',
  'optimizer',
  'schedule',
  'precision',
  'grad_clip',
  'seed',
  'steps',
] as const;
type Key = (typeof assignable)[number];
/** Settings that are not assignments, for suggestions. */
const statements = ['clamp', 'freeze', 'remat', 'init', 'checkpoint', 'evaluate'];

function isKey(name: string): name is Key {
  return (assignable as readonly string[]).includes(name);
}

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
  const env = staticEnv(module, session);
  const mine = overrides.filter((o) => isSettingPath(o.path));
  const theirs = overrides.filter((o) => !isSettingPath(o.path));
  const forModel = parseOverrides(theirs.map(withoutPrefix), env);
  if (forModel === undefined) return undefined;
  const before = session.errorCount;
  const value = evaluateModelExpr(decl.of, forModel, env);
  const name = modelName(decl.of);
  const model = buildModel(name, value, decl.of.span, module, session);
  const reader = new RecipeReader(decl, module, env, model, complete);
  const recipe = reader.read(mine);
  return session.errorCount > before ? undefined : recipe;
}

function isSettingPath(path: string): boolean {
  const [first = ''] = path.split('.');
  return isKey(first) || first === 'checkpoint';
}

/** `model.vision.layers` says the same as `vision.layers`. */
function withoutPrefix(override: TextOverride): TextOverride {
  return override.path.startsWith('model.')
    ? { ...override, path: override.path.slice('model.'.length) }
    : override;
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
    const from = this.readFrom();
    const assigned = this.assignments(overrides);
    const fixed = this.readAssigned(assigned);
    const statements = this.readStatements(overrides);
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

  /** The name of a model, or a file of weights. */
  private readFrom(): string | undefined {
    const { from } = this.decl;
    if (from === undefined || from.kind === 'error') return undefined;
    const name = from.kind === 'string' ? from.value : sourceText(from.span);
    const found = lookupModel(this.module, name);
    if (found?.kind === 'model' || found === null || /\.safetensors$|^\.{0,2}\//.test(name)) return name;
    const hint = didYouMean(name, visibleModels(this.module));
    this.session.report('Z213', from.span, `there is no model "${name}"${hint}`, {
      help: 'from takes a model or a file: "weights.safetensors"',
    });
    return undefined;
  }

  // ── assignments ───────────────────────────────────────────────────────────────────────────────────────────────────

  private assignments(overrides: readonly TextOverride[]): Map<Key, Expr> {
    const assigned = new Map<Key, Expr>();
    for (const setting of this.decl.settings) if (setting.kind === 'assign') this.assign(setting, assigned);
    if (assigned.has('steps') && mentionsTotal(assigned.get('schedule'))) {
      const { span } = assigned.get('steps')!;
      this.session.report('Z505', span, 'the length is given twice: `steps` and `total` of the schedule');
    }
    for (const override of overrides) this.override(override, assigned);
    return assigned;
  }

  private assign({ key, value }: Assign, assigned: Map<Key, Expr>): void {
    if (!isKey(key.text)) {
      const hint = didYouMean(key.text, [...assignable, ...statements]);
      const help = hint === '' ? { help: `settings: ${[...assignable, ...statements].join(', ')}` } : {};
      this.session.report('Z501', key.span, `a recipe has no setting \`${key.text}\`${hint}`, help);
    } else if (assigned.has(key.text)) {
      this.session.report('Z505', key.span, `\`${key.text}\` is set twice`);
    } else assigned.set(key.text, value);
  }

  /** `batch=64` replaces a setting, `optimizer.lr=1e-3` one argument of it. */
  private override({ path, value: text }: TextOverride, assigned: Map<Key, Expr>): void {
    const [key = '', argument, ...deeper] = path.split('.');
    if (!isKey(key)) return;
    const file: SourceFile = { path: `--set ${path}`, text };
    const { expression, diagnostics } = parseExpression(file);
    this.session.adopt(diagnostics);
    if (argument === undefined) {
      assigned.set(key, expression);
      return;
    }
    const span: Span = { file, start: 0, end: text.length };
    if (deeper.length > 0) this.session.report('Z501', span, `\`${path}\` is no setting of a recipe`);
    else assigned.set(key, withArgument(key, assigned.get(key), argument, expression, span));
  }

  private readAssigned(assigned: ReadonlyMap<Key, Expr>) {
    const { env } = this;
    const read = <T>(key: Key, reader: (expr: Expr) => T): T | undefined => {
      const expr = assigned.get(key);
      return expr === undefined || expr.kind === 'error' ? undefined : reader(expr);
    };
    const data = read('data', (expr) => this.readCall(expr, 'data', dataSources));
    const objective = read('objective', (expr) => this.readObjective(expr)) ?? defaultObjective;
    const batch = read('batch', (expr) => readPlain(expr, 'batch', settings.batch, env));
    const chunk = read('chunk', (expr) => this.readChunk(expr, batch));
    const optimizer = read('optimizer', (expr) => readForm(expr, 'optimizer', optimizers, env));
    const schedule = read('schedule', (expr) => readForm(expr, 'schedule', schedules, env));
    const precision = read('precision', (expr) => readForm(expr, 'precision', precisions, env));
    const clip = read('grad_clip', (expr) => this.readClip(expr));
    const seed = read('seed', (expr) => readPlain(expr, 'seed', settings.seed, env)) ?? 0;
    const steps = read('steps', (expr) => readPlain(expr, 'steps', settings.steps, env));
    if (!assigned.has('objective')) this.checkObjective(objective, this.decl.of.span);
    const whole = this.requireSettings(assigned);
    if (!whole || data === undefined || batch === undefined) return undefined;
    return {
      data,
      objective,
      batch,
      ...(chunk === undefined ? {} : { chunk }),
      optimizer: adamw(optimizer?.value ?? optimizers.adamw.schema.parse({})),
      schedule: scheduled(schedule, steps),
      precision: mixedOr32(precision),
      ...(clip === undefined ? {} : { gradClip: clip }),
      seed,
    };
  }

  /** Missing `data` or `batch`: an error where training starts, a warning where the file is only checked. */
  private requireSettings(assigned: ReadonlyMap<Key, Expr>): boolean {
    const missing = (['data', 'batch'] as const).filter((key) => !assigned.has(key));
    if (missing.length === 0) return true;
    const { name } = this.decl;
    const message = `recipe ${name.text} has no ${missing.map((k) => `\`${k}\``).join(' and no ')}`;
    const help = missing[0] === 'data' ? 'data = csv("pairs.csv")' : 'batch = 256';
    if (this.complete) this.session.report('Z503', name.span, message, { help });
    else
      this.session.warn('Z503', name.span, `${message}: it cannot be trained before that is set`, { help });
    return false;
  }

  private readCall(expr: Expr, key: string, known: readonly string[]): StaticCall | undefined {
    const call = expr.kind === 'call' ? callData(expr, this.env) : undefined;
    if (expr.kind !== 'call') {
      const examples = known.slice(0, 3).map((n) => `${n}(...)`);
      this.session.report('Z502', expr.span, `\`${key}\` must be a call: ${examples.join(', ')}`);
    } else if (call !== undefined && !known.includes(call.name)) {
      const hint = didYouMean(call.name, known);
      this.session.report('Z502', expr.callee.span, `\`${key}\` cannot be \`${call.name}\`${hint}`, {
        help: `${key} can be: ${known.map((n) => `${n}(...)`).join(', ')}`,
      });
      return undefined;
    }
    return call;
  }

  private readObjective(expr: Expr): string | undefined {
    const name = expr.kind === 'name' ? expr.text : expr.kind === 'string' ? expr.value : undefined;
    if (name === undefined) {
      this.session.report(
        'Z502',
        expr.span,
        '`objective` must be the name of an objective: objective = contrastive',
      );
      return undefined;
    }
    const found = lookup(this.module, name);
    if (found === null) return undefined;
    if (found?.kind === 'objective' || found?.kind === 'fn') return this.checkObjective(name, expr.span);
    const hint = didYouMean(name, visibleNames(this.module));
    this.session.report('Z200', expr.span, `there is no objective \`${name}\`${hint}`);
    return undefined;
  }

  /** Traces the loss, so that its shapes are checked with this model. */
  private checkObjective(name: string, span: Span): string | undefined {
    const { model, session } = this;
    if (model === undefined) return name;
    if (!model.entries.some((e) => e.name === 'loss')) {
      session.report(
        'Z315',
        this.decl.of.span,
        `${model.name} gives no \`image\`, \`text\` and \`scale\` to train on`,
      );
      return undefined;
    }
    const before = session.errorCount;
    traceRoot({ ...(model.root as Root), span }, 'loss', session, { objective: name, training: true });
    return session.errorCount > before ? undefined : name;
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

  private readClip(expr: Expr): number | undefined {
    if (expr.kind === 'int' || expr.kind === 'float') {
      return readPlain(expr, 'grad_clip', clippings.norm.fields.max, this.env) as number | undefined;
    }
    return readForm(expr, 'grad_clip', clippings, this.env)?.value.max;
  }

  // ── statements ────────────────────────────────────────────────────────────────────────────────────────────────────

  private readStatements(overrides: readonly TextOverride[]) {
    const clamps: Recipe['clamps'][number][] = [];
    const remat: string[] = [];
    const freeze: string[] = [];
    const init: Recipe['init'][number][] = [];
    const evaluations: Recipe['evaluate'][number][] = [];
    let checkpoint: Recipe['checkpoint'];
    for (const setting of this.decl.settings) {
      if (setting.kind === 'clamp') clamps.push(...this.readClamp(setting));
      else if (setting.kind === 'remat') remat.push(...this.readPatterns(setting.patterns, 'remat'));
      else if (setting.kind === 'freeze') freeze.push(...this.readPatterns(setting.patterns, 'freeze'));
      else if (setting.kind === 'init') init.push(...this.readInit(setting));
      else if (setting.kind === 'evaluate') evaluations.push(...this.readEvaluate(setting));
      else if (setting.kind === 'checkpoint') {
        if (checkpoint !== undefined) this.session.report('Z505', setting.span, '`checkpoint` is set twice');
        checkpoint = this.readCheckpoint(setting.every, setting.keep);
      }
    }
    checkpoint = this.overriddenCheckpoint(overrides, checkpoint);
    return {
      clamps,
      remat,
      freeze,
      init,
      evaluate: evaluations,
      ...(checkpoint === undefined ? {} : { checkpoint }),
    };
  }

  private readCheckpoint(every: Expr, keep: Expr | undefined): Recipe['checkpoint'] {
    const interval = readDuration(every, 'checkpoint every', this.env);
    const kept = keep === undefined ? 3 : readPlain(keep, 'keep', settings.keep, this.env);
    return interval === undefined || kept === undefined ? undefined : { every: interval, keep: kept };
  }

  /** `checkpoint.every=50`, `checkpoint.keep=1` */
  private overriddenCheckpoint(
    overrides: readonly TextOverride[],
    before: Recipe['checkpoint'],
  ): Recipe['checkpoint'] {
    let checkpoint = before;
    for (const { path, value: text } of overrides.filter((o) => o.path.split('.')[0] === 'checkpoint')) {
      const file: SourceFile = { path: `--set ${path}`, text };
      const { expression, diagnostics } = parseExpression(file);
      this.session.adopt(diagnostics);
      const every =
        path === 'checkpoint.every' ? readDuration(expression, path, this.env) : checkpoint?.every;
      const keep =
        path === 'checkpoint.keep' ? readPlain(expression, path, settings.keep, this.env) : checkpoint?.keep;
      if (path !== 'checkpoint.every' && path !== 'checkpoint.keep') {
        this.session.report(
          'Z501',
          { file, start: 0, end: text.length },
          `\`${path}\` is no setting of a recipe`,
          {
            help: 'checkpoint.every, checkpoint.keep',
          },
        );
      }
      if (every !== undefined) checkpoint = { every, keep: keep ?? 3 };
    }
    return checkpoint;
  }

  private readEvaluate(setting: Extract<Setting, { kind: 'evaluate' }>): Recipe['evaluate'] {
    const what = this.readCall(setting.what, 'evaluate', ['zeroshot', 'retrieval']);
    const every = setting.every === undefined ? undefined : readDuration(setting.every, 'every', this.env);
    return what === undefined ? [] : [{ what, ...(every === undefined ? {} : { every }) }];
  }

  private readClamp(setting: Extract<Setting, { kind: 'clamp' }>): Recipe['clamps'] {
    const weight = this.weightAt(setting.path, 'param');
    const [min, max] = [setting.range.start, setting.range.end].map((expr) => {
      const value = evaluate(expr, this.env);
      if (isNumber(value)) return value.value;
      if (value.kind !== 'poison')
        this.session.report('Z502', expr.span, `a bound must be a number, got ${describe(value)}`);
      return undefined;
    });
    if (weight === undefined || min === undefined || max === undefined) return [];
    const { shape } = this.model!.weights.find((w) => w.name === weight)!;
    if (shape.length > 0) {
      this.session.report(
        'Z502',
        setting.path.span,
        `clamp bounds scalars; ${weight} is [${shape.join(', ')}]`,
      );
    } else if (min > max) {
      this.session.report(
        'Z502',
        setting.range.span,
        `the lower bound ${min} is above the upper bound ${max}`,
      );
    } else return [{ weight, min, max }];
    return [];
  }

  private readInit(setting: Extract<Setting, { kind: 'init' }>): Recipe['init'] {
    const weight = this.weightAt(setting.path, undefined);
    const call =
      setting.value.kind === 'name'
        ? { ...setting.value, kind: 'call' as const, callee: setting.value, args: [] }
        : setting.value;
    const how = this.readCall(call, 'init', initialisations);
    return weight === undefined || how === undefined ? [] : [{ weight, how }];
  }

  /** The weight of a path; undefined after a report, or if the model itself is wrong. */
  private weightAt(path: PathExpr, kind: 'param' | undefined): string | undefined {
    const name = path.segments.map((s) => s.text).join('.');
    const { model } = this;
    if (model === undefined) return undefined;
    const known = model.weights.filter((w) => kind === undefined || w.kind === kind).map((w) => w.name);
    if (known.includes(name)) return name;
    const hint = didYouMean(name, known);
    this.session.report('Z504', path.span, `${model.name} has no weight \`${name}\`${hint}`);
    return undefined;
  }

  private readPatterns(patterns: readonly StringExpr[], kind: 'freeze' | 'remat'): string[] {
    const { model } = this;
    if (model === undefined) return [];
    const root = model.root as Root;
    const blocks = kind === 'remat' ? [...instancesOf(root.instance)].map((i) => i.path) : [];
    const params = model.weights.filter((w) => w.kind === 'param').map((w) => w.name);
    const paths = kind === 'remat' ? blocks.filter((p) => p !== '') : params;
    for (const { value, span } of patterns) {
      if (paths.some((path) => matchesGlob(value, path))) continue;
      const noun = kind === 'remat' ? 'block' : 'weight';
      const prefixed = paths.some(
        (path) => matchesGlob(`**.${value}`, path) || matchesGlob(`${value}.**`, path),
      );
      const wider = paths.some((path) => matchesGlob(`${value}.**`, path)) ? `${value}.**` : `**.${value}`;
      this.session.report('Z504', span, `"${value}" matches no ${noun} of ${model.name}`, {
        ...(prefixed ? { help: `${kind} "${wider}"` } : {}),
      });
    }
    return patterns.map((p) => p.value);
  }
}

// ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function adamw(o: {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weight_decay: number;
  decay_when: number;
}): Recipe['optimizer'] {
  const { lr, beta1, beta2, eps, weight_decay: weightDecay, decay_when: decayMinDims } = o;
  return { kind: 'adamw', lr, beta1, beta2, eps, weightDecay, decayMinDims };
}

type ScheduleReading = ReturnType<typeof readForm<typeof schedules>>;

/** Constant without a `schedule`; `steps` is its length. */
function scheduled(reading: ScheduleReading, steps: number | undefined): Recipe['schedule'] {
  const { warmup, total } = reading?.value ?? schedules.constant.schema.parse({});
  const length = steps === undefined ? total : { value: steps, unit: 'steps' as const };
  return { kind: reading?.kind ?? 'constant', warmup, ...(length === undefined ? {} : { total: length }) };
}

function mixedOr32(reading: ReturnType<typeof readForm<typeof precisions>>): Recipe['precision'] {
  if (reading?.kind !== 'mixed') return { kind: 'f32' };
  return { kind: 'mixed', lossScale: reading.value.loss_scale };
}

function mentionsTotal(schedule: Expr | undefined): boolean {
  return (
    schedule?.kind === 'call' &&
    schedule.args.some((a, i) => a.name?.text === 'total' || (a.name === undefined && i === 1))
  );
}

const positions: Partial<Record<Key, readonly string[]>> = {
  optimizer: optimizers.adamw.positional,
  schedule: schedules.cosine.positional,
  grad_clip: clippings.norm.positional,
};
const defaultCalls: Partial<Record<Key, string>> = {
  optimizer: 'adamw',
  schedule: 'constant',
  precision: 'mixed',
  grad_clip: 'norm',
};

/** The call of a setting with one argument replaced or added. */
function withArgument(key: Key, before: Expr | undefined, name: string, value: Expr, span: Span): Expr {
  const callee: Expr =
    before?.kind === 'call'
      ? before.callee
      : (before ?? { kind: 'name', text: defaultCalls[key] ?? key, span });
  const args = before?.kind === 'call' ? before.args : [];
  const kept = args.filter((a, i) => (a.name?.text ?? positions[key]?.[i]) !== name);
  const named = kept.map((a) => {
    const position = positions[key]?.[args.indexOf(a)];
    return a.name !== undefined || position === undefined
      ? a
      : { ...a, name: { text: position, span: a.span, quoted: false } };
  });
  const added = { name: { text: name, span, quoted: false }, value, span };
  return { kind: 'call', callee, args: [...named, added], span: before?.span ?? span };
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
