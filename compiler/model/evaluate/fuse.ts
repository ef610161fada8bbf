/**
 * `fuses NAME`: the body is the meaning, a fused operation may stand for it.
 *
 * The operations here have kernels of their own; names known without one (`clip_loss`) compile their bodies.
 * Bodies in the bundled packages are trusted to say what the kernel computes (tests compare them); a user's
 * body is traced beside the bundled one and fused only if both give the same graph, so that `fuses` never
 * changes what a model computes.
 */
import type { Callable } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { emit, shapeOf, toTensor } from '../nodes/emit.ts';
import { type Env, inScope, Scope } from '../values/scope.ts';
import { type Instance, isNumber, type TensorValue, type Value } from '../values/values.ts';
import { matchingDefinition } from './fused-definitions.ts';

/** Kernels by name: `true` has one, `false` compiles the body for now. */
export const fusedNames: Readonly<Record<string, boolean>> = {
  layer_norm: true,
  flash_attention: true,
  l2_normalize: true,
  softmax: false,
  batch_norm: false,
  gelu: false,
  quick_gelu: false,
  cross_entropy: false,
  clip_loss: false,
  siglip_loss: false,
};

/** The fused operation's value, or undefined where the body is to be run. */
export function fusedBody(
  callable: Callable,
  env: Env,
  span: Span,
  instance: Instance | undefined,
): Value | undefined {
  const name = callable.fuses?.text;
  if (name === undefined || env.tracer?.fuse !== true || fusedNames[name] !== true) return undefined;
  if (env.evaluator.watches?.(callable)) return undefined;
  const emitter = emitters[name];
  const definition = emitter === undefined ? undefined : matchingDefinition(name, callable, env, instance);
  if (emitter === undefined || definition === undefined) return undefined;
  return emitter(underNamesOf(definition, callable, env), span);
}

/** The arguments under the names that the definition gives them. */
function underNamesOf(definition: Callable, callable: Callable, env: Env): Env {
  if (definition === callable) return env;
  const scope = new Scope(env.scope);
  for (const [i, param] of definition.params.entries()) {
    const bound = env.scope.find(callable.params[i]?.name.text ?? '');
    if (bound !== undefined) scope.bind(param.name.text, bound);
  }
  return inScope(env, scope);
}

/** A tensor or static number that the scope binds under a name. */
function operand(env: Env, name: string, span: Span): TensorValue | undefined {
  const value = env.scope.find(name)?.value;
  return value === undefined ? undefined : toTensor(value, env, span);
}

function flag(env: Env, name: string): boolean {
  const value = env.scope.find(name)?.value;
  return value?.kind === 'bool' && value.value;
}

function layerNorm(env: Env, span: Span): Value | undefined {
  const [x, weight, bias] = ['x', 'weight', 'bias'].map((n) => operand(env, n, span));
  const eps = env.scope.find('eps')?.value;
  if (x === undefined || weight === undefined || bias === undefined || eps === undefined || !isNumber(eps))
    return undefined;
  return emit(env, 'layer_norm', [x, weight, bias], { eps: eps.value }, span, { axes: x.axes });
}

function attention(env: Env, span: Span): Value | undefined {
  const [q, k, v] = ['q', 'k', 'v'].map((n) => operand(env, n, span));
  if (q === undefined || k === undefined || v === undefined) return undefined;
  const width = shapeOf(q, env)[3];
  if (typeof width !== 'number') return undefined;
  const attrs = { causal: flag(env, 'causal'), scale: width ** -0.5 };
  const axes = [q.axes[0], q.axes[1], q.axes[2], v.axes[3]];
  return emit(env, 'attention', [q, k, v], attrs, span, { axes, names: ['`q`', '`k`', '`v`'] });
}

function l2Normalize(env: Env, span: Span): Value | undefined {
  const x = operand(env, 'x', span);
  return x === undefined ? undefined : emit(env, 'l2_normalize', [x], {}, span, { axes: x.axes });
}

const emitters: Readonly<Record<string, (env: Env, span: Span) => Value | undefined>> = {
  layer_norm: layerNorm,
  flash_attention: attention,
  l2_normalize: l2Normalize,
};
