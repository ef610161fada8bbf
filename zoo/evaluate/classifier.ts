/**
 * Zero-shot classifiers as files: safetensors with a row of length 1 for each class, whose metadata say what the classes are
 * called, how logits are made of cosines, and which picture tower the rows go with: that one alone is needed to classify.
 *
 * What identifies the tower are digests of what its entry computes and of the weights that it reads, not the model's name or
 * file: they stay the same where the text tower is left out or trained on.
 */
import { z } from 'zod';
import type { Model } from '../../compiler/model/types.ts';
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import { type Encoder, pictureTower } from '../run/encoder.ts';
import { openIntact } from '../weights/formats/open-tensors.ts';
import { type SafetensorsFile, writeSafetensors } from '../weights/formats/safetensors.ts';
import type { WeightSource } from '../weights/source.ts';
import { digestEntry, type EntryDigests } from './identity.ts';

/** The key of the metadata that makes a safetensors file a classifier, and the version that is written. */
const mark = 'zooc_classifier';
const version = '1';
const tensorName = 'classifier';

/** How far squares of a float32 row's numbers may miss the sum of 1. */
const unitTolerance = 1e-4;

export interface Classifier extends Pick<Encoder, 'embed' | 'scale' | 'bias'> {
  readonly classes: readonly string[];
  /** Rows of length 1, [classes, embed]. */
  readonly features: Float32Array;
  readonly model: string;
  /** SHA-256 of all prompts, as results of `evaluate` have it. */
  readonly templates: string;
  /** What the weights were called, and their SHA-256. */
  readonly pretrained: string;
  readonly weights: string;
  readonly pictures: EntryDigests;
}

export function digestPictures(model: Model, weights: WeightSource): Promise<EntryDigests> {
  return digestEntry(model, pictureTower(model).entry, weights);
}

/** @throws DiagnosticError Z413 */
export async function writeClassifier(path: string, classifier: Classifier): Promise<void> {
  const { classes, features, embed, scale, bias, pictures } = classifier;
  await writeSafetensors(
    path,
    [{ name: tensorName, dtype: 'F32', shape: [classes.length, embed], data: features }],
    {
      [mark]: version,
      classes: JSON.stringify(classes),
      embed: String(embed),
      logit_scale: String(scale),
      ...(bias === undefined ? {} : { logit_bias: String(bias) }),
      templates_sha256: classifier.templates,
      model: classifier.model,
      pretrained: classifier.pretrained,
      weights_sha256: classifier.weights,
      picture_graph_sha256: pictures.graph,
      picture_weights_sha256: pictures.weights,
    },
    { checksum: true },
  );
}

const number = z.string().min(1).transform(Number).pipe(z.number());
const metadataSchema = z.object({
  classes: z.string(),
  embed: number,
  logit_scale: number,
  logit_bias: number.optional(),
  templates_sha256: z.string(),
  model: z.string(),
  pretrained: z.string(),
  weights_sha256: z.string(),
  picture_graph_sha256: z.string(),
  picture_weights_sha256: z.string(),
});
const classesSchema = z.array(z.string()).min(1);

function factsOf({ metadata, path }: SafetensorsFile) {
  const found = metadata.get(mark);
  if (found === undefined)
    fail('Z460', `${path} is no classifier`, 'zooc classifier MODEL --labels FILE --out FILE writes one');
  if (found !== version)
    fail('Z460', `${path} is a classifier of version ${found}, this zooc reads version ${version}`);
  try {
    const facts = metadataSchema.parse(Object.fromEntries(metadata));
    return { ...facts, classes: classesSchema.parse(JSON.parse(facts.classes)) };
  } catch (error) {
    if (!(error instanceof z.ZodError || error instanceof SyntaxError)) throw error;
    fail('Z460', `${path} is a classifier whose metadata do not say what its classes are`);
  }
}

async function rowsOf(file: SafetensorsFile, rows: number, width: number): Promise<Float32Array> {
  const info = file.infos.get(tensorName);
  const [n, m, ...more] = info?.shape ?? [];
  if (info?.dtype !== 'F32' || n !== rows || m !== width || more.length > 0)
    fail('Z460', `${file.path}: ${tensorName} is not F32 [${rows}, ${width}], as its metadata say`);
  const data = (await file.read(tensorName)).data as Float32Array;
  for (let row = 0; row < rows; row++) {
    const squares = data.subarray(row * width, (row + 1) * width).reduce((sum, x) => sum + x * x, 0);
    if (!(Math.abs(squares - 1) <= unitTolerance))
      fail('Z460', `${file.path}: row ${row} of ${tensorName} has not the length 1`);
  }
  return data;
}

/** @throws DiagnosticError Z410, Z411, Z460 */
export async function readClassifier(path: string): Promise<Classifier> {
  const file = await openIntact(path);
  try {
    const facts = factsOf(file);
    const { classes, embed, logit_scale: scale, logit_bias: bias } = facts;
    return {
      classes,
      features: await rowsOf(file, classes.length, embed),
      embed,
      scale,
      bias,
      model: facts.model,
      templates: facts.templates_sha256,
      pretrained: facts.pretrained,
      weights: facts.weights_sha256,
      pictures: { graph: facts.picture_graph_sha256, weights: facts.picture_weights_sha256 },
    };
  } finally {
    await file.close();
  }
}

/**
 * Refuses a model whose pictures' features are not those that a classifier was made for.
 * @throws DiagnosticError Z460, Z704
 */
export async function checkPictures(
  path: string,
  classifier: Classifier,
  model: Model,
  weights: WeightSource,
): Promise<void> {
  const own = await digestPictures(model, weights);
  const made = classifier.pictures;
  const other = own.graph !== made.graph ? 'another picture tower' : 'other weights of the picture tower';
  if (own.graph === made.graph && own.weights === made.weights) return;
  throw new DiagnosticError([
    {
      code: 'Z460',
      severity: 'error',
      message: `${path} was made with ${other} than those of ${model.name} in ${weights.description}`,
      notes: [
        `made with ${classifier.model} in ${classifier.pretrained}; SHA-256 of all its weights: ${classifier.weights}`,
        `SHA-256 of the picture tower's weights: ${made.weights}; here: ${own.weights}`,
      ],
      help: 'zooc classifier makes one for these weights',
    },
  ]);
}
