/**
 * What a graph is fed: one input for each parameter of a forward, an entry or an objective, under its name.
 *
 * A parameter whose first axis is the batch has a row for each sample. Any other one is a table: of fixed sizes,
 * the same for every sample, fed once for a run.
 */
import type { Expr, ParamDecl, RangeExpr, TypeExpr } from '../../../grammar/ast.ts';
import { type Dim, type Range, sameDim } from '../../graph/types.ts';
import { inputTypeOf } from '../build/elaborate.ts';
import type { Root } from '../build/tree.ts';
import { modelInput } from '../inputs.ts';
import { asDim, dimValue } from '../nodes/arithmetic.ts';
import { emit } from '../nodes/emit.ts';
import type { ModelInput } from '../types.ts';
import { type Env, evaluate, type Scope } from '../values/scope.ts';
import type { Tracer } from '../values/tracer.ts';
import type { TensorValue } from '../values/values.ts';

/** One graph under construction. */
export interface Trace {
  readonly root: Root;
  readonly tracer: Tracer;
  readonly env: Env;
  /** Every input so far. */
  readonly inputs: FedInput[];
}

/** An input in the graph. */
export interface FedInput extends ModelInput {
  readonly value: TensorValue;
}

/** A declared input, and where the names of its type are in reach. */
interface Declared {
  readonly type: TypeExpr;
  readonly ids: RangeExpr | undefined;
  readonly env: Env;
  /** The dimension variable that stands for the batch. */
  readonly batch: string | undefined;
}

/**
 * The input of a parameter: a new one, or that which the trace has under this name and type already. Undefined
 * after a report.
 * @param env with the scope that the parameter's type is read in
 * @param batch the name of the batch among the parameters, see `batchName`
 */
export function inputOf(
  param: ParamDecl,
  env: Env,
  batch: string | undefined,
  trace: Trace,
): FedInput | undefined {
  const declared = declaredInput({ type: param.type, ids: param.ids, env, batch });
  if (declared === undefined || declared.type.kind === 'error-type') return undefined;
  const { type, ids: range } = declared;
  const shape = type.kind === 'tensor-type' ? shapeOf(type.dims, declared, trace.tracer.batch) : undefined;
  if (type.kind !== 'tensor-type' || shape === undefined) return notAnInput(param, trace);
  const dtype = type.element?.text ?? 'f32';
  if (dtype !== 'f32' && dtype !== 'i32') return notAnInput(param, trace);
  const ids = range === undefined ? undefined : rangeOf(range, dtype, declared.env);
  if (range !== undefined && ids === undefined) return undefined;
  return fed(param.name.text, { dtype, ...shape, ...(ids === undefined ? {} : { ids }) }, trace);
}

/** What the block says of its input holds for whoever hands it on, unless that says something itself. */
function declaredInput({ type, ids, env, batch }: Declared): Declared | undefined {
  if (type.kind !== 'member-type') return { type, ids, env, batch };
  const found = inputTypeOf(type, env);
  if (found === undefined) return undefined;
  const inner: Env = { ...env, module: found.module, scope: found.scope };
  const deeper = declaredInput({
    type: found.type,
    ids: found.ids,
    env: inner,
    batch: batchName([found.type], found.scope),
  });
  return deeper && ids !== undefined ? { ...deeper, ids } : deeper;
}

interface InputShape {
  readonly shape: readonly Dim[];
  readonly table: boolean;
}

/** All sizes are known but that of the batch; undefined where they are not. */
function shapeOf(
  dims: (TypeExpr & { kind: 'tensor-type' })['dims'],
  { env, batch: name }: Declared,
  batch: Dim,
): InputShape | undefined {
  const [first] = dims;
  const perSample = first?.kind === 'name' && first.text === name;
  if (perSample && env.scope.find(first.text) === undefined)
    (env.scope as Scope).bind(first.text, { value: dimValue(batch) });
  const shape: Dim[] = perSample ? [batch] : [];
  for (const dim of perSample ? dims.slice(1) : dims) {
    const open = dim.kind === 'name' && env.scope.find(dim.text) === undefined;
    const size = dim.kind === 'ellipsis' || open ? undefined : asDim(evaluate(dim, env));
    if (typeof size !== 'number' || size < 1) return undefined;
    shape.push(size);
  }
  return { shape, table: !perSample };
}

/**
 * The dimension variable that stands for the batch: `B` where it is a first axis, otherwise the first one that
 * is.
 */
export function batchName(types: readonly TypeExpr[], scope: Env['scope']): string | undefined {
  const names = types.flatMap((type) => firstAxes(type, scope));
  return names.includes('B') ? 'B' : names[0];
}

function firstAxes(type: TypeExpr, scope: Env['scope']): string[] {
  if (type.kind === 'record-type') return type.fields.flatMap((field) => firstAxes(field.type, scope));
  const first: Expr | { readonly kind: 'ellipsis' } | undefined =
    type.kind === 'tensor-type' ? type.dims[0] : undefined;
  const bound = first?.kind === 'name' ? scope.find(first.text) : undefined;
  // A name that an argument has bound is a dimension variable all the same.
  return first?.kind === 'name' && (bound === undefined || bound.dimension !== undefined) ? [first.text] : [];
}

function fed(
  name: string,
  { dtype, shape, table, ids }: InputShape & Pick<ModelInput, 'dtype' | 'ids'>,
  trace: Trace,
): FedInput | undefined {
  const { builder } = trace.tracer;
  const known = trace.inputs.find((input) => {
    const type = builder.type(input.value.node);
    const same = type.shape.length === shape.length && type.shape.every((d, i) => sameDim(d, shape[i]!));
    return input.name === name && input.dtype === dtype && (input.table ?? false) === table && same;
  });
  if (known !== undefined) return known;
  const attrs = { name, dtype, shape, ...(table ? { table } : {}), ...(ids === undefined ? {} : { ids }) };
  const value = emit(trace.env, 'input', [], attrs, trace.root.span, { axes: shape.map(() => undefined) });
  if (value.kind === 'poison') return undefined;
  const input: FedInput = { ...modelInput(attrs), value };
  trace.inputs.push(input);
  return input;
}

export function notAnInput(param: ParamDecl, { root, env }: Trace): undefined {
  const message = `\`${param.name.text}\` cannot be fed: an input is a tensor [B, ...] or i32[B, ...], the batch first and all other sizes fixed, or a table whose sizes are all fixed`;
  env.session.report('Z315', root.span, message, { labels: [{ span: param.span, text: 'declared here' }] });
  return undefined;
}

/** `0..vocab` as the ids from 0 to vocab - 1; undefined after a report. */
function rangeOf(range: RangeExpr, dtype: 'f32' | 'i32', env: Env): Range | undefined {
  if (dtype !== 'i32') {
    env.session.report('Z303', range.span, 'only an input of integers (i32) has ids');
    return undefined;
  }
  const [min, end] = [range.start, range.end].map((bound) => asDim(evaluate(bound, env)));
  if (typeof min === 'number' && typeof end === 'number' && min < end) return { min, max: end - 1 };
  env.session.report(
    'Z313',
    range.span,
    'the ids of an input run from a number up to a larger one: 0..vocab',
  );
  return undefined;
}
