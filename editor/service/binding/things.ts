/** Declarations as names, and the members that a value has by its declaration. */
import { builtinNamed } from '../../../compiler/model/builtins/builtins.ts';
import { lookup, lookupModel } from '../../../compiler/model/modules/imports.ts';
import { type Declaration, forwardOf, type Module } from '../../../compiler/model/values/module.ts';
import type { BlockDecl, Callable, Expr, ParamDecl, TypeExpr } from '../../../grammar/ast.ts';
import { declaredBy, type Named, type Thing, tensor, unknown } from './named.ts';

const kinds = { block: 'block', fn: 'function', objective: 'objective', model: 'model' } as const;

export function namedDeclaration(declared: Declaration): Named {
  const { kind, decl, module } = declared;
  return declaredBy(kinds[kind], decl.name, declaredThing(declared), { node: decl, module });
}

function declaredThing(declared: Declaration): Thing {
  const { module } = declared;
  if (declared.kind === 'block') return { of: 'block', decl: declared.decl, module, given: new Map() };
  if (declared.kind === 'model') return { of: 'model', decl: declared.decl, module };
  return { of: 'fn', callable: declared.decl, module };
}

/** What a bare name that no scope binds stands for, in the order of `meaningOf`. */
export function globalName(module: Module, name: string): Named | undefined {
  const declared = lookup(module, name);
  if (declared && declared.kind !== 'model') return namedDeclaration(declared);
  const builtin = builtinNamed(name);
  if (builtin !== undefined && declared !== null)
    return { kind: 'builtin', name, builtin, thing: { of: 'builtin', builtin } };
  return declared ? namedDeclaration(declared) : undefined;
}

/** What a string stands for where a block or model belongs. */
export function modelNamed(module: Module, name: string): Named | undefined {
  const declared = lookupModel(module, name);
  return declared?.kind === 'model' ? namedDeclaration(declared) : undefined;
}

export function parameterNamed(param: ParamDecl, module: Module): Named {
  return declaredBy('parameter', param.name, typeThing(param.type, module), { node: param, module });
}

function typeThing(type: TypeExpr, module: Module): Thing {
  if (type.kind === 'tensor-type') return tensor;
  if (type.kind === 'static-type') return { of: 'static' };
  if (type.kind !== 'record-type') return unknown;
  const fields = type.fields.map(
    (field) =>
      [field.name.text, declaredBy('field', field.name, typeThing(field.type, module), { module })] as const,
  );
  return { of: 'record', fields: new Map(fields) };
}

/** What a call gives, as far as its head or a written record says it. */
function resultThing({ result, body }: Callable, module: Module): Thing {
  if (result !== undefined) return typeThing(result, module);
  if (body.result.kind !== 'record') return unknown;
  const fields = body.result.fields.map(
    ({ name }) => [name.text, declaredBy('field', name, unknown, { module })] as const,
  );
  return { of: 'record', fields: new Map(fields) };
}

/** The parameters of what is called; undefined where it is not known. */
export function parametersOf(thing: Thing): readonly ParamDecl[] | undefined {
  switch (thing.of) {
    case 'block':
    case 'model':
      return thing.decl.params;
    case 'child':
      return forwardOf(thing.decl)?.params;
    case 'array':
      return parametersOf(thing.item);
    case 'fn':
      return thing.callable.params;
    default:
      return undefined;
  }
}

/** What a call gives. */
export function calledThing(thing: Thing): Thing {
  switch (thing.of) {
    case 'child': {
      const forward = forwardOf(thing.decl);
      return forward === undefined ? unknown : resultThing(forward, thing.module);
    }
    case 'array':
      return calledThing(thing.item);
    case 'fn':
      return resultThing(thing.callable, thing.module);
    case 'builtin':
      return thing.builtin.fields === undefined ? unknown : builtinRecord(thing.builtin.fields);
    case 'block':
      return thing;
    default:
      return unknown;
  }
}

function builtinRecord(names: readonly string[]): Thing {
  return {
    of: 'record',
    fields: new Map(names.map((name) => [name, { kind: 'field', name, thing: tensor }])),
  };
}

/** What stands behind a dot. */
export function membersOf(thing: Thing): ReadonlyMap<string, Named> {
  switch (thing.of) {
    case 'record':
      return thing.fields;
    case 'seq':
      return thing.parts;
    case 'child':
      return new Map(
        thing.decl.members.flatMap((member) => {
          const named = memberNamed(member, thing.module);
          return named === undefined || named.kind === 'variable' ? [] : [[named.name, named] as const];
        }),
      );
    default:
      return new Map();
  }
}

/** A let, weight, child or entry of a block. */
export function memberNamed(member: BlockDecl['members'][number], module: Module): Named | undefined {
  const facts = { node: member, module };
  switch (member.kind) {
    case 'let':
      return declaredBy('variable', member.name, { of: 'static' }, facts);
    case 'weight':
      return declaredBy('weight', member.name, tensor, facts);
    case 'entry':
      return declaredBy('entry', member.name, { of: 'fn', callable: member, module }, facts);
    case 'child': {
      const { value } = member;
      const one: Thing =
        value.kind === 'seq'
          ? {
              of: 'seq',
              parts: new Map(
                value.children.flatMap((part) => {
                  const named = memberNamed(part, module);
                  return named === undefined ? [] : [[named.name, named] as const];
                }),
              ),
            }
          : instanceThing(value, module);
      const thing: Thing = member.array === undefined ? one : { of: 'array', item: one };
      return declaredBy('child', member.name, thing, facts);
    }
    default:
      return undefined;
  }
}

/** The instance that a child's value makes, by the block that it names. */
function instanceThing(value: Expr, module: Module): Thing {
  const block = blockThing(value, module);
  if (block?.of === 'block') return { of: 'child', decl: block.decl, module: block.module };
  return block ?? unknown;
}

/** The block, with arguments, that an expression stands for without a scope; follows models to their block. */
export function blockThing(
  value: Expr,
  module: Module,
  depth = 0,
): Extract<Thing, { of: 'block' | 'fn' | 'builtin' }> | undefined {
  if (depth > 20) return undefined;
  switch (value.kind) {
    case 'group':
      return blockThing(value.inner, module, depth + 1);
    case 'with':
      return blockThing(value.base, module, depth + 1);
    case 'string': {
      const model = modelNamed(module, value.value)?.thing;
      return model?.of === 'model' ? blockThing(model.decl.value, model.module, depth + 1) : undefined;
    }
    case 'name': {
      const found = globalName(module, value.text)?.thing;
      if (found?.of === 'model') return blockThing(found.decl.value, found.module, depth + 1);
      return found?.of === 'block' || found?.of === 'fn' || found?.of === 'builtin' ? found : undefined;
    }
    case 'call': {
      const block = blockThing(value.callee, module, depth + 1);
      if (block?.of !== 'block') return undefined;
      const given = new Map(block.given);
      const open = block.decl.params.map((p) => p.name.text).filter((name) => !given.has(name));
      let position = 0;
      for (const { name, value: expr } of value.args) {
        const to = name?.text ?? open[position++];
        if (to !== undefined) given.set(to, { expr, module });
      }
      return { ...block, given };
    }
    default:
      return undefined;
  }
}
