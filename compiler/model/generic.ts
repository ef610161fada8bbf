/**
 * Shape checks of what no model uses: blocks whose parameters all have defaults, functions and objectives.
 *
 * The first dimension variable of an argument stays open as the batch, every other one gets a size of its
 * own, so that two axes agree only if their types say so. What needs a static parameter without default waits
 * for a model.
 */
import type { BlockDecl, Callable, ParamDecl, TypeExpr } from '../../grammar/ast.ts';
import type { Dim } from '../graph/types.ts';
import { instantiate } from './build/elaborate.ts';
import { contextOf } from './build/evaluator.ts';
import { callEntry, callInstance, callValue } from './evaluate/calls.ts';
import { asDim, dimValue } from './nodes/arithmetic.ts';
import { emit } from './nodes/emit.ts';
import { entriesOf } from './values/instance.ts';
import { forwardOf, type Module } from './values/module.ts';
import { type Env, evaluate, Scope, staticEnv } from './values/scope.ts';
import type { Session } from './values/session.ts';
import { Tracer } from './values/tracer.ts';
import type { Value } from './values/values.ts';

/** Sizes for dimension variables: distinct, with many divisors, as sizes of pictures and tokens have. */
const firstSize = 96;
const nextSize = 96;

export function checkUnused(module: Module, session: Session, items = module.program.items): void {
  for (const item of items) {
    if (module.damaged.has(item) || session.instantiated.has(item)) continue;
    if (item.kind === 'block') session.guard(() => checkBlock(item, module, session));
    if (item.kind === 'fn' || item.kind === 'objective') {
      const callee: Value = { kind: 'fn', decl: item, module };
      session.guard(() =>
        run(item, module, session, new Scope(), (args, env) => {
          callValue(callee, args, item.name.span, env, () => item.name.text);
        }),
      );
    }
  }
}

function checkBlock(block: BlockDecl, module: Module, session: Session): void {
  if (block.params.some((p) => p.default === undefined)) return;
  const { span, text: name } = block.name;
  const none = { args: new Map(), overrides: [], replacements: [] };
  const value = { kind: 'block' as const, decl: block, module, ...none, span };
  const instance = instantiate(value, { name, path: '', span }, contextOf(session));
  if (instance.failed) return;
  const scope = () => new Scope(instance.scope);
  const forward = forwardOf(block);
  if (forward !== undefined)
    run(forward, module, session, scope(), (args, env) => {
      callInstance(instance, args, span, env);
    });
  for (const decl of entriesOf(instance))
    run(decl, module, session, scope(), (args, env) => {
      callEntry({ kind: 'entry', instance, decl }, args, span, env);
    });
}

type Arguments = { readonly value: Value; readonly span: ParamDecl['span'] }[];

function run(
  callable: Callable,
  module: Module,
  session: Session,
  scope: Scope,
  call: (args: Arguments, env: Env) => void,
): void {
  const tracer = new Tracer({});
  const env: Env = { ...staticEnv(contextOf(session), module, scope), tracer };
  const inventor = new Inventor(env, tracer);
  const args: Arguments = [];
  for (const param of callable.params) {
    if (param.default !== undefined) break;
    const value = inventor.valueOf(param.type, param.name.text);
    if (value === undefined) return;
    args.push({ value, span: param.span });
  }
  call(args, env);
}

/** Makes up inputs of the declared types. */
class Inventor {
  private readonly env: Env;
  private readonly tracer: Tracer;
  private size = firstSize;

  constructor(env: Env, tracer: Tracer) {
    this.env = env;
    this.tracer = tracer;
  }

  valueOf(type: TypeExpr, name: string): Value | undefined {
    if (type.kind === 'record-type') {
      const fields = new Map<string, Value>();
      for (const field of type.fields) {
        const value = this.valueOf(field.type, `${name}.${field.name.text}`);
        if (value === undefined) return undefined;
        fields.set(field.name.text, value);
      }
      return { kind: 'record', fields };
    }
    if (type.kind !== 'tensor-type') return undefined;
    const shape: Dim[] = [];
    for (const [axis, dim] of type.dims.entries()) {
      if (dim.kind === 'ellipsis') {
        shape.push(this.fresh(), this.fresh());
        continue;
      }
      const size = this.dimension(dim, axis);
      if (size === undefined) return undefined;
      shape.push(size);
    }
    const dtype = type.element?.text === 'i32' ? 'i32' : 'f32';
    const value = emit(this.env, 'input', [], { name, dtype, shape }, type.span);
    return value.kind === 'poison' ? undefined : value;
  }

  private fresh(): number {
    const size = this.size;
    this.size += nextSize;
    return size;
  }

  private dimension(dim: TypeDim, axis: number): Dim | undefined {
    if (dim.kind === 'ellipsis') return undefined;
    if (dim.kind === 'name' && this.env.scope.find(dim.text) === undefined) {
      if (!/^[A-Z]/.test(dim.text)) return undefined;
      this.env.scope.bind(dim.text, { value: dimValue(axis === 0 ? this.tracer.batch : this.fresh()) });
    }
    const size = asDim(evaluate(dim, this.env));
    return typeof size === 'number' && size < 1 ? undefined : size;
  }
}

type TypeDim = (TypeExpr & { kind: 'tensor-type' })['dims'][number];
