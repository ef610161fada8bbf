/**
 * The assignments of a recipe by key, with `--set` overrides applied to their texts: `batch=64` replaces a
 * setting, `optimizer.lr=1e-3` one argument of it. Values are evaluated afterwards, whatever they came from.
 */
import { type CallExpr, type Expr, rateWords, type Setting, type TrainDecl } from '../../../grammar/ast.ts';
import { parseExpression } from '../../../grammar/parser.ts';
import type { SourceFile, Span } from '../../../grammar/source.ts';
import type { TextOverride } from '../resolve/resolve.ts';
import type { Session } from '../values/session.ts';
import { corrected, didYouMean } from '../values/suggest.ts';
import { clippings, optimizers, schedules } from './schema.ts';

type Assign = Extract<Setting, { kind: 'assign' }>;

export const assignable = [
  'data',
  'mix',
  'objective',
  'batch',
  'chunk',
  'lengths',
  'optimizer',
  'schedule',
  'ema',
  'precision',
  'grad_clip',
  'batch_norm',
  'wire',
  'shard',
  'seed',
  'steps',
] as const;
export type Key = (typeof assignable)[number];
/** Settings that are not assignments, for suggestions. */
export const statements = [
  'clamp',
  'freeze',
  ...rateWords,
  'remat',
  'init',
  'table',
  'from',
  'checkpoint',
  'evaluate',
] as const;

function isKey(name: string): name is Key {
  return (assignable as readonly string[]).includes(name);
}

/** Whether an override is about the recipe and not about its model. */
export function isSettingPath(path: string): boolean {
  const [first = ''] = path.split('.');
  return isKey(first) || first === 'checkpoint';
}

/** `model.vision.layers` says the same as `vision.layers`. */
export function withoutPrefix(override: TextOverride): TextOverride {
  return override.path.startsWith('model.')
    ? { ...override, path: override.path.slice('model.'.length) }
    : override;
}

/** Every assignment, overrides applied. */
export function assignmentsOf(
  decl: TrainDecl,
  overrides: readonly TextOverride[],
  session: Session,
): Map<Key, Expr> {
  const assigned = new Map<Key, Expr>();
  for (const setting of decl.settings) if (setting.kind === 'assign') assign(setting, assigned, session);
  if (assigned.has('steps') && mentionsTotal(assigned.get('schedule'))) {
    const { span } = assigned.get('steps')!;
    session.report('Z505', span, 'the length is given twice: `steps` and `total` of the schedule');
  }
  if (assigned.has('data') && assigned.has('mix'))
    session.report('Z505', assigned.get('mix')!.span, 'the data is given twice: `data` and `mix`');
  for (const override of overrides) applyOverride(override, assigned, session);
  return assigned;
}

function assign({ key, value }: Assign, assigned: Map<Key, Expr>, session: Session): void {
  const rate = rateWords.find((word) => word === key.text);
  if (rate !== undefined) {
    const [what, example, help] =
      rate === 'layer_decay'
        ? ['blocks', '**.resblocks.*', {}]
        : ['weights', 'visual.**', { help: `for all weights: optimizer = adamw(${rate} = ...)` }];
    const message = `\`${rate}\` needs a pattern of ${what}: ${rate} "${example}" = ...`;
    session.report('Z501', key.span, message, help);
  } else if (!isKey(key.text)) {
    const known: readonly string[] = [...assignable, ...statements];
    const hint = didYouMean(key.text, known);
    const help =
      hint === '' ? { help: `settings: ${known.join(', ')}` } : corrected(key.text, known, key.span);
    session.report('Z501', key.span, `a recipe has no setting \`${key.text}\`${hint}`, help);
  } else if (assigned.has(key.text)) {
    session.report('Z505', key.span, `\`${key.text}\` is set twice`);
  } else assigned.set(key.text, value);
}

/** `batch=64` replaces a setting, `optimizer.lr=1e-3` one argument of it. */
function applyOverride(
  { path, value: text }: TextOverride,
  assigned: Map<Key, Expr>,
  session: Session,
): void {
  const [key = '', argument, ...deeper] = path.split('.');
  if (!isKey(key)) return;
  const file: SourceFile = { path: `--set ${path}`, text };
  const { expression, diagnostics } = parseExpression(file);
  session.adopt(diagnostics);
  if (argument === undefined) {
    assigned.set(key, expression);
    return;
  }
  const span: Span = { file, start: 0, end: text.length };
  if (deeper.length > 0) session.report('Z501', span, `\`${path}\` is no setting of a recipe`);
  else assigned.set(key, withArgument(key, assigned.get(key), argument, expression, span));
}

function mentionsTotal(schedule: Expr | undefined): boolean {
  return schedule?.kind === 'call' && argumentNames('schedule', schedule).includes('total');
}

const table = { positional: ['file'] };
const forms: Partial<Record<Key, Readonly<Record<string, { readonly positional: readonly string[] }>>>> = {
  optimizer: optimizers,
  schedule: schedules,
  grad_clip: clippings,
  data: {
    csv: table,
    tensors: table,
    webdataset: { positional: ['shards'] },
    image_folder: { positional: ['dir'] },
    parquet: { positional: ['files'] },
  },
};
/** Names of a setting's arguments; undefined for those that nothing names. */
function argumentNames(key: Key, { callee, args }: CallExpr): (string | undefined)[] {
  const name = callee.kind === 'name' ? callee.text : '';
  const known = forms[key] ?? {};
  const positional = Object.hasOwn(known, name) ? known[name]!.positional : [];
  let position = 0;
  return args.map((a) => a.name?.text ?? positional[position++]);
}

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
  const names = before?.kind === 'call' ? argumentNames(key, before) : [];
  const args = before?.kind === 'call' ? before.args : [];
  const named = args.flatMap((a, i) => {
    const own = names[i];
    if (own === name) return [];
    return [own === undefined || a.name ? a : { ...a, name: { text: own, span: a.span, quoted: false } }];
  });
  const added = { name: { text: name, span, quoted: false }, value, span };
  return { kind: 'call', callee, args: [...named, added], span: before?.span ?? span };
}
