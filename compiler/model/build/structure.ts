/**
 * Walks over a model's tree of blocks: every block, the static values by path, the parts that exporters ask
 * for.
 */
import type { BlockNode, ConfigValue, Definition, Model, ParameterValue, StaticScalar } from '../types.ts';

/** Every block of a tree, parents first. */
export function* blocksOf(root: BlockNode): Generator<BlockNode> {
  yield root;
  for (const child of root.children) yield* blocksOf(child);
}

function isDefinition(value: ParameterValue): value is Definition {
  return typeof value === 'object' && 'origin' in value;
}

function isList(value: ParameterValue): value is readonly ParameterValue[] {
  return Array.isArray(value);
}

/** Functions and blocks by their names; undefined for initialisers and lists of lists. */
function configValue(value: ParameterValue): ConfigValue | undefined {
  if (typeof value !== 'object') return value;
  if (isDefinition(value)) return value.name;
  if (!isList(value)) return undefined;
  const items = value.map(configValue);
  return items.every((i): i is StaticScalar => i !== undefined && typeof i !== 'object') ? items : undefined;
}

/** Static values of the root's parameters and of the blocks handed to them, by path. */
export function configOf(root: BlockNode): Map<string, ConfigValue> {
  const config = new Map<string, ConfigValue>();
  for (const { parameter, parameters } of blocksOf(root)) {
    if (parameter === undefined) continue;
    for (const [name, value] of parameters) {
      const path = parameter === '' ? name : `${parameter}.${name}`;
      const plain = configValue(value);
      if (plain !== undefined && !config.has(path)) config.set(path, plain);
    }
  }
  return config;
}

/** The root block of a model, or a block that was handed to a parameter. */
export interface Part {
  /** Path of the parameter: `vision`; empty for the root. */
  readonly path: string;
  /**
   * Which block it is. Its name alone says little, since a user's file may define its own
   * `VisionTransformer`; so every definition comes with its origin.
   */
  readonly block: Definition;
  /** Functions given to its parameters, by parameter: `act`. */
  readonly functions: ReadonlyMap<string, Definition>;
}

/**
 * The parts that `model.config` has paths for, the root first: for exporters, whose formats know one family
 * of them.
 */
export function partsOf({ root }: Model): Part[] {
  const parts = new Map<string, Part>();
  for (const { parameter, definition, parameters } of blocksOf(root)) {
    if (parameter === undefined || definition === undefined || parts.has(parameter)) continue;
    const functions = new Map<string, Definition>();
    for (const [name, value] of parameters)
      if (isDefinition(value) && value.kind !== 'block') functions.set(name, value);
    parts.set(parameter, { path: parameter, block: definition, functions });
  }
  return [...parts.values()];
}
