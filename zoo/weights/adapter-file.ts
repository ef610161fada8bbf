/**
 * The format of adapters: the weights of a model that are not those of another one's file, its base, alone in a
 * safetensors file under our names, whose metadata says which base they belong to.
 *
 * What identifies a base is a digest of the numbers that are taken from it, not of its file: it stays the same
 * where the base is converted (container, names, element type) without loss, and covers nothing that could
 * differ without changing the result. The file's own SHA-256, which `sha256sum` prints and download
 * pages show, is kept beside it to find the file by.
 */
import { createHash } from 'node:crypto';
import { isAbsolute, join, relative, sep } from 'node:path';
import { z } from 'zod';
import type { Weight } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { elementCount } from '../../runtime/data/safetensors/header.ts';
import { SafetensorsFile } from './formats/safetensors.ts';
import type { TensorFile } from './formats/tensor-file.ts';
import { openNamed } from './named.ts';
import { type AdapterBase, baseSchema } from './package.ts';
import { isNoPath, isRule, type WeightSource } from './source.ts';

/** The key of the metadata that makes a safetensors file an adapter, and the version that is written. */
const mark = 'zooc_adapter';
const version = '1';

/** What the metadata of an adapter says. */
export interface AdapterFacts {
  /** Name of the model that it was exported for. */
  readonly model: string;
  readonly base: AdapterBase;
}

const metadataSchema = z.object({ model: z.string(), base: z.string() });

/** An adapter's metadata, as safetensors holds it: texts by name. */
export function adapterMetadata({ model, base }: AdapterFacts): Record<string, string> {
  return { [mark]: version, model, base: JSON.stringify(base) };
}

/**
 * What an open file says of itself as an adapter; undefined for other files.
 * @throws DiagnosticError Z440 for one that is malformed, or of a version to come
 */
export function adapterFacts(file: TensorFile): AdapterFacts | undefined {
  const metadata = file instanceof SafetensorsFile ? file.metadata : undefined;
  const found = metadata?.get(mark);
  if (metadata === undefined || found === undefined) return undefined;
  if (found !== version)
    fail('Z440', `${file.path} is an adapter of version ${found}, this zooc reads version ${version}`);
  try {
    const { model, base } = metadataSchema.parse(Object.fromEntries(metadata));
    return { model, base: baseSchema.parse(JSON.parse(base)) };
  } catch (error) {
    if (!(error instanceof z.ZodError || error instanceof SyntaxError)) throw error;
    fail('Z440', `${file.path} is an adapter whose metadata does not say what its base is`);
  }
}

/** The facts of what the user names, if that is an adapter. */
export async function adapterNamed(
  spec: string,
): Promise<(AdapterFacts & { readonly path: string }) | undefined> {
  if (isRule(spec)) return undefined;
  const file = await openNamed(spec);
  try {
    const facts = adapterFacts(file);
    return facts && { ...facts, path: file.path };
  } finally {
    await file.close();
  }
}

/**
 * @param why "whole is none"
 * @throws DiagnosticError Z703 where `base` is given beside weights that have none
 */
export function refuseBase(why: string, base: string | undefined): void {
  if (base !== undefined)
    fail('Z703', `--base ${base}: only an adapter has a base, and ${why}`, 'leave out --base');
}

/** How a file in `folder` names weights that lie elsewhere, so that both can be moved together. */
export function pathFrom(folder: string, spec: string): string {
  if (isNoPath(spec) || isAbsolute(spec)) return spec;
  const path = relative(folder, spec).split(sep).join('/');
  return path.startsWith('../') ? path : `./${path}`;
}

/** What `pathFrom` wrote, as seen from here. */
export function pathIn(folder: string, recorded: string): string {
  if (isNoPath(recorded) || isAbsolute(recorded)) return recorded;
  const path = join(folder, recorded);
  // `./hash` in this folder is a file.
  return isNoPath(path) ? `./${path}` : path;
}

/** A single number may be stored as a list of one. */
export function plainShape(shape: readonly number[]): readonly number[] {
  return elementCount(shape) === 1 ? [] : shape;
}

/** A weight's numbers as bytes. */
export function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** The order in which weights are digested. */
export function byName(weights: readonly Weight[]): Weight[] {
  return [...weights].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * SHA-256 of weights in the order of their names: of each a line of JSON, `["visual.proj",[768,512]]`, and the
 * numbers as float32, little-endian.
 */
export class WeightsDigest {
  readonly #hash = createHash('sha256');

  add(name: string, shape: readonly number[], bytes: Uint8Array): void {
    this.#hash.update(`${JSON.stringify([name, plainShape(shape)])}\n`).update(bytes);
  }

  hex(): string {
    return this.#hash.digest('hex');
  }
}

export async function digestWeights(weights: readonly Weight[], source: WeightSource): Promise<string> {
  const digest = new WeightsDigest();
  for (const weight of byName(weights))
    digest.add(weight.name, source.storedShape(weight)!, bytesOf(await source.read(weight)));
  return digest.hex();
}
