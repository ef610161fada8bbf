/**
 * Runs the root block's forward over symbolic inputs and cuts the graph of one entry out of it.
 *
 * `encode_image` and `encode_text` give features before their final `l2_normalize`, as OpenAI's methods of
 * that name do; `logits` and `loss` work on the normalised ones. Inputs of the graph are always called
 * `images` and `tokens`.
 */
import type { ForwardMember, ParamDecl, TypeExpr } from '../../../grammar/ast.ts';
import { anyId, idRange, indexFaults, type Range } from '../../graph/index-ranges.ts';
import { type Dim, type Graph, movedPrefix, type Output, sameDim } from '../../graph/types.ts';
import { inputTypeOf } from '../build/elaborate.ts';
import { contextOf } from '../build/evaluator.ts';
import type { Root } from '../build/tree.ts';
import { callInstance, callValue } from '../evaluate/calls.ts';
import { lookup } from '../modules/imports.ts';
import { asDim, dimValue } from '../nodes/arithmetic.ts';
import { emit } from '../nodes/emit.ts';
import type { EntryName, ModelInput } from '../types.ts';
import { type Declaration, forwardOf } from '../values/module.ts';
import { type Env, evaluate, Scope, staticEnv } from '../values/scope.ts';
import type { Session } from '../values/session.ts';
import { type TraceOptions, Tracer } from '../values/tracer.ts';
import type { RecordValue, TensorValue, Value } from '../values/values.ts';
import { describe, poison } from '../values/values.ts';

/** The loss of models that name none: SigLIP's where there is a bias of the logits, otherwise CLIP's. */
export function defaultObjective(run: Run): string {
  return field(run, 'bias') === undefined ? 'contrastive' : 'sigmoid_loss';
}

/** What the forward of a model gave: tensors by field, in one graph under construction. */
export interface Run {
  readonly tracer: Tracer;
  readonly env: Env;
  readonly out: RecordValue;
  readonly inputs: readonly (ModelInput & { readonly node: number })[];
}

/** Traces the whole forward once; undefined after a report. */
export function runForward(root: Root, session: Session, options: TraceOptions): Run | undefined {
  const { instance } = root;
  if (instance.failed || instance.block === undefined) return undefined;
  const forward = forwardOf(instance.block.decl);
  if (forward === undefined) {
    session.report(
      'Z215',
      root.span,
      `${instance.block.decl.name.text} has no \`forward\`, so it is no model`,
      {
        labels: [{ span: instance.block.decl.name.span, text: 'declared here' }],
      },
    );
    return undefined;
  }
  const traced = (with_: TraceOptions): Run | undefined => {
    const tracer = new Tracer(with_);
    const env: Env = { ...staticEnv(contextOf(session), root.module), tracer };
    const made = session.guard(() => session.within(root.span, () => run(root, forward, env, tracer)));
    tracer.randomness.close();
    return made;
  };
  const made = traced(options);
  if (made === undefined || !made.tracer.randomness.used || options.batch === undefined) return made;
  const { batch: _, ...open } = options;
  const learnt = traced(open)?.tracer.randomness.learnt;
  return learnt && traced({ ...options, randomRows: learnt });
}

function run(root: Root, forward: ForwardMember, env: Env, tracer: Tracer): Run | undefined {
  const made = makeInputs(root, forward, env, tracer);
  const actuals = made.map((input) => ({ value: input?.value ?? poison, span: root.span }));
  const result = callInstance(root.instance, actuals, root.span, env);
  const inputs = made.filter((input) => input !== undefined);
  if (result.kind === 'poison' || inputs.length < made.length) return undefined;
  const out = asRecord(result, inputs, root, env);
  if (out === undefined) return undefined;
  const fed = inputs.map(({ value, ...input }) => ({ ...input, node: value.node }));
  return { tracer, env, out, inputs: fed };
}

// ── inputs ─────────────────────────────────────────────────────────────────────────────────────────────────

interface Input extends ModelInput {
  readonly value: TensorValue;
}

/** What can be fed, for messages. */
const feedable = 'images [B, ...] or tokens i32[B, T]';

/** One entry a parameter; undefined where a report was made. */
function makeInputs(root: Root, forward: ForwardMember, env: Env, tracer: Tracer): (Input | undefined)[] {
  const inputs: (Input | undefined)[] = [];
  const inner: Env = { ...env, module: root.instance.block!.module, scope: new Scope(root.instance.scope) };
  for (const param of forward.params) {
    const input = makeInput(param, param.type, root, inner, tracer);
    const second = input !== undefined && inputs.some((i) => i?.name === input.name);
    if (second) {
      const message = `a model takes one tensor of ${input.name}; \`${param.name.text}\` is the second`;
      env.session.report('Z315', root.span, message);
    }
    inputs.push(second ? undefined : input);
  }
  if (inputs.length === 0) {
    env.session.report('Z315', root.span, `a model takes ${feedable}; this one takes nothing`);
  }
  return inputs;
}

function makeInput(
  param: ParamDecl,
  type: TypeExpr,
  root: Root,
  env: Env,
  tracer: Tracer,
): Input | undefined {
  if (type.kind === 'member-type') {
    const found = inputTypeOf(type, env);
    if (found === undefined) return undefined;
    return makeInput(param, found.type, root, { ...env, module: found.module, scope: found.scope }, tracer);
  }
  const sizes = type.kind === 'tensor-type' ? inputSizes(type.dims, env, tracer) : undefined;
  if (type.kind !== 'tensor-type' || sizes === undefined) {
    if (type.kind !== 'error-type') notAnInput(param, root, env);
    return undefined;
  }
  const dtype = type.element?.text ?? 'f32';
  if ((dtype !== 'f32' && dtype !== 'i32') || (dtype === 'i32' && sizes.length !== 1))
    return notAnInput(param, root, env);
  const name = dtype === 'i32' ? 'tokens' : 'images';
  const shape = [tracer.batch, ...sizes];
  const value = emit(env, 'input', [], { name, dtype, shape }, root.span, {
    axes: shape.map(() => undefined),
  });
  return value.kind === 'poison' ? undefined : { name, dtype, sizes, value };
}

function notAnInput(param: ParamDecl, root: Root, env: Env): undefined {
  const message = `\`${param.name.text}\` cannot be fed: a model takes ${feedable}, the batch first and all other sizes fixed`;
  env.session.report('Z315', root.span, message, { labels: [{ span: param.span, text: 'declared here' }] });
  return undefined;
}

/** Sizes behind the batch, which is the first axis: a dimension variable. The others have numbers. */
function inputSizes(dims: readonly TypeDim[], env: Env, tracer: Tracer): number[] | undefined {
  const shape: Dim[] = [];
  for (const [axis, dim] of dims.entries()) {
    if (dim.kind === 'ellipsis') return undefined;
    const open = dim.kind === 'name' && env.scope.find(dim.text) === undefined;
    if (open && axis > 0) return undefined;
    if (open) env.scope.bind(dim.text, { value: dimValue(tracer.batch) });
    const size = asDim(evaluate(dim, env));
    if (size === undefined) return undefined;
    shape.push(size);
  }
  const [first, ...sizes] = shape;
  if (first === undefined || !sameDim(first, tracer.batch)) return undefined;
  return sizes.every((size) => typeof size === 'number' && size > 0) ? (sizes as number[]) : undefined;
}

type TypeDim = (TypeExpr & { kind: 'tensor-type' })['dims'][number];

/** A forward that gives a single tensor is an encoder of its one input. */
function asRecord(result: Value, inputs: readonly Input[], root: Root, env: Env): RecordValue | undefined {
  if (result.kind === 'record') return result;
  const [only] = inputs;
  if (result.kind === 'tensor' && inputs.length === 1 && only !== undefined) {
    return { kind: 'record', fields: new Map([[only.name === 'images' ? 'image' : 'text', result]]) };
  }
  const message = `a model's forward must give a record { image, text, scale } or one tensor, got ${describe(result)}`;
  env.session.report('Z315', root.span, message);
  return undefined;
}

// ── entries ────────────────────────────────────────────────────────────────────────────────────────────────

function field(run: Run, name: string): TensorValue | undefined {
  const value = run.out.fields.get(name);
  return value?.kind === 'tensor' ? value : undefined;
}

/** Features as OpenAI's `encode_*` return them: the input of the final normalisation, if there is one. */
function features(run: Run, name: 'image' | 'text'): number | undefined {
  const value = field(run, name);
  if (value === undefined) return undefined;
  const node = run.tracer.builder.node(value.node);
  return node.op === 'l2_normalize' ? node.inputs[0] : unnormalized(run, value.node);
}

/** The same where the body of `l2_normalize` was compiled: x of `x * rsqrt(sum(x * x))`. */
function unnormalized(run: Run, id: number): number {
  const { builder } = run.tracer;
  const node = builder.node(id);
  const [x, r] = node.inputs;
  if (node.op !== 'mul' || x === undefined || r === undefined || builder.node(r).op !== 'rsqrt') return id;
  const sum = builder.node(builder.node(r).inputs[0]);
  const square = sum.op === 'sum' ? builder.node(sum.inputs[0]) : undefined;
  return square?.op === 'mul' && square.inputs.every((i) => i === x) ? x : id;
}

/** The entries that a model has, from what its forward gives. */
export function entriesOf(run: Run): EntryName[] {
  const image = field(run, 'image') !== undefined;
  const text = field(run, 'text') !== undefined;
  const both = image && text && field(run, 'scale') !== undefined;
  return [
    ...(image ? ['encode_image' as const] : []),
    ...(text ? ['encode_text' as const] : []),
    ...(both ? ['logits' as const, 'loss' as const] : []),
  ];
}

/** The named results of an entry; undefined after a report. */
export function entryOutputs(
  run: Run,
  entry: EntryName,
  root: Root,
  objective?: string,
): Output[] | undefined {
  const image = features(run, 'image');
  const text = features(run, 'text');
  const outputs: Output[] = [];
  if (entry !== 'encode_text' && image !== undefined) outputs.push({ name: 'image_features', node: image });
  if (entry !== 'encode_image' && text !== undefined) outputs.push({ name: 'text_features', node: text });
  if (!entriesOf(run).includes(entry)) {
    const known = entriesOf(run).join(', ');
    run.env.session.report(
      'Z315',
      root.span,
      `the model has no entry ${entry}; it has: ${known === '' ? 'none' : known}`,
    );
    return undefined;
  }
  if (entry === 'encode_image' || entry === 'encode_text') return outputs;
  const given = [field(run, 'image')!, field(run, 'text')!, field(run, 'scale')!];
  const logits = callNamed('logits', fromLibrary('logits', root), given, run, root);
  if (logits.kind !== 'tensor') return undefined;
  const bias = field(run, 'bias');
  const { builder } = run.tracer;
  const biased =
    bias === undefined
      ? logits.node
      : builder.add('add', [logits.node, bias.node], {}, builder.node(logits.node).origin);
  outputs.push({ name: 'logits_per_image', node: biased });
  if (entry === 'logits') return outputs;
  const name = objective ?? defaultObjective(run);
  const found = objective === undefined ? fromLibrary(name, root) : lookup(root.module, name);
  const loss = callNamed(name, found, [run.out], run, root);
  if (loss.kind !== 'tensor') return undefined;
  return [...outputs, { name: 'loss', node: loss.node }];
}

/** What entries mean by themselves is the library's, whatever a file declares under the same name. */
function fromLibrary(name: string, root: Root): Declaration | undefined {
  return root.module.loader.loadBundled('losses')?.declarations.get(name);
}

function callNamed(
  name: string,
  found: Declaration | null | undefined,
  values: readonly Value[],
  run: Run,
  root: Root,
): Value {
  const { session } = run.env;
  if (found?.kind !== 'fn' && found?.kind !== 'objective') {
    if (found !== null) session.report('Z200', root.span, `there is no objective \`${name}\``);
    return poison;
  }
  const callee: Value = { kind: 'fn', decl: found.decl, module: found.module };
  const actuals = values.map((value) => ({ value, span: root.span }));
  const result = session.guard(() =>
    session.within(root.span, () => callValue(callee, actuals, root.span, run.env, name)),
  );
  if (result === undefined || result.kind === 'poison' || result.kind === 'tensor') return result ?? poison;
  return session.report('Z309', root.span, `${name} must give a tensor, got ${describe(result)}`);
}

/** The graph of one entry, or undefined after a report. */
export function traceRoot(
  root: Root,
  entry: EntryName,
  session: Session,
  options: TraceOptions,
): Graph | undefined {
  const run = runForward(root, session, options);
  if (run === undefined) return undefined;
  const outputs = entryOutputs(run, entry, root, options.objective);
  if (outputs === undefined || session.hasErrors) return undefined;
  const graph = run.tracer.builder.finish([...outputs, ...movedStatistics(run, outputs)]);
  checkIndices(graph, run, root);
  return session.hasErrors ? undefined : graph;
}

/** The graph of everything that the forward gives. */
export function forwardGraph({ tracer, out }: Run): Graph {
  const outputs = [...out.fields].flatMap(([name, v]) =>
    v.kind === 'tensor' ? [{ name, node: v.node }] : [],
  );
  return tracer.builder.finish(outputs);
}

/**
 * The ids that the tokens of a model may hold, from the tables that they index; undefined where none bounds
 * them.
 */
export function tokenRange(run: Run): Range | undefined {
  return idRange(forwardGraph(run), 'tokens');
}

/** Reports indices that may leave their tables: a GPU would read something else without a word. */
export function checkIndices(graph: Graph, run: Run, root: Root): void {
  const { session } = run.env;
  const range = tokenRange(run) ?? idRange(graph, 'tokens') ?? anyId;
  for (const { node, range: found, size } of indexFaults(graph, new Map([['tokens', range]]))) {
    const [what, where] =
      node.op === 'embedding' ? ['ids', 'the table has rows'] : ['index', 'the axis has positions'];
    const last = size - 1;
    session.report(
      'Z313',
      node.origin.span ?? root.span,
      `the ${what} of ${node.op} can be ${found.min} to ${found.max}, ${where} 0 to ${last}`,
      { help: `keep the ${what} inside: max(min(${what}, ${last}), 0), or ${what} % ${size}` },
    );
  }
}

/** The running statistics that the part of the model behind `outputs` moves, as `buffer.<name>`. */
function movedStatistics({ tracer }: Run, outputs: readonly Output[]): Output[] {
  const reached = new Set<number>();
  const pending = outputs.map((o) => o.node);
  while (pending.length > 0) {
    const id = pending.pop()!;
    if (reached.has(id)) continue;
    reached.add(id);
    pending.push(...tracer.builder.node(id).inputs);
  }
  return [...tracer.statistics].flatMap(([name, { node, from }]) =>
    reached.has(from) ? [{ name: movedPrefix + name, node }] : [],
  );
}
