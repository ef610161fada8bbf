/**
 * Names in reach while one block or function is evaluated, and the environment that evaluation runs in.
 *
 * A forward's scope holds its arguments, lets and dimension variables; its parent is the block's own scope
 * (parameters, lets, weights, children). Declarations of files are not in scopes; `lookup` in imports.ts
 * finds them.
 */
import type { Callable, Expr, MemberTypeExpr, RangeExpr, TypeExpr } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import type { Origin } from '../../graph/types.ts';
import type { Module } from './module.ts';
import type { Session } from './session.ts';
import type { Tracer } from './tracer.ts';
import type { Binding, Names, Value } from './values.ts';

export type { Binding } from './values.ts';

export class Scope implements Names {
  readonly parent: Names | undefined;
  readonly #bindings = new Map<string, Binding>();

  constructor(parent?: Names) {
    this.parent = parent;
  }

  find(name: string): Binding | undefined {
    return this.#bindings.get(name) ?? this.parent?.find(name);
  }

  /** Only what is bound here, not in parents. */
  own(name: string): Binding | undefined {
    return this.#bindings.get(name);
  }

  bind(name: string, binding: Binding): void {
    this.#bindings.set(name, binding);
  }

  names(): string[] {
    return [...this.#bindings.keys(), ...(this.parent?.names() ?? [])];
  }
}

/** The type of what a block takes, and where its names are in reach. */
export interface InputType {
  readonly type: TypeExpr;
  /** What it may hold, of integers. */
  readonly ids: RangeExpr | undefined;
  readonly scope: Scope;
  readonly module: Module;
}

/**
 * What evaluation needs of rooms above its own: an expression may hold any other kind of expression, and a
 * type the input of a block that has to be elaborated first. Made once, in `build/evaluator.ts`.
 */
export interface Evaluator {
  evaluate(expr: Expr, env: Env): Value;
  /** The type that `vision.input` stands for; undefined after a report. */
  inputTypeOf(type: MemberTypeExpr, env: Env): InputType | undefined;
  /** Whether a body is run even where a fused kernel stands for it: somebody watches its values. */
  readonly watches?: (callable: Callable) => boolean;
}

/** What all evaluation of one check shares. */
export interface Context {
  readonly session: Session;
  readonly evaluator: Evaluator;
}

export interface Env extends Context {
  readonly module: Module;
  readonly scope: Scope;
  /** Present while a forward, function or objective runs over tensors. */
  readonly tracer?: Tracer;
  /** Path of the block being traced (`visual.transformer`), for the origins of nodes. */
  readonly path: string;
  /** Its number, where the trace was asked for it. */
  readonly block?: number;
  /**
   * In the body of an entry: a child that is called again on the same tensors is not computed again.
   */
  readonly recalls?: boolean;
}

/** The static world of a module: no tensors, no path. */
export function staticEnv({ session, evaluator }: Context, module: Module, scope = new Scope()): Env {
  return { session, evaluator, module, scope, path: '' };
}

/** Where a node comes from that is made at `span`. */
export function originAt({ path, block }: Env, span: Span): Origin {
  return block === undefined ? { path, span } : { path, span, block };
}

export function inScope(env: Env, scope: Scope): Env {
  return { ...env, scope };
}

/** The value of an expression; `poison` after a report. */
export function evaluate(expr: Expr, env: Env): Value {
  return env.evaluator.evaluate(expr, env);
}
