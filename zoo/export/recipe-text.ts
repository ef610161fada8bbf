/**
 * Settings of an evaluated recipe written in the language again.
 *
 * `--set optimizer.lr=1e-3` changes a recipe without changing its text; a run's `recipe.zoo` must
 * say what was run. So every setting that was overridden is written out in full from its value,
 * in place of the original.
 */
import type {
  ObjectiveChoice,
  Quantity,
  Recipe,
  StaticCall,
  StaticValueData,
} from '../../compiler/model/types.ts';
import type { TrainDecl } from '../../grammar/ast.ts';

/** A replacement of a range of the text. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Names of arguments in the language by field. */
function callText(
  name: string,
  args: readonly (readonly [string, string | number | boolean | undefined])[],
): string {
  const given = args.flatMap(([key, value]) => (value === undefined ? [] : [`${key} = ${value}`]));
  return `${name}(${given.join(', ')})`;
}

function quantityText({ value, unit }: Quantity): string {
  return `${value} ${unit}`;
}

function dataText(data: StaticValueData): string {
  if (typeof data === 'string') return JSON.stringify(data);
  if (typeof data !== 'object') return String(data);
  if (Array.isArray(data)) return `[${data.map(dataText).join(', ')}]`;
  if ('unit' in data) return quantityText(data as Quantity);
  if ('fields' in data) return `{ ${namedTexts(data.fields).join(', ')} }`;
  const { name, args, named } = data as StaticCall;
  return `${name}(${[...args.map(dataText), ...namedTexts(named)].join(', ')})`;
}

function namedTexts(values: Readonly<Record<string, StaticValueData>>): string[] {
  return Object.entries(values).map(([name, value]) => `${name} = ${dataText(value)}`);
}

function objectiveText({ name, arguments: given }: ObjectiveChoice): string {
  return given === undefined
    ? name
    : callText(
        name,
        Object.entries(given).map(([k, v]) => [k, dataText(v)]),
      );
}

/** The text of each assignable setting; undefined where the recipe has none. */
const writers: Readonly<Record<string, (recipe: Recipe) => string | undefined>> = {
  data: (r) => (r.data.name === 'mix' ? undefined : dataText(r.data)),
  mix: (r) => (r.data.name === 'mix' ? dataText(r.data.args) : undefined),
  objective: ({ objective: o }) => o && objectiveText(o),
  batch: (r) => String(r.batch),
  chunk: (r) => (r.chunk === undefined ? undefined : String(r.chunk)),
  lengths: (r) => r.lengths && dataText(r.lengths),
  optimizer: ({ optimizer: { kind, weightDecay, decayMinDims, ...values } }) =>
    callText(kind, [
      ...Object.entries(values),
      ['weight_decay', weightDecay],
      ['decay_when', `ndim >= ${decayMinDims}`],
    ]),
  schedule: ({ schedule: { kind, ...values } }) =>
    callText(
      kind,
      Object.entries(values).map(([key, v]) => [key, typeof v === 'object' ? quantityText(v) : v]),
    ),
  ema: (r) => (r.ema === undefined ? undefined : String(r.ema)),
  precision: ({ precision: p }) =>
    p.kind === 'f32' ? 'f32' : callText('mixed', [['loss_scale', p.lossScale]]),
  grad_clip: (r) => (r.gradClip === undefined ? undefined : callText('norm', [['max', r.gradClip]])),
  batch_norm: (r) => r.batchNorm ?? 'local',
  wire: (r) => r.wire ?? 'f32',
  shard: (r) => r.shard ?? 'none',
  seed: (r) => String(r.seed),
};

/** Whether an override's path belongs to the recipe and not to its model. */
export function isSetting(path: string): boolean {
  const first = path.split('.', 1)[0]!;
  return Object.hasOwn(writers, first) || first === 'steps' || first === 'checkpoint';
}

/** Replaces a setting that the declaration has, or adds it before its closing brace. */
function place(decl: TrainDecl, found: TrainDecl['settings'][number] | undefined, text: string): Edit {
  if (found !== undefined) return { start: found.span.start, end: found.span.end, text };
  const brace = decl.span.end - 1;
  return { start: brace, end: brace, text: `  ${text}\n` };
}

/**
 * Edits that make the text of `decl` say what `recipe` holds, for the settings at these paths.
 * @param paths of overrides for which `isSetting` is true
 */
export function settingEdits(decl: TrainDecl, recipe: Recipe, paths: readonly string[]): Edit[] {
  const assigned = (key: string) => decl.settings.find((s) => s.kind === 'assign' && s.key.text === key);
  const steps = assigned('steps');
  // The number of steps is the schedule's total; only one of them may stand in a recipe.
  const keys = new Set(paths.map((p) => p.split('.', 1)[0]!).map((k) => (k === 'steps' ? 'schedule' : k)));
  const edits: Edit[] = [];
  if (keys.has('schedule') && steps !== undefined)
    edits.push({ start: steps.span.start, end: steps.span.end, text: '' });
  for (const key of keys) {
    if (key === 'checkpoint') {
      const { checkpoint } = recipe;
      const found = decl.settings.find((s) => s.kind === 'checkpoint');
      if (checkpoint !== undefined)
        edits.push(
          place(decl, found, `checkpoint every ${quantityText(checkpoint.every)} keep ${checkpoint.keep}`),
        );
      continue;
    }
    const text = writers[key]!(recipe);
    if (text !== undefined) edits.push(place(decl, assigned(key), `${key} = ${text}`));
  }
  return edits;
}
