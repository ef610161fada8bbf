/**
 * From what stands on the command line (`enc.zoo#recipe`, `--set a=b`, `--batch 4`) to recipes and checked
 * values.
 */
import { lossEntry, objectiveOf, resolveRecipe } from '../../compiler/model/index.ts';
import type { EntryName, Model, ObjectiveChoice, Recipe, Result } from '../../compiler/model/types.ts';
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../grammar/render.ts';
import { nodeHost } from '../host.ts';
import type { FloatChoice } from '../weights/weights.ts';
import { note } from './output.ts';

interface Override {
  readonly path: string;
  readonly value: string;
}

/** The value of a result; its warnings go to stderr, its errors are thrown. */
export function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new DiagnosticError(result.diagnostics);
  if (result.diagnostics.length > 0) note(renderDiagnostics(result.diagnostics));
  return result.value;
}

/** `path=value` of every `--set`. */
export function parseOverrides(settings: readonly string[]): Override[] {
  return settings.map((setting) => {
    const at = setting.indexOf('=');
    if (at <= 0) fail('Z703', `--set ${setting}: expected path=value`, '--set vision.layers=2');
    return { path: setting.slice(0, at).trim(), value: setting.slice(at + 1).trim() };
  });
}

export function loadRecipe(reference: string, settings: readonly string[]): Recipe {
  return unwrap(resolveRecipe(nodeHost(), reference, parseOverrides(settings)));
}

/** An entry that the model has; its loss by an objective that is named. */
export function parseEntry(model: Model, name: string, objective?: ObjectiveChoice): EntryName {
  const known = model.entries.map((e) => e.name);
  if (objective !== undefined) {
    if (name === lossEntry) return name;
    fail('Z703', `--objective belongs to the entry ${lossEntry}, not ${name}`, `--entry ${lossEntry}`);
  }
  if (known.includes(name)) return name;
  const help = name === lossEntry ? 'name the objective: --objective NAME' : `entries: ${known.join(', ')}`;
  return fail('Z704', `${model.name} has no entry ${name}`, help);
}

/** `contrastive`, `coca(caption = 1.0)` */
export function parseObjective(text: string | undefined): ObjectiveChoice | undefined {
  return text === undefined ? undefined : unwrap(objectiveOf(nodeHost(), text, '--objective'));
}

/** A whole number above zero given as an option. */
export function parseCount(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    fail('Z703', `${option} ${text}: expected a whole number above 0`);
  }
  return value;
}

/** A number above zero given as an option. */
export function parsePositive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) fail('Z703', `${option} ${text}: expected a number above 0`);
  return value;
}

/** A part of a job, from 1. */
export interface Part {
  readonly k: number;
  readonly of: number;
}

/** `--part k/n`: the k-th of n parts. */
export function parsePart(text: string): Part {
  const [, k, of] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (k === undefined || of === undefined || k < 1 || k > of || !Number.isSafeInteger(of))
    fail('Z703', `--part ${text}: expected k/n with k from 1 to n`, '--part 1/4');
  return { k, of };
}

/** `--max-pixels`: larger pictures are refused. */
export function pictureLimits(maxPixels: string | undefined): { readonly maxPixels?: number } {
  return maxPixels === undefined ? {} : { maxPixels: parseCount('--max-pixels', maxPixels) };
}

/** `--dtype`: how floats are written. */
export type DtypeOption = 'f32' | 'f16' | undefined;

export function floatChoice(dtype: DtypeOption): FloatChoice {
  return dtype === undefined ? 'stored' : dtype === 'f16' ? 'F16' : 'F32';
}
