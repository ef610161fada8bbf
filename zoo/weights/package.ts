/**
 * Packages: a folder with a model's text, its weights and `model.json`, which says what it is and what
 * each file's digest must be.
 *
 * Loading verifies the manifest's form and every digest first, so that a damaged or edited package is refused
 * by name of the file, not found out by wrong results. What is loaded then are the listed files and no others.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { ModuleHost } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { failSystem } from '../../runtime/data/files/atomic.ts';
import { openRegular, readFully } from '../../runtime/data/files/read-fully.ts';
import { folderHost } from '../host.ts';
import { adapterWeights, tensorsPath } from './formats/open-tensors.ts';
import type { TensorFile } from './formats/tensor-file.ts';

export const manifestName = 'model.json';
export const weightsName = 'weights.safetensors';

const scalar = z.union([z.number(), z.string(), z.boolean()]);

const trainingSchema = z.object({
  /** Name of the recipe. */
  recipe: z.string().optional(),
  steps: z.int().nonnegative(),
  /** Of the last step. */
  loss: z.number(),
});

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** What an adapter says of its base, in its metadata and in its manifest. */
export const baseSchema = z.object({
  /** A path, relative to the adapter's folder or absolute, or a rule: `init:0`, `hash`. */
  path: z.string(),
  /** Of the weights that are taken from it, see `WeightsDigest`. */
  weights_sha256: sha256,
  /** How many those are. */
  weights: z.int().positive(),
  /** Of the file or the shards, see `digestTensors`; absent for a rule. */
  file_sha256: sha256.optional(),
});
export type AdapterBase = z.infer<typeof baseSchema>;

export const manifestSchema = z.object({
  format: z.literal(1),
  name: z.string(),
  /** What to load: `model.zoo#` and the name. */
  reference: z.string(),
  parameters: z.int().nonnegative(),
  embed: z.int().positive().optional(),
  config: z.record(z.string(), z.union([scalar, z.array(scalar)])),
  preprocessing: z
    .object({
      resolution: z.int().positive(),
      resize: z.literal('bicubic, short side'),
      crop: z.literal('centre'),
      mean: z.array(z.number()).length(3),
      std: z.array(z.number()).length(3),
    })
    .optional(),
  tokenizer: z
    .object({
      kind: z.literal('clip-bpe'),
      vocab: z.int().positive(),
      context: z.int().positive(),
      sot: z.int(),
      eot: z.int(),
    })
    .optional(),
  training: trainingSchema.optional(),
  /** Of an adapter, which holds only a part of the weights. */
  base: baseSchema.optional(),
  /** Every other file of the folder, by plain name. */
  files: z.record(z.string().regex(/^(?!\.)[^/\\]+$/), z.object({ bytes: z.int().nonnegative(), sha256 })),
});

const maxManifestBytes = 2 ** 20;

export type Manifest = z.infer<typeof manifestSchema>;
export type TrainingSummary = z.infer<typeof trainingSchema>;

export interface FileDigest {
  readonly bytes: number;
  readonly sha256: string;
}

/** Size and SHA-256 of a file, read as a stream. */
export async function digestFile(path: string): Promise<FileDigest> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await openRegular(path, 'Z430');
  for await (const chunk of file.createReadStream() as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.byteLength;
  }
  return { bytes, sha256: hash.digest('hex') };
}

/**
 * SHA-256 of a file of weights; of an index, which says nothing of the numbers, that of the lines `sha256sum` prints for its
 * shards in the order of their names.
 */
export async function digestTensors({ path, shards }: Pick<TensorFile, 'path' | 'shards'>): Promise<string> {
  if (shards === undefined) return (await digestFile(path)).sha256;
  const hash = createHash('sha256');
  const byName = new Map(shards.map((shard) => [basename(shard), shard]));
  for (const name of [...byName.keys()].sort())
    hash.update(`${(await digestFile(byName.get(name)!)).sha256}  ${name}\n`);
  return hash.digest('hex');
}

interface LoadedPackage {
  readonly manifest: Manifest;
  /** For `resolveModel`: DIR/model.zoo#NAME. */
  readonly reference: string;
  /** What `resolveModel` may read: the files that the manifest lists. */
  readonly host: ModuleHost;
  /** Path of the weights. */
  readonly weights: string;
}

/** Whether a folder claims to be a package. */
export function isPackage(folder: string): boolean {
  return existsSync(join(folder, manifestName));
}

/** The text of a manifest; a link to a device, or a file of gigabytes, is none. */
async function readSmall(path: string): Promise<string> {
  const file = await openRegular(path, 'Z430');
  try {
    const { size } = await file.stat();
    if (size > maxManifestBytes) fail('Z430', `${path} has ${size} bytes, more than ${maxManifestBytes}`);
    return Buffer.from(await readFully(file, 0, size, path)).toString('utf8');
  } finally {
    await file.close();
  }
}

/** @throws DiagnosticError Z430 when it is missing or malformed */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, manifestName);
  let json: unknown;
  try {
    json = JSON.parse(await readSmall(path));
  } catch (error) {
    if (error instanceof SyntaxError) fail('Z430', `${path} is not JSON`);
    failSystem('Z430', `cannot read ${path}`, error);
  }
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) {
    const { name, reference } = parsed.data;
    if (reference !== `model.zoo#${name}`)
      fail('Z430', `${path} is no manifest of a package: its reference is not model.zoo#${name}`);
    return parsed.data;
  }
  const issue = parsed.error.issues[0]!;
  fail('Z430', `${path} is no manifest of a package: ${issue.path.join('.')}: ${issue.message}`);
}

async function verifyFile(folder: string, name: string, wanted: FileDigest): Promise<void> {
  const path = join(folder, name);
  let found: FileDigest;
  try {
    // Before it is read: a device has no end.
    const about = await stat(path);
    if (!about.isFile()) fail('Z430', `${path} is not a file`);
    if (about.size !== wanted.bytes)
      fail('Z430', `${path} has ${about.size} bytes, ${wanted.bytes} were exported`);
    found = await digestFile(path);
  } catch (error) {
    failSystem('Z430', `cannot read ${path}`, error);
  }
  if (found.sha256 !== wanted.sha256) fail('Z430', `${path} is not what was exported: its SHA-256 differs`);
}

/**
 * Opens a package after verifying it.
 * @throws DiagnosticError Z430 when a file is missing or changed, or the manifest malformed
 */
export async function loadPackage(folder: string): Promise<LoadedPackage> {
  const manifest = await readManifest(folder);
  const weights = manifest.base === undefined ? weightsName : adapterWeights;
  for (const name of ['model.zoo', weights])
    if (!Object.hasOwn(manifest.files, name))
      fail('Z430', `${join(folder, manifestName)} does not list ${name}`);
  for (const [name, digest] of Object.entries(manifest.files)) await verifyFile(folder, name, digest);
  const taken = tensorsPath(folder);
  if (taken !== join(folder, weights))
    fail('Z430', `${taken} lies in a package that does not list it, and would be taken for its weights`);
  return {
    manifest,
    reference: `${join(folder, 'model.zoo')}#${manifest.name}`,
    host: folderHost(folder, new Set(Object.keys(manifest.files))),
    weights: taken,
  };
}

/** The same, and not another project's, which has a model.json, too. */
export function isOwnPackage(folder: string): boolean {
  return isPackage(folder) && existsSync(join(folder, 'model.zoo'));
}
