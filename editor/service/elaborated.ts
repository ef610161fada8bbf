/** Models as trees of blocks, without tracing them: for weights' paths and numbers of parameters. */

import { nodeFlops } from '../../compiler/flops.ts';
import { instantiate } from '../../compiler/model/build/elaborate.ts';
import { contextOf } from '../../compiler/model/build/evaluator.ts';
import { evaluateModel, evaluateModelExpr } from '../../compiler/model/evaluate/variants.ts';
import { traceEntry } from '../../compiler/model/index.ts';
import { buildModel } from '../../compiler/model/resolve/resolve.ts';
import type { Weight } from '../../compiler/model/types.ts';
import { childrenOf, weightsInOrder } from '../../compiler/model/values/instance.ts';
import type { ModelDeclaration, Module } from '../../compiler/model/values/module.ts';
import { type Context, staticEnv } from '../../compiler/model/values/scope.ts';
import { Session } from '../../compiler/model/values/session.ts';
import type { Instance, Value } from '../../compiler/model/values/values.ts';
import type { Expr, ModelDecl } from '../../grammar/ast.ts';

const known = new WeakMap<Expr | ModelDecl, { readonly instance: Instance | undefined }>();

/** The tree of an expression that names or varies a model; undefined where it has mistakes. */
export function instanceOf(expr: Expr, module: Module): Instance | undefined {
  return elaborated(expr, (context) => evaluateModelExpr(expr, [], staticEnv(context, module)));
}

function elaborated(key: Expr | ModelDecl, evaluate: (context: Context) => Value): Instance | undefined {
  const found = known.get(key);
  if (found !== undefined) return found.instance;
  const session = new Session();
  const instance = session.guard(() => {
    const context = contextOf(session);
    const value = evaluate(context);
    if (value.kind !== 'block') return undefined;
    return instantiate({ ...value, path: '' }, { name: '', path: '', span: key.span }, context);
  });
  const sound = instance === undefined || instance.failed ? undefined : instance;
  known.set(key, { instance: sound });
  return sound;
}

export function* instancesIn(root: Instance): Generator<Instance> {
  yield root;
  for (const { child } of childrenOf(root)) yield* instancesIn(child);
}

export function weightsOf(root: Instance): Weight[] {
  return [...weightsInOrder(root)];
}

/** Elements of all params. */
export function parameterCount(root: Instance): number {
  return weightsOf(root)
    .filter(({ kind }) => kind === 'param')
    .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

/** `151,277,313` */
export const thousands = (count: number): string => count.toLocaleString('en-US');

/** The tree of a declared model whose parameters have defaults. */
export function modelInstance(declared: ModelDeclaration): Instance | undefined {
  const { decl, module } = declared;
  if (module.damaged.has(decl) || decl.params.some((p) => p.default === undefined)) return undefined;
  return elaborated(decl, (context) => evaluateModel(declared, [], context));
}

interface BuiltModel {
  readonly declared: ModelDeclaration;
  readonly root: Instance;
}

/** The models of a file, each with its tree. */
export function modelsIn({ models }: Module): BuiltModel[] {
  return [...models.values()].flatMap((declared) => {
    const root = modelInstance(declared);
    return root === undefined ? [] : [{ declared, root }];
  });
}

const costs = new WeakMap<ModelDecl, ReadonlyMap<string, number>>();

/** FLOPs of a model's forward for one sample, by the path of the block that the work is in; none where it has mistakes. */
function costsOf({ decl, module }: ModelDeclaration): ReadonlyMap<string, number> {
  const found = costs.get(decl);
  if (found !== undefined) return found;
  const session = new Session();
  const byPath = new Map<string, number>();
  const model = session.guard(() => {
    const value = evaluateModel({ kind: 'model', decl, module }, [], contextOf(session));
    return buildModel(decl.name.text, value, decl.value.span, module, session);
  });
  const traced = model && traceEntry(model, 'forward', { batch: 1 });
  if (traced?.ok === true)
    for (const node of traced.value.nodes) {
      const { path } = node.origin;
      byPath.set(path, (byPath.get(path) ?? 0) + nodeFlops(traced.value, node));
    }
  costs.set(decl, byPath);
  return byPath;
}

/** FLOPs of a model's forward for one sample within the block at a path. */
export function flopsWithin(declared: ModelDeclaration, path: string): number {
  let sum = 0;
  for (const [at, flops] of costsOf(declared))
    if (path === '' || at === path || at.startsWith(`${path}.`)) sum += flops;
  return sum;
}
