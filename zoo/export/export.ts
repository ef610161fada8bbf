/**
 * `zooc export --format zoo`: a model and its weights as a folder that can be moved, loaded and verified.
 *
 * The folder is made beside its place under a temporary name and renamed when complete; a failure leaves nothing.
 */
import { randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { copyFile, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { resolveModel, type TextOverride } from '../../compiler/model/index.ts';
import type { Model, ModuleHost } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { failSystem, syncDirectory } from '../../runtime/data/atomic.ts';
import { clipMean, clipStd } from '../../runtime/data/images.ts';
import { hasTokenizer } from '../../runtime/data/tokenizer.ts';
import { writeSafetensors } from '../formats/safetensors.ts';
import { nodeHost } from '../host.ts';
import { openWeights, type WeightSource, weightsToWrite } from '../weights.ts';
import { bundleModel } from './bundle.ts';
import { modelCard } from './model-card.ts';
import {
  digestFile,
  type FileDigest,
  type Manifest,
  manifestName,
  manifestSchema,
  type TrainingSummary,
  weightsName,
} from './package.ts';

export interface ExportRequest {
  /** A weights file, run folder, package, `init:SEED` or `hash`. */
  readonly source: string;
  readonly model: Model;
  /** The folder to make. */
  readonly out: string;
  /** What the model was loaded by; by default the model of its name in its first source file. */
  readonly reference?: string;
  /** Overrides (`--set`) that the model was loaded with. */
  readonly overrides?: readonly TextOverride[];
  /** Markdown for the model card: results, licences of the data. */
  readonly remarks?: string;
}

const exportFormats = ['zoo', 'openai', 'open_clip', 'hf'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** @throws DiagnosticError Z706 for a format that is not there yet */
export function checkFormat(format: ExportFormat): void {
  if (format !== 'zoo')
    fail(
      'Z706',
      `exporting to ${format} comes with a later version`,
      "--format zoo (its weights have OpenAI's names)",
    );
}

/** What a run folder tells about its training; undefined for anything else. */
export async function readTraining(source: string): Promise<TrainingSummary | undefined> {
  const metrics = join(source, 'metrics.jsonl');
  const run = join(source, 'run.json');
  if (!existsSync(metrics) || !existsSync(run)) return undefined;
  const rows = (await readFile(metrics, 'utf8')).split('\n');
  const last = rows.findLast((line) => line.endsWith('}'));
  if (last === undefined) return undefined;
  const row = z.object({ step: z.int(), loss: z.number() }).parse(JSON.parse(last));
  const { recipe } = z
    .object({ recipe: z.string().optional() })
    .parse(JSON.parse(await readFile(run, 'utf8')));
  return { steps: row.step + 1, loss: row.loss, ...(recipe === undefined ? {} : { recipe }) };
}

/** A file of ours is copied as it is, so that its bytes stay the same; other weights are written out. */
async function writeWeights(model: Model, weights: WeightSource, path: string): Promise<void> {
  if (weights.copyable !== undefined) await copyFile(weights.copyable, path, constants.COPYFILE_FICLONE);
  else await writeSafetensors(path, weightsToWrite(model, weights));
}

function describe(
  model: Model,
  name: string,
  training: TrainingSummary | undefined,
): Omit<Manifest, 'files'> {
  const { resolution, context, vocab, embed } = model;
  return {
    format: 1,
    name,
    reference: `model.zoo#${name}`,
    parameters: model.parameters,
    ...(embed === undefined ? {} : { embed }),
    config: Object.fromEntries(
      [...model.config].map(([path, value]) => [path, Array.isArray(value) ? [...value] : value]),
    ) as Manifest['config'],
    ...(resolution === undefined
      ? {}
      : {
          preprocessing: {
            resolution,
            resize: 'bicubic, short side' as const,
            crop: 'centre' as const,
            mean: [...clipMean],
            std: [...clipStd],
          },
        }),
    ...(context === undefined || vocab === undefined || !hasTokenizer(vocab)
      ? {}
      : { tokenizer: { kind: 'clip-bpe' as const, vocab, context, sot: vocab - 2, eot: vocab - 1 } }),
    ...(training === undefined ? {} : { training }),
  };
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

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The reference with the model's name: a file may be named without it. */
function fullReference({ model, reference }: ExportRequest): string {
  const [main] = model.sources;
  const given = reference ?? main?.path ?? model.name;
  return given.endsWith('.zoo') ? `${given}#${model.name}` : given;
}

async function fillFolder(request: ExportRequest, weights: WeightSource, folder: string): Promise<Manifest> {
  const { model, source, overrides = [] } = request;
  const reference = fullReference(request);
  const host = nodeHost();
  const bundle = bundleModel(host, reference, model.sources, overrides);
  for (const [name, text] of bundle.files) await writeFile(join(folder, name), text);
  verifyText(host, folder, bundle.name, model);
  await writeWeights(model, weights, join(folder, weightsName));
  const about = describe(model, bundle.name, await readTraining(source));
  await writeFile(join(folder, 'README.md'), modelCard({ ...about, files: {} }, request.remarks));
  const files: Record<string, FileDigest> = {};
  for (const name of [...bundle.files.keys(), weightsName, 'README.md']) {
    files[name] = await digestFile(join(folder, name));
    await syncFile(join(folder, name));
  }
  const manifest = manifestSchema.parse({ ...about, files });
  await writeFile(join(folder, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
  await syncFile(join(folder, manifestName));
  await syncDirectory(folder);
  return manifest;
}

async function refuseExisting(out: string): Promise<void> {
  if (!existsSync(out)) return;
  const entries = await readdir(out).catch((error: unknown) =>
    failSystem('Z431', `cannot use ${out}`, error),
  );
  if (entries.length > 0) fail('Z431', `${out} exists already`, 'choose another --out, or remove it');
}

/**
 * Writes a package.
 * @throws DiagnosticError Z401 to Z411 when the weights are at fault, Z431 when `out` exists and is not empty, Z413 when it
 * cannot be written
 */
export async function exportPackage(request: ExportRequest): Promise<Manifest> {
  await refuseExisting(request.out);
  const out = resolve(request.out);
  const temporary = join(
    dirname(out),
    `.${basename(out)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`,
  );
  const weights = await openWeights(request.model, request.source);
  let made = false;
  try {
    await mkdir(temporary, { recursive: true });
    made = true;
    const manifest = await fillFolder(request, weights, temporary);
    await rename(temporary, out);
    await syncDirectory(dirname(out));
    return manifest;
  } catch (error) {
    if (made) await rm(temporary, { recursive: true, force: true });
    failSystem('Z413', `cannot write ${request.out}`, error);
  } finally {
    await weights.close();
  }
}
