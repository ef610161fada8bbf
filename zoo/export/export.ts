/**
 * `zooc export --format zoo`: a model and its weights as a folder that can be moved, loaded and verified.
 */
import { constants } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { resolveModel, type TextOverride } from '../../compiler/model/index.ts';
import type { Model, ModuleHost } from '../../compiler/model/types.ts';
import { nodeHost } from '../host.ts';
import { writeSafetensors } from '../weights/formats/safetensors.ts';
import {
  type AdapterBase,
  digestFile,
  type FileDigest,
  type Manifest,
  manifestName,
  manifestSchema,
  weightsName,
} from '../weights/package.ts';
import type { WeightSource } from '../weights/source.ts';
import { type FloatChoice, type OpenOptions, openWeights, weightsToWrite } from '../weights/weights.ts';
import { bundleModel } from './bundle.ts';
import { describe, readTraining } from './describe.ts';
import { makeFolder } from './folder.ts';
import { modelCard } from './model-card.ts';

export interface ExportRequest {
  /** A weights file, run folder, package, `init:SEED` or `hash`. */
  readonly source: string;
  readonly model: Model;
  /** The base of an adapter: of `source`, or that to export one for; by default the one that is recorded. */
  readonly base?: string | undefined;
  /** The folder to make. */
  readonly out: string;
  /** What the model was loaded by; by default the model of its name in its first source file. */
  readonly reference?: string;
  /** Overrides (`--set`) that the model was loaded with. */
  readonly overrides?: readonly TextOverride[];
  /** Markdown for the model card: results, licences of the data. */
  readonly remarks?: string;
  /** Told what is remarkable about the weights. */
  readonly notify?: (text: string) => void;
  /** Element type of real tensors; by default each keeps the one it is stored in. */
  readonly floats?: FloatChoice;
  /** Of `onnx`: matrices as bytes with a scale for each channel. */
  readonly quantize?: boolean;
}

/** The weights to export; what is remarkable about them is told. */
export async function openSource(
  { model, source, base, notify }: ExportRequest,
  options: OpenOptions = { base },
): Promise<WeightSource> {
  const weights = await openWeights(model, source, options);
  for (const remark of weights.remarks) notify?.(remark);
  return weights;
}

/**
 * Weights under our names are copied as they are, so that their bytes stay the same; others are written out.
 */
async function writeWeights(
  { model, floats = 'stored' }: ExportRequest,
  weights: WeightSource,
  path: string,
): Promise<void> {
  const { copyable } = weights;
  if (floats === 'stored' && copyable !== undefined)
    await copyFile(copyable, path, constants.COPYFILE_FICLONE);
  else await writeSafetensors(path, weightsToWrite(model, weights, floats), {}, { checksum: true });
}

/** The text must build the very model that the weights belong to. */
function verifyText(host: ModuleHost, folder: string, name: string, model: Model): void {
  const again = resolveModel(host, `${join(folder, 'model.zoo')}#${name}`);
  const list = (m: Model) => JSON.stringify(m.weights.map((w) => [w.name, w.shape, w.dtype]));
  if (!again.ok || list(again.value) !== list(model))
    throw new Error(
      `the exported text of ${model.name} does not build the same model: ${again.diagnostics.map((d) => d.message).join('; ')}`,
    );
}

/** The reference with the model's name: a file may be named without it. */
function fullReference({ model, reference }: ExportRequest): string {
  const [main] = model.sources;
  const given = reference ?? main?.path ?? model.name;
  return given.endsWith('.zoo') ? `${given}#${model.name}` : given;
}

const use = `\`\`\`sh
npx zooc classify . --labels "a cat,a dog" picture.jpg
npx zooc embed . --images *.jpg --out images.npy
\`\`\`

\`model.zoo\` is the model in the language of zooc, \`weights.safetensors\` holds its weights under the names of OpenAI's CLIP, \`model.json\`
says the same as this page for programs, with a SHA-256 of every file.`;

/** What differs between the folders of whole weights and of adapters. */
interface Content {
  /** Name of the weights' file. */
  readonly name: string;
  write(path: string): Promise<void>;
  /** Markdown that shows how the folder is loaded. */
  readonly use: string;
  readonly base?: AdapterBase;
}

/** Fills the folder of a package. */
export async function fillFolder(
  request: ExportRequest,
  { name: weightsFile, write, use, base }: Content,
  folder: string,
): Promise<Manifest> {
  const { model, source, overrides = [] } = request;
  const reference = fullReference(request);
  const host = nodeHost();
  const bundle = bundleModel(host, reference, model.sources, overrides);
  for (const [name, text] of bundle.files) await writeFile(join(folder, name), text);
  verifyText(host, folder, bundle.name, model);
  await write(join(folder, weightsFile));
  const training = await readTraining(source);
  const about = { ...describe(model, bundle.name, training), ...(base === undefined ? {} : { base }) };
  await writeFile(join(folder, 'README.md'), modelCard(about, { use, remarks: request.remarks }));
  const files: Record<string, FileDigest> = {};
  for (const name of [...bundle.files.keys(), weightsFile, 'README.md'])
    files[name] = await digestFile(join(folder, name));
  const manifest = manifestSchema.parse({ ...about, files });
  await writeFile(join(folder, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/**
 * Writes a package.
 * @throws DiagnosticError Z401 to Z411 when the weights are at fault, Z433 when they do not fit `floats`,
 * Z431 when `out` exists and is not empty, Z413 when it cannot be written
 */
export async function exportPackage(request: ExportRequest): Promise<Manifest> {
  const weights = await openSource(request);
  const write = (path: string) => writeWeights(request, weights, path);
  try {
    return await makeFolder(request.out, (folder) =>
      fillFolder(request, { name: weightsName, write, use }, folder),
    );
  } finally {
    await weights.close();
  }
}
