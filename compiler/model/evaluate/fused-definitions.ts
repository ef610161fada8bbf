/**
 * Decides whether a body that `fuses` a kernel says what the kernel computes: both are traced and must give
 * one graph.
 *
 * The definition of a kernel is the body in the bundled packages that names it. A user's body may use other
 * words, but it has to compute the same; otherwise it is compiled as it stands and a warning says so.
 */
import type { Callable } from '../../../grammar/ast.ts';
import { printGraph } from '../../graph/print.ts';
import { forwardOf, type Module } from '../values/module.ts';
import { type Env, Scope, staticEnv } from '../values/scope.ts';
import { isBundled, Session } from '../values/session.ts';
import { Tracer } from '../values/tracer.ts';
import type { Instance, Value } from '../values/values.ts';
import { runBody } from './body.ts';
import { matchType } from './match.ts';

interface Definition {
  readonly callable: Callable;
  readonly module: Module;
}

const decisions = new WeakMap<Session, Map<Callable, Callable | undefined>>();

/**
 * What a kernel's definition says, where `callable` computes the same; undefined where its body has to be
 * compiled.
 */
export function matchingDefinition(
  name: string,
  callable: Callable,
  env: Env,
  instance: Instance | undefined,
): Callable | undefined {
  if (isBundled(callable.span)) return callable;
  const known = decisions.get(env.session) ?? new Map<Callable, Callable | undefined>();
  decisions.set(env.session, known);
  if (known.has(callable)) return known.get(callable);
  const definition = definitionOf(name, env.module);
  const mine = bodyGraph({ callable, module: env.module }, env, callable, instance);
  const theirs = definition === undefined ? undefined : bodyGraph(definition, env, callable, instance);
  const found = mine !== undefined && mine === theirs ? definition?.callable : undefined;
  known.set(callable, found);
  if (found === undefined && mine !== undefined) {
    const what = instance === undefined ? 'this body' : `the body of ${instance.block?.decl.name.text}`;
    env.session.warn(
      'Z214',
      callable.fuses!.span,
      `${what} is not what \`${name}\` computes; it is compiled as written`,
      {
        help: `leave out \`fuses ${name}\`, or use the definition of the bundled package`,
      },
    );
  }
  return found;
}

/** The bundled function or forward that fuses `name`. */
function definitionOf(name: string, from: Module): Definition | undefined {
  for (const home of ['nn', 'losses']) {
    const module = from.loader.loadBundled(home);
    for (const { kind, decl } of module?.declarations.values() ?? []) {
      if (kind === 'model') continue;
      const callable = kind === 'block' ? forwardOf(decl) : decl;
      if (callable?.fuses?.text === name) return { callable, module: module! };
    }
  }
  return undefined;
}

/**
 * The graph of a body over the arguments that `env` binds, with fused kernels off; undefined if it has
 * mistakes.
 */
function bodyGraph(
  { callable, module }: Definition,
  env: Env,
  given: Callable,
  instance: Instance | undefined,
): string | undefined {
  const session = new Session();
  const tracer = new Tracer({ fuse: false, training: env.tracer!.training });
  const scope = new Scope(instance?.scope);
  const inner: Env = { ...staticEnv({ session, evaluator: env.evaluator }, module, scope), tracer };
  const result = session.guard(() => {
    for (const [i, param] of callable.params.entries()) {
      const theirs = given.params[i]?.name.text;
      const value = theirs === undefined ? undefined : env.scope.find(theirs)?.value;
      if (value === undefined) return undefined;
      const place = {
        role: 'argument',
        name: param.name.text,
        of: callable.fuses!.text,
        span: callable.span,
      } as const;
      const input = matchType(param.type, asInput(value, `arg${i}`, env, tracer), inner, place);
      scope.bind(param.name.text, { value: input });
    }
    return runBody(callable, inner);
  });
  if (result?.kind !== 'tensor' || session.hasErrors) return undefined;
  return printGraph(tracer.builder.finish([{ name: 'out', node: result.node }]));
}

function asInput(value: Value, name: string, env: Env, tracer: Tracer): Value {
  if (value.kind !== 'tensor') return value;
  const { dtype, shape } = env.tracer!.builder.type(value.node);
  return { ...value, node: tracer.builder.add('input', [], { name, dtype, shape }) };
}
