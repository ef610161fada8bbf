/**
 * The statements of a recipe (`clamp`, `freeze`, `lr`, `remat`, `init`, `checkpoint`, `evaluate`, ...), checked
 * against the model's tree.
 */
import type { Expr, PathExpr, Setting, StringExpr, TrainDecl } from '../../../grammar/ast.ts';
import { parseExpression } from '../../../grammar/parser.ts';
import type { SourceFile } from '../../../grammar/source.ts';
import { formatShape } from '../../graph/types.ts';
import { blocksOf } from '../build/structure.ts';
import type { TextOverride } from '../resolve/resolve.ts';
import { imageWeights } from '../trace/image-weights.ts';
import type { Model, Recipe, StartValue } from '../types.ts';
import { blocksMatching, frozenPattern, matchesGlob } from '../values/globs.ts';
import { gridOf, gridShapes } from '../values/grid.ts';
import { type Env, evaluate } from '../values/scope.ts';
import { corrected, didYouMean } from '../values/suggest.ts';
import { describe, isNumber } from '../values/values.ts';
import {
  type initialisations,
  type Reading,
  rates,
  readCall,
  readDuration,
  readPlain,
  readSetting,
  settingCalls,
  settings,
} from './schema.ts';

type Statements = Pick<Recipe, 'clamps' | 'remat' | 'freeze' | 'rates' | 'init' | 'evaluate' | 'checkpoint'>;

/** Checkpoints that are kept unless a recipe says otherwise. */
const defaultKeep = 3;

export class StatementReader {
  private readonly decl: TrainDecl;
  private readonly env: Env;
  /** Undefined if the model has mistakes: nothing is said about its weights then. */
  private readonly model: Model | undefined;

  constructor(decl: TrainDecl, env: Env, model: Model | undefined) {
    this.decl = decl;
    this.env = env;
    this.model = model;
  }

  private get session() {
    return this.env.session;
  }

  read(overrides: readonly TextOverride[]): Statements {
    const clamps: Recipe['clamps'][number][] = [];
    const remat: string[] = [];
    const freeze: string[] = [];
    const rateLines: Recipe['rates'][number][] = [];
    const init: Recipe['init'][number][] = [];
    const asked: Recipe['evaluate'][number][] = [];
    let checkpoint: Recipe['checkpoint'];
    for (const setting of this.decl.settings) {
      if (setting.kind === 'clamp') clamps.push(...this.readClamp(setting));
      else if (setting.kind === 'remat') remat.push(...this.readPatterns(setting.patterns, 'remat'));
      else if (setting.kind === 'freeze') freeze.push(...this.readPatterns(setting.patterns, 'freeze'));
      else if (setting.kind === 'rate') rateLines.push(...this.readRate(setting));
      else if (setting.kind === 'init') init.push(...this.readInit(setting, init));
      else if (setting.kind === 'evaluate') asked.push(...this.readEvaluate(setting));
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
      rates: rateLines,
      init,
      evaluate: asked,
      ...(checkpoint === undefined ? {} : { checkpoint }),
    };
  }

  private readCheckpoint(every: Expr, keep: Expr | undefined): Recipe['checkpoint'] {
    const interval = readDuration(every, 'checkpoint every', this.env);
    const kept = keep === undefined ? defaultKeep : readPlain(keep, 'keep', settings.keep, this.env);
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
      if (every !== undefined) checkpoint = { every, keep: keep ?? defaultKeep };
    }
    return checkpoint;
  }

  private readEvaluate(setting: Extract<Setting, { kind: 'evaluate' }>): Recipe['evaluate'] {
    const what = readCall(setting.what, 'evaluate', settingCalls.evaluate, this.env);
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

  private readRate(setting: Extract<Setting, { kind: 'rate' }>): Recipe['rates'] {
    const { rate } = setting;
    const patterns = this.readPatterns(setting.patterns, rate);
    const value = readPlain(setting.value, rate, rates[rate], this.env);
    return value === undefined ? [] : patterns.map((pattern) => ({ rate, pattern, value }));
  }

  private readInit(setting: Extract<Setting, { kind: 'init' }>, before: Recipe['init']): Recipe['init'] {
    const weight = this.weightAt(setting.path, undefined);
    const reading = readSetting(setting.value, 'init', this.env);
    if (weight === undefined || reading === undefined) return [];
    if (before.some((i) => i.weight === weight)) {
      this.session.report('Z505', setting.path.span, `${weight} is set twice`);
      return [];
    }
    const how = startValue(reading);
    const { shape } = this.model!.weights.find((w) => w.name === weight)!;
    if (
      how.kind === 'resize_grid' &&
      (gridOf(shape) === undefined || !imageWeights(this.model!).has(weight))
    ) {
      const message = `${weight} ${formatShape(shape)} is no grid of a picture that could be resized`;
      this.session.report('Z502', setting.value.span, message, { help: `resize_grid takes ${gridShapes}` });
      return [];
    }
    return [{ weight, how }];
  }

  /** The weight of a path; undefined after a report, or if the model itself is wrong. */
  private weightAt(path: PathExpr, kind: 'param' | undefined): string | undefined {
    const name = path.segments.map((s) => s.text).join('.');
    const { model } = this;
    if (model === undefined) return undefined;
    const known = model.weights.filter((w) => kind === undefined || w.kind === kind).map((w) => w.name);
    if (known.includes(name)) return name;
    const hint = didYouMean(name, known);
    const fix = corrected(name, known, path.span);
    this.session.report('Z504', path.span, `${model.name} has no weight \`${name}\`${hint}`, fix);
    return undefined;
  }

  /** Patterns of blocks, of weights (`freeze`), or of weights and blocks that hold some. */
  private readPatterns(
    patterns: readonly StringExpr[],
    kind: 'freeze' | 'remat' | Recipe['rates'][number]['rate'],
  ): string[] {
    const { model } = this;
    if (model === undefined) return [];
    const ofBlocks = kind === 'remat' || kind === 'layer_decay';
    const blocks = [...blocksOf(model.root)].map((b) => b.path).filter((p) => p !== '');
    const params = model.weights.filter((w) => w.kind === 'param').map((w) => w.name);
    const paths = ofBlocks ? blocks : params;
    const fits = (pattern: string) =>
      kind === 'lr' || kind === 'weight_decay'
        ? params.some((name) => blocksMatching([pattern])(name) !== undefined)
        : paths.some((path) => matchesGlob(kind === 'freeze' ? frozenPattern(pattern) : pattern, path));
    for (const { value, span } of patterns) {
      if (fits(value)) continue;
      const noun = ofBlocks ? 'block' : 'weight';
      const wider = [`${value}.**`, value.replace(/^!?/, '$&**.')].find(fits);
      this.session.report('Z504', span, `"${value}" matches no ${noun} of ${model.name}`, {
        ...(wider === undefined ? {} : { help: `${kind} "${wider}"` }),
      });
    }
    return patterns.map((p) => p.value);
  }
}

function startValue(reading: Reading<typeof initialisations>): StartValue {
  switch (reading.kind) {
    case 'resize_grid':
      return { kind: 'resize_grid', ...reading.value };
    case 'zeros':
      return { kind: 'const', value: 0 };
    case 'ones':
      return { kind: 'const', value: 1 };
    case 'const':
      return { kind: 'const', ...reading.value };
    case 'xavier_uniform':
    case 'kaiming_normal':
      return { kind: reading.kind };
    case 'normal':
    case 'trunc_normal':
      return { kind: reading.kind, ...reading.value };
    case 'uniform':
      return { kind: 'uniform', ...reading.value };
    case 'orthogonal':
      return { kind: 'orthogonal', ...reading.value };
  }
}
