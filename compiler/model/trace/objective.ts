/**
 * Objectives over what a model's forward gives: which one, and where its parameters come from.
 *
 * A record among the parameters stands for the outputs of the model, a tensor for the output of its name, or for
 * the model's input of its name; the first parameter is always an output. Any other tensor is an input of the
 * objective's own, and what is static is given by a recipe.
 */
import type { ParamDecl, TypeExpr } from '../../../grammar/ast.ts';
import { callValue } from '../evaluate/calls.ts';
import { matchType } from '../evaluate/match.ts';
import { lookup } from '../modules/imports.ts';
import type { ObjectiveChoice } from '../types.ts';
import type { Declaration } from '../values/module.ts';
import { namesIn } from '../values/names-in.ts';
import { type Env, Scope } from '../values/scope.ts';
import { bool, describe, float, int, type RecordValue, type Value } from '../values/values.ts';
import { outputsOf, soleOutput, type Traced } from './callable.ts';
import { batchName, type FedInput, inputOf, type Trace } from './inputs.ts';

/** The objective over a model's forward is the entry of this name. */
export const lossEntry = 'loss';

/** An objective, or a function in its place. */
type Callee = Extract<Declaration, { kind: 'objective' | 'fn' }>;

/** The library's package of objectives. */
const library = 'losses';
/**
 * What models of pictures and texts train on unless a recipe says otherwise: SigLIP's loss where there is a bias
 * of the logits, otherwise CLIP's.
 */
const usual = ['sigmoid_loss', 'contrastive'];

/** What entries mean by themselves is the library's, whatever a file declares under the same name. */
function libraryObjectives({ root }: Trace): Map<string, Callee> {
  const declarations =
    root.module.loader.loadBundled(library)?.declarations ?? new Map<string, Declaration>();
  return new Map(
    [...declarations].flatMap(([name, d]) => (d.kind === 'objective' ? [[name, d] as const] : [])),
  );
}

/**
 * The loss of a model without a recipe: the usual one that fits its outputs, or the only objective of the
 * library that does.
 */
export function defaultObjective(trace: Trace, forward: Traced): string | undefined {
  const fitting = [...libraryObjectives(trace)].filter(([, { decl }]) => fits(decl, forward, trace));
  const names = fitting.map(([name]) => name);
  return usual.find((name) => names.includes(name)) ?? (names.length === 1 ? names[0] : undefined);
}

/**
 * Whether a model gives what an objective reads, by names and numbers of axes, and the sizes of what it is fed
 * itself follow from that.
 */
function fits({ params }: Callee['decl'], forward: Traced, trace: Trace): boolean {
  const rank = (value: Value | undefined) =>
    value?.kind === 'tensor' ? trace.tracer.builder.type(value.node).shape.length : undefined;
  const wanted = (type: TypeExpr, given: Value | undefined): boolean => {
    if (type.kind === 'tensor-type')
      return type.dims.some((d) => d.kind === 'ellipsis')
        ? rank(given) !== undefined
        : rank(given) === type.dims.length;
    if (type.kind !== 'record-type' || given?.kind !== 'record') return false;
    return type.fields.every((field) => wanted(field.type, given.fields.get(field.name.text)));
  };
  const sizes = new Set(params.slice(0, 1).flatMap(({ type }) => sizesIn(type)));
  return params.every((param, position) => {
    if (param.type.kind === 'static-type' || param.default !== undefined) return true;
    const given = outputFor(param, position, forward);
    if (given !== undefined) return wanted(param.type, given);
    return position > 0 && sizesIn(param.type).every((name) => sizes.has(name));
  });
}

function sizesIn(type: TypeExpr): string[] {
  if (type.kind === 'record-type') return type.fields.flatMap((field) => sizesIn(field.type));
  const dims = type.kind === 'tensor-type' ? type.dims : [];
  return [...namesIn(dims)].map(({ text }) => text);
}

/** What a parameter stands for among the outputs; undefined for what the objective is given beside them. */
function outputFor(
  { name, type }: ParamDecl,
  position: number,
  { value, inputs }: Traced,
): Value | undefined {
  if (type.kind === 'static-type') return undefined;
  // A model that gives one tensor fits `{ out: [B, C] }` as well.
  const fields = value.kind === 'record' ? value.fields : new Map([[soleOutput, value]]);
  const field = fields.get(name.text);
  if (field !== undefined && (type.kind !== 'record-type' || field.kind === 'record')) return field;
  if (type.kind === 'record-type') return { kind: 'record', fields };
  return position === 0 ? value : inputs.find((input) => input.name === name.text)?.value;
}

/**
 * Computes an objective over a traced forward: `loss`, and further terms where it gives a record. Undefined after
 * a report.
 */
export function applyObjective(
  trace: Trace,
  forward: Traced,
  choice: ObjectiveChoice | undefined,
): Traced | undefined {
  const { root, env } = trace;
  const { session } = env;
  const name = choice?.name ?? defaultObjective(trace, forward);
  if (name === undefined) {
    const given = forward.outputs.map((o) => o.name).join(', ');
    session.report(
      'Z315',
      root.span,
      `no objective of the library alone fits what the model gives (${given})`,
      {
        help: 'name one: objective = NAME in a recipe, --objective NAME on the command line',
      },
    );
    return undefined;
  }
  const found = choice === undefined ? libraryObjectives(trace).get(name) : lookup(root.module, name);
  if (found?.kind !== 'fn' && found?.kind !== 'objective') {
    if (found !== null) session.report('Z200', root.span, `there is no objective \`${name}\``);
    return undefined;
  }
  const own = objectiveArguments(found, forward, trace);
  if (own === undefined) return undefined;
  const callee: Value = { kind: 'fn', decl: found.decl, module: found.module };
  const { span } = root;
  const named = (text: string, value: Value) => ({ name: { text, span, quoted: false }, value, span });
  const actuals = [
    ...[...own.values].map(([param, value]) => named(param, value)),
    ...Object.entries(choice?.arguments ?? {}).map(([param, value]) => named(param, staticValue(value))),
  ];
  const value = session.guard(() =>
    session.within(span, () => callValue(callee, actuals, span, env, () => name)),
  );
  const outputs = value && lossOutputs(value, name, trace);
  return outputs && value && { value, outputs, inputs: [...forward.inputs, ...own.inputs] };
}

interface OwnArguments {
  readonly values: ReadonlyMap<string, Value>;
  /** What the objective is fed itself. */
  readonly inputs: readonly FedInput[];
}

/** Outputs of the model come first: they fix the sizes that further tensors share. */
function objectiveArguments(
  { decl, module }: Callee,
  forward: Traced,
  trace: Trace,
): OwnArguments | undefined {
  const { env, root } = trace;
  const before = env.session.errorCount;
  const inner: Env = { ...env, module, scope: new Scope() };
  const values = new Map<string, Value>();
  const further: ParamDecl[] = [];
  for (const [position, param] of decl.params.entries()) {
    const output = outputFor(param, position, forward);
    if (output !== undefined) {
      const place = { role: 'argument', name: param.name.text, of: decl.name.text, span: root.span } as const;
      matchType(param.type, output, inner, place);
      values.set(param.name.text, output);
    } else if (param.type.kind !== 'static-type' && param.default === undefined) further.push(param);
  }
  if (env.session.errorCount > before) return undefined;
  const types = decl.params.map((param) => param.type);
  const batch = batchName(types, inner.scope);
  const inputs = further.map((param) => inputOf(param, inner, batch, trace));
  if (inputs.some((input) => input === undefined)) return undefined;
  for (const input of inputs) values.set(input!.name, input!.value);
  return { values, inputs: inputs as FedInput[] };
}

function staticValue(value: NonNullable<ObjectiveChoice['arguments']>[string]): Value {
  if (typeof value === 'boolean') return bool(value);
  if (typeof value === 'string') return { kind: 'string', value };
  return Number.isInteger(value) ? int(value) : float(value);
}

/** A scalar, or a record of scalars with `loss`; undefined after a report. */
function lossOutputs(value: Value, name: string, trace: Trace): Traced['outputs'] | undefined {
  const { env, root, tracer } = trace;
  if (value.kind === 'poison') return undefined;
  const record: RecordValue =
    value.kind === 'record' ? value : { kind: 'record', fields: new Map([[lossEntry, value]]) };
  const outputs = record.fields.has(lossEntry) ? outputsOf(record, name, trace) : undefined;
  const scalar = ({ node }: Traced['outputs'][number]) => tracer.builder.type(node).shape.length === 0;
  if (outputs?.every(scalar)) return outputs;
  const wrong = outputs?.find((o) => !scalar(o))?.name;
  const got = value.kind === 'record' && wrong === undefined ? 'a record without `loss`' : describe(value);
  const message =
    wrong === undefined || value.kind !== 'record'
      ? `${name} must give a number [] or a record with \`loss\`, got ${got}`
      : `\`${wrong}\` of ${name} must be one number []`;
  env.session.report('Z309', root.span, message, { help: 'sum or mean over the axes that are left' });
  return undefined;
}
