/**
 * Names in reach while one block or function is evaluated, and the environment that evaluation runs in.
 *
 * A forward's scope holds its arguments, lets and dimension variables; its parent is the block's own scope (parameters,
 * lets, weights, children). Declarations of files are not in scopes; `lookup` in imports.ts finds them.
 */
import type { Span } from '../../../grammar/source.ts';
import type { Module } from '../modules/imports.ts';
import type { Tracer } from '../nodes/tracer.ts';
import type { Session } from './session.ts';
import type { AxisOrigin, Provenance, Value } from './values.ts';

export interface Binding {
  readonly value: Value;
  /** Where a static parameter's value was written. */
  readonly provenance?: Provenance;
  /** Set for dimension variables: which tensor fixed the size. */
  readonly dimension?: {
    readonly source: string;
    readonly origin: AxisOrigin | undefined;
    readonly span: Span;
  };
}

export class Scope {
  readonly parent: Scope | undefined;
  readonly #bindings = new Map<string, Binding>();

  constructor(parent?: Scope) {
    this.parent = parent;
  }

  /** The innermost binding of a name. */
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

export interface Env {
  readonly session: Session;
  readonly module: Module;
  readonly scope: Scope;
  /** Present while a forward, function or objective runs over tensors. */
  readonly tracer?: Tracer;
  /** Path of the block being traced (`visual.transformer`), for the origins of nodes. */
  readonly path: string;
}

export function inScope(env: Env, scope: Scope): Env {
  return { ...env, scope };
}
