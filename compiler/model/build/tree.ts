/**
 * The tree of blocks that a `Model` shows to everyone, made from the instances that elaboration gave.
 *
 * The instances themselves, with scopes and values of the language, stay in this stage: the tracer finds them
 * again by the tree's root, so a copy of a model (`{ ...model, name }`) can be traced like the model itself.
 */
import type { Span } from '../../../grammar/source.ts';
import type { BlockNode, Definition, Model, ParameterValue } from '../types.ts';
import { weightsInOrder } from '../values/instance.ts';
import type { Module } from '../values/module.ts';
import type { BlockValue, Instance, Value } from '../values/values.ts';

/** The elaborated root of a model and the module whose names an objective may come from. */
export interface Root {
  readonly instance: Instance;
  readonly module: Module;
  /** Where the model is declared. */
  readonly span: Span;
}

const roots = new WeakMap<BlockNode, Root>();

/** The public tree of an elaborated model. */
export function treeOf(root: Root): BlockNode {
  const tree = nodeOf(root.instance, new Map());
  roots.set(tree, root);
  return tree;
}

/** What a model's tree was made from. */
export function rootOf({ name, root }: Model): Root {
  const found = roots.get(root);
  if (found === undefined) throw new Error(`${name} was not made by resolveModel: its tree has no instances`);
  return found;
}

/** @param made those of instances that stand in several places, as in an outline */
function nodeOf(instance: Instance, made: Map<Instance, BlockNode>): BlockNode {
  const known = made.get(instance) ?? newNode(instance, made);
  made.set(instance, known);
  return known;
}

function newNode(instance: Instance, nodes: Map<Instance, BlockNode>): BlockNode {
  const { kind, name, path, span, block, fn, members } = instance;
  const made = block ?? fn;
  const definition = made === undefined ? undefined : definitionOf(made);
  const replaces = instance.replaces && replacedBy(instance.replaces);
  return {
    kind,
    name,
    path,
    span,
    ...(definition === undefined ? {} : { definition }),
    ...(block?.path === undefined ? {} : { parameter: block.path }),
    parameters: block === undefined ? new Map() : parametersOf(block, instance),
    ...(replaces === undefined ? {} : { replaces }),
    weights: members.flatMap((m) => (m.kind === 'weight' ? [m.weight] : [])),
    children: members.flatMap((m) => (m.kind === 'child' ? m.items.map((item) => nodeOf(item, nodes)) : [])),
  };
}

/** Of several replacements in one place, what stood there first. */
function replacedBy(old: Instance): NonNullable<BlockNode['replaces']> {
  if (old.replaces !== undefined) return replacedBy(old.replaces);
  const made = old.block ?? old.fn;
  const definition = made === undefined ? undefined : definitionOf(made);
  return { ...(definition === undefined ? {} : { definition }), weights: [...weightsInOrder(old)] };
}

function parametersOf(block: BlockValue, { scope }: Instance): Map<string, ParameterValue> {
  return new Map(
    block.decl.params.flatMap(({ name: { text } }) => {
      const value = scope.find(text)?.value;
      const shown = value === undefined ? undefined : parameterValue(value);
      return shown === undefined ? [] : [[text, shown] as const];
    }),
  );
}

/** Undefined for a child in a function's place, which is no data. */
function parameterValue(value: Value): ParameterValue | undefined {
  switch (value.kind) {
    case 'int':
    case 'float':
    case 'bool':
    case 'string':
      return value.value;
    case 'initializer':
      return value.init;
    case 'list': {
      const items = value.items.map(parameterValue);
      return items.every((item) => item !== undefined) ? items : undefined;
    }
    default:
      return definitionOf(value);
  }
}

function definitionOf(value: Value): Definition | undefined {
  if (value.kind === 'builtin') return { kind: 'builtin', name: value.builtin.name, origin: 'builtin' };
  if (value.kind !== 'fn' && value.kind !== 'block') return undefined;
  const { name } = value.decl;
  const origin = value.module.bundled ?? value.module.file.path;
  return { kind: value.kind, name: name.text, origin, span: name.span };
}
