/** Weights of a block: their shapes as numbers, and how they start. */
import type { Expr, WeightMember } from '../../../grammar/ast.ts';
import type { DType } from '../../graph/types.ts';
import { formatShape } from '../../graph/types.ts';
import { asDim, provenances } from '../nodes/arithmetic.ts';
import { maxAxis } from '../nodes/emit.ts';
import type { Initializer, Weight } from '../types.ts';
import * as mistakes from '../values/mistakes.ts';
import { type Env, evaluate } from '../values/scope.ts';
import { sourceText } from '../values/session.ts';
import { didYouMean } from '../values/suggest.ts';
import type { AxisOrigin, Value, WeightEntry } from '../values/values.ts';
import { describe, notWhole } from '../values/values.ts';

/** Elements of one weight: far above any model, far below where sums of sizes lose exactness. */
const maxElements = 2 ** 44;

/** A weight of the block that `env` elaborates; undefined after a report. */
export function declareWeight(member: WeightMember, env: Env): WeightEntry | undefined {
  const shape: number[] = [];
  const axes: (AxisOrigin | undefined)[] = [];
  for (const dim of member.type.dims) {
    const size = dim.kind === 'ellipsis' ? undefined : dimension(dim, env);
    if (dim.kind === 'ellipsis') mistakes.openAxis(env.session, dim.span);
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
    if (notWhole(value) === undefined)
      mistakes.wrongKind(env.session, expr.span, 'an axis of a weight', 'an int', describe(value));
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
  if (init !== undefined && shape.length < (leastAxes[init.kind] ?? 0)) {
    const axes = shape.length === 1 ? '1 axis' : `${shape.length} axes`;
    const message = `${init.kind} needs a matrix at least, \`${member.name.text}\` has ${axes}`;
    env.session.report('Z313', member.init.span, message, { help: 'normal(std), uniform(bound), zeros' });
    return undefined;
  }
  if (init !== undefined) return init;
  env.session.report(
    'Z209',
    member.init.span,
    `\`${member.name.text}\` must start from an initialiser, got ${describe(value)}`,
    {
      help: 'initialisers: zeros, ones, const(value), normal(std), trunc_normal(std), uniform(bound), xavier_uniform(), kaiming_normal(), orthogonal(gain)',
    },
  );
  return undefined;
}

/** Axes that initialisers need which count what a row or column is made of. */
const leastAxes: Partial<Record<Initializer['kind'], number>> = {
  xavier_uniform: 2,
  kaiming_normal: 2,
  orthogonal: 2,
};

function asInitializer(value: Value): Initializer | undefined {
  if (value.kind === 'initializer') return value.init;
  if (value.kind === 'int' || value.kind === 'float') return { kind: 'const', value: value.value };
  if (value.kind === 'builtin' && value.builtin.initial !== undefined)
    return { kind: 'const', value: value.builtin.initial };
  return undefined;
}
