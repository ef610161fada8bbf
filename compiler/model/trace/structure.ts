/**
 * Which definitions a model is built from: for exporters, whose formats know one family of architectures.
 *
 * A block's name alone says little, since a user's file may define its own `VisionTransformer`; so every definition
 * comes with its origin.
 */

import type { Model } from '../types.ts';
import { instancesOf } from '../values/instance.ts';
import type { Value } from '../values/values.ts';
import type { Root } from './trace.ts';

export interface Definition {
  readonly name: string;
  /** The bundled package that holds it (`clip`), `builtin`, or the path of the user's file. */
  readonly origin: string;
}

/** The root block of a model, or a block that was handed to a parameter. */
export interface Part {
  /** Path of the parameter: `vision`; empty for the root. */
  readonly path: string;
  readonly block: Definition;
  /** Functions given to its parameters, by parameter: `act`. */
  readonly functions: ReadonlyMap<string, Definition>;
}

function definitionOf(value: Value): Definition | undefined {
  if (value.kind === 'builtin') return { name: value.builtin.name, origin: 'builtin' };
  if (value.kind !== 'fn' && value.kind !== 'block') return undefined;
  return { name: value.decl.name.text, origin: value.module.bundled ?? value.module.file.path };
}

/** The parts that `model.config` has paths for, the root first. */
export function partsOf(model: Model): Part[] {
  const parts = new Map<string, Part>();
  for (const { block, scope } of instancesOf((model.root as Root).instance)) {
    if (block?.path === undefined || parts.has(block.path)) continue;
    const functions = new Map<string, Definition>();
    for (const { name } of block.decl.params) {
      const value = scope.find(name.text)?.value;
      const definition = value === undefined || value.kind === 'block' ? undefined : definitionOf(value);
      if (definition !== undefined) functions.set(name.text, definition);
    }
    parts.set(block.path, { path: block.path, block: definitionOf(block)!, functions });
  }
  return [...parts.values()];
}
