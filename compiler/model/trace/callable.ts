/**
 * Runs a forward, or an entry beside it, over inputs of its own in a graph under construction.
 */
import type { Callable, EntryMember, ForwardMember } from '../../../grammar/ast.ts';
import type { Output } from '../../graph/types.ts';
import { contextOf } from '../build/evaluator.ts';
import type { Root } from '../build/tree.ts';
import { callEntry, callInstance } from '../evaluate/calls.ts';
import type { Actual } from '../nodes/arguments.ts';
import { toTensor } from '../nodes/emit.ts';
import { childrenOf } from '../values/instance.ts';
import { forwardOf } from '../values/module.ts';
import { type Env, Scope, staticEnv } from '../values/scope.ts';
import type { Session } from '../values/session.ts';
import { type TraceOptions, Tracer } from '../values/tracer.ts';
import { describe, type Instance, poison, type Value } from '../values/values.ts';
import { batchName, type FedInput, inputOf, notAnInput, type Trace } from './inputs.ts';

/** What a forward, an entry or an objective gave. */
export interface Traced {
  readonly value: Value;
  /** By name; of a single tensor the name is `out`. */
  readonly outputs: readonly Output[];
  /** One for each parameter, in order. */
  readonly inputs: readonly FedInput[];
}

export function openTrace(root: Root, session: Session, options: TraceOptions): Trace {
  const tracer = new Tracer(options, options.gives && numbered(root.instance));
  return { root, tracer, env: { ...staticEnv(contextOf(session), root.module), tracer }, inputs: [] };
}

/** The instances of a model by their numbers: as `blocksOf` goes through its tree. */
function numbered(root: Instance): Map<Instance, number> {
  const numbers = new Map<Instance, number>();
  const visit = (instance: Instance) => {
    numbers.set(instance, numbers.size);
    for (const { child } of childrenOf(instance)) visit(child);
  };
  visit(root);
  return numbers;
}

/** Runs the forward of a model over inputs of its own; undefined after a report. */
export function traceForward(trace: Trace): Traced | undefined {
  const { root, env } = trace;
  const forward = forwardFor(trace);
  if (forward === undefined) return undefined;
  const traced = traceCallable(trace, forward, 'forward', (actuals) =>
    callInstance(root.instance, actuals, root.span, env),
  );
  trace.tracer.randomness.close();
  return traced;
}

/** The same for an entry that the root block declares. */
export function traceDeclared(trace: Trace, decl: EntryMember): Traced | undefined {
  const { root, env } = trace;
  const { instance } = root;
  return traceCallable(trace, decl, decl.name.text, (actuals) =>
    callEntry({ kind: 'entry', instance, decl }, actuals, root.span, env),
  );
}

function forwardFor({ root, env }: Trace): ForwardMember | undefined {
  const { instance } = root;
  if (instance.failed || instance.block === undefined) return undefined;
  const forward = forwardOf(instance.block.decl);
  if (forward !== undefined) return forward;
  const { name } = instance.block.decl;
  env.session.report('Z215', root.span, `${name.text} has no \`forward\`, so it is no model`, {
    labels: [{ span: name.span, text: 'declared here' }],
  });
  return undefined;
}

function traceCallable(
  trace: Trace,
  { params }: Callable,
  name: string,
  call: (actuals: readonly Actual[]) => Value,
): Traced | undefined {
  const { root, env } = trace;
  const { session } = env;
  const { instance } = root;
  const inner: Env = { ...env, module: instance.block!.module, scope: new Scope(instance.scope) };
  const types = params.map((param) => param.type);
  const batch = batchName(types, inner.scope);
  const fed = params.map((param) => inputOf(param, inner, batch, trace));
  if (params.length === 0) session.report('Z315', root.span, `${name} takes nothing: a model is fed tensors`);
  const [first] = params;
  // A model is trained and run on samples.
  if (name === 'forward' && first !== undefined && fed.every((input) => input?.table))
    notAnInput(first, trace);
  const actuals = fed.map((input) => ({ value: input?.value ?? poison, span: root.span }));
  const value = session.guard(() => session.within(root.span, () => call(actuals)));
  const inputs = fed.filter((input) => input !== undefined);
  if (value === undefined || value.kind === 'poison' || inputs.length < params.length || inputs.length === 0)
    return undefined;
  const outputs = outputsOf(value, name, trace);
  return outputs && { value, outputs, inputs };
}

/** The name of what a forward or an entry gives where that is one tensor. */
export const soleOutput = 'out';

/** Tensors by name, those of records within records by their path; undefined after a report. */
export function outputsOf(value: Value, of: string, trace: Trace): Output[] | undefined {
  const { root, env } = trace;
  const outputs: Output[] = [];
  const collect = (part: Value, name: string): boolean => {
    if (part.kind === 'record')
      return [...part.fields].every(([field, v]) => collect(v, name === '' ? field : `${name}.${field}`));
    if (part.kind === 'list') return part.items.every((v, i) => collect(v, `${name || soleOutput}.${i}`));
    const number = part.kind === 'int' || part.kind === 'float';
    if (part.kind !== 'tensor' && part.kind !== 'weight' && !number) {
      const what = name === '' ? `${of} gives` : `\`${name}\` of ${of} is`;
      if (part.kind !== 'poison')
        env.session.report(
          'Z315',
          root.span,
          `${what} ${describe(part)}; a model gives tensors, alone or in a record`,
        );
      return false;
    }
    const tensor = toTensor(part, env, root.span);
    if (tensor === undefined) return false;
    outputs.push({ name: name || soleOutput, node: tensor.node });
    return true;
  };
  return collect(value, '') ? outputs : undefined;
}
