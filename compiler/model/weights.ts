/** Weights of a block: their shapes as numbers, how they start, and how a file of tensors fits a whole model. */
import type { Expr, WeightMember } from '../../grammar/ast.ts';
import type { Diagnostic } from '../../grammar/diagnostics.ts';
import type { DType } from '../graph/types.ts';
import { formatShape } from '../graph/types.ts';
import { asDim, provenances } from './arithmetic.ts';
import { maxAxis } from './emit.ts';
import { evaluate } from './evaluate.ts';
import type { WeightEntry } from './instance.ts';
import type { Env } from './scope.ts';
import { sourceText } from './session.ts';
import { didYouMean } from './suggest.ts';
import type { Initializer, Model, Weight } from './types.ts';
import type { AxisOrigin, Value } from './values.ts';
import { describe } from './values.ts';

/** Elements of one weight: far above any model, far below where sums of sizes lose exactness. */
const maxElements = 2 ** 44;

/** A weight of the block that `env` elaborates; undefined after a report. */
export function declareWeight(member: WeightMember, env: Env): WeightEntry | undefined {
  const shape: number[] = [];
  const axes: (AxisOrigin | undefined)[] = [];
  for (const dim of member.type.dims) {
    const size = dim.kind === 'ellipsis' ? undefined : dimension(dim, env);
    if (dim.kind === 'ellipsis')
      env.session.report('Z209', dim.span, 'a weight needs a number for every axis');
    if (size === undefined || dim.kind === 'ellipsis') return undefined;
    shape.push(size);
    axes.push(axisOrigin(dim, size, env));
  }
  if (shape.reduce((a, b) => a * b, 1) > maxElements) {
    env.session.report(
      'Z314',
      member.type.span,
      `\`${member.name.text}\` ${formatShape(shape)} has too many elements`,
    );
    return undefined;
  }
  const dtype = elementType(member, env);
  const init = dtype === undefined ? undefined : initializer(member, shape, env);
  if (dtype === undefined || init === undefined) return undefined;
  const name = env.path === '' ? member.name.text : `${env.path}.${member.name.text}`;
  const weight: Weight = { name, kind: member.role, shape, dtype, init, span: member.span };
  return { kind: 'weight', weight, value: { kind: 'weight', weight, axes } };
}

function dimension(expr: Expr, env: Env): number | undefined {
  const value = evaluate(expr, env);
  if (value.kind === 'poison') return undefined;
  const size = asDim(value);
  if (typeof size !== 'number') {
    env.session.report('Z209', expr.span, `an axis of a weight must be an int, got ${describe(value)}`);
    return undefined;
  }
  if (size >= 1 && size <= maxAxis) return size;
  const [from] = provenances(expr, env);
  env.session.report('Z313', expr.span, `an axis of a weight must be from 1 to ${maxAxis}, got ${size}`, {
    ...(from === undefined ? {} : { labels: [{ span: from.span, text: `${from.name} = ${from.text}` }] }),
  });
  return undefined;
}

function axisOrigin(expr: Expr, size: number, env: Env): AxisOrigin | undefined {
  const [from] = provenances(expr, env);
  if (from === undefined) return undefined;
  return {
    provenance:
      expr.kind === 'name' ? from : { name: sourceText(expr.span), text: String(size), span: from.span },
  };
}

const elementTypes: readonly (DType | 'i64')[] = ['f32', 'i32', 'i64'];

function elementType(member: WeightMember, env: Env): DType | 'i64' | undefined {
  const { element } = member.type;
  if (element === undefined) return 'f32';
  const found = elementTypes.find((t) => t === element.text);
  if (found === undefined) {
    const hint = didYouMean(element.text, elementTypes);
    env.session.report('Z303', element.span, `weights cannot hold \`${element.text}\`${hint}`, {
      help: `element types of weights: ${elementTypes.join(', ')}`,
    });
  } else if (found !== 'f32' && member.role === 'param') {
    env.session.report(
      'Z303',
      element.span,
      'a param is trained, so it holds f32; integers belong in a buffer',
    );
    return undefined;
  }
  return found;
}

/** Without an initialiser: matrices as PyTorch's linear layers (uniform in ±1/√fan-in), the rest zeros. */
function initializer(member: WeightMember, shape: readonly number[], env: Env): Initializer | undefined {
  if (member.init === undefined) {
    const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
    if (member.role === 'buffer' || shape.length < 2) return { kind: 'const', value: 0 };
    return { kind: 'uniform', bound: fanIn ** -0.5 };
  }
  const value = evaluate(member.init, env);
  if (value.kind === 'poison') return undefined;
  const init = asInitializer(value);
  if (init !== undefined) return init;
  env.session.report(
    'Z209',
    member.init.span,
    `\`${member.name.text}\` must start from an initialiser, got ${describe(value)}`,
    {
      help: 'initialisers: zeros, ones, const(value), normal(std), uniform(bound)',
    },
  );
  return undefined;
}

function asInitializer(value: Value): Initializer | undefined {
  if (value.kind === 'initializer') return value.init;
  if (value.kind === 'int' || value.kind === 'float') return { kind: 'const', value: value.value };
  if (value.kind === 'builtin' && value.builtin.initial !== undefined)
    return { kind: 'const', value: value.builtin.initial };
  return undefined;
}

// ── files of tensors ────────────────────────────────────────────────────────────────────────────────────────────────

export interface TensorInfo {
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** At most this many tensors are listed of each sort. */
const shown = 40;
/** Element types that an f32 weight can be read from. */
const floatTypes = ['F16', 'BF16', 'F32', 'F64'];

/** A tensor that a file must hold: a weight, or a part of one under another format's names. */
export interface WantedTensor extends TensorInfo {
  readonly weight: Weight;
}

/** The model's weights under their own names. */
function ownTensors(model: Model): Map<string, WantedTensor> {
  return new Map(
    model.weights.map((weight) => [weight.name, { weight, shape: weight.shape, dtype: weight.dtype }]),
  );
}

/**
 * Every way in which a file's tensors miss the model: missing, extra, misshapen, of the wrong element type; one diagnostic.
 * @param wanted what the file must hold; by default the weights under their own names
 */
export function checkWeights(
  model: Model,
  tensors: ReadonlyMap<string, TensorInfo>,
  wanted: ReadonlyMap<string, WantedTensor> = ownTensors(model),
): Diagnostic[] {
  const missing = [...wanted]
    .filter(([name, { weight }]) => weight.dtype !== 'i64' && !tensors.has(name))
    .map(([name, { shape }]) => `${name} ${formatShape(shape)}`);
  const extra = [...tensors]
    .filter(([name]) => !wanted.has(name))
    .map(([n, t]) => `${n} ${formatShape(t.shape)}`);
  const misshapen: { readonly weight: Weight; readonly text: string }[] = [];
  const mistyped: string[] = [];
  for (const [name, { weight, shape }] of wanted) {
    const tensor = tensors.get(name);
    if (tensor === undefined) continue;
    if (!sameNumbers(tensor.shape, shape)) {
      misshapen.push({ weight, text: misfit(name, weight, shape, tensor, model) });
    } else if (weight.dtype === 'f32' && !floatTypes.includes(tensor.dtype)) {
      mistyped.push(`${name} is ${tensor.dtype} in the file, f32 in the model`);
    }
  }
  const shapes = misshapen.map((m) => m.text);
  const notes = [
    ...listed('not in the file', missing),
    ...listed('not in the model', extra),
    ...(shapes.length > 1 ? listed('of another shape', shapes) : []),
    ...listed('of another element type', mistyped),
  ];
  const [first] = shapes;
  if (first === undefined && notes.length === 0) return [];
  const message = first !== undefined ? `weights do not fit: ${first}` : `weights do not fit ${model.name}`;
  const grid = misshapen.find((m) => /(^|\.)positional_embedding$/.test(m.weight.name))?.weight.name;
  const help = grid === undefined ? {} : { help: `init ${grid} = resize_grid(bicubic)` };
  return [{ code: 'Z401', severity: 'error', message, ...(notes.length === 0 ? {} : { notes }), ...help }];
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/** `visual.positional_embedding is [50, 768] in the file, [145, 768] in the model (vision.resolution = 384)` */
function misfit(
  name: string,
  weight: Weight,
  shape: readonly number[],
  tensor: TensorInfo,
  model: Model,
): string {
  const resolution = /^visual\.(attnpool\.)?positional_embedding$/.test(weight.name)
    ? model.config.get('vision.resolution')
    : undefined;
  const because = resolution === undefined ? '' : ` (vision.resolution = ${resolution})`;
  return `${name} is ${formatShape(tensor.shape)} in the file, ${formatShape(shape)} in the model${because}`;
}

function listed(what: string, names: readonly string[]): string[] {
  const notes = names.slice(0, shown).map((name) => `${what}: ${name}`);
  return names.length > shown ? [...notes, `${what}: ${names.length - shown} more`] : notes;
}
