/** The bundled models in a few numbers, for lists of them: they are known to be right, so nothing but what makes the numbers is evaluated. */
import { instantiate } from '../build/elaborate.ts';
import { contextOf } from '../build/evaluator.ts';
import { configOf } from '../build/structure.ts';
import { treeOf } from '../build/tree.ts';
import { evaluateModel } from '../evaluate/variants.ts';
import { bundledModels } from '../modules/imports.ts';
import { openTrace, traceForward } from '../trace/callable.ts';
import type { Model, ModuleHost, Result } from '../types.ts';
import type { ModelDeclaration } from '../values/module.ts';
import { Session } from '../values/session.ts';
import type { Instance } from '../values/values.ts';
import { inSession, parametersIn, sizesOf } from './resolve.ts';

export type ModelOutline = Pick<Model, 'name' | 'config' | 'parameters' | 'resolution' | 'embed'>;

/** In order of declaration, as `resolveModel` would have these fields. */
export function outlineBundled(host: ModuleHost): Result<ModelOutline[]> {
  return inSession(
    host,
    (loader, session) => {
      const outlines = [...bundledModels(loader).values()].map((declared) => outlineOf(declared, session));
      return outlines.every((outline) => outline !== undefined) ? outlines : undefined;
    },
    new Session({ outline: true }),
  );
}

function outlineOf(declared: ModelDeclaration, session: Session): ModelOutline | undefined {
  const { decl, module } = declared;
  const { span } = decl.value;
  const name = decl.name.text;
  const value = evaluateModel(declared, [], contextOf(session));
  if (value.kind !== 'block') return undefined;
  const instance = instantiate({ ...value, path: '' }, { name, path: '', span }, contextOf(session));
  const root = { instance, module, span };
  const trace = openTrace(root, session, {});
  const forward = traceForward(trace);
  if (forward === undefined) return undefined;
  const { resolution, embed } = sizesOf(forward.inputs, forward, trace);
  return {
    name,
    config: configOf(treeOf(root)),
    parameters: parametersOf(instance, new Map()),
    ...(resolution === undefined ? {} : { resolution }),
    ...(embed === undefined ? {} : { embed }),
  };
}

/** @param counted of instances that stand in several places */
function parametersOf(instance: Instance, counted: Map<Instance, number>): number {
  let sum = counted.get(instance);
  if (sum !== undefined) return sum;
  sum = 0;
  for (const member of instance.members) {
    if (member.kind === 'weight') sum += parametersIn([member.weight]);
    else for (const item of member.items) sum += parametersOf(item, counted);
  }
  counted.set(instance, sum);
  return sum;
}
