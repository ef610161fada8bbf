/**
 * `index.json`: which model the features of a folder were made with. Everything that is written there, and whatever
 * searches it, has to be of the same.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { Model } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { writeText } from '../../runtime/data/files/atomic.ts';
import { parseJson } from '../../runtime/data/files/json.ts';
import { readText, statOf } from '../../runtime/data/files/read-fully.ts';
import { digestWeights } from '../weights/adapter-file.ts';
import type { WeightSource } from '../weights/source.ts';

const schema = z.object({
  model: z.string(),
  /** Of the numbers that models of one architecture are told apart by: layers, activations, normalisation. */
  settings_sha256: z.string(),
  weights: z.string(),
  weights_sha256: z.string(),
  width: z.int().positive(),
  dtype: z.enum(['f16', 'f32']),
});

export type IndexFacts = z.infer<typeof schema>;
export type Identity = Omit<IndexFacts, 'dtype'>;

/** What tells a model with its weights from others. */
export async function identityOf(model: Model, weights: WeightSource): Promise<Identity> {
  const { config, normalization, inputs } = model;
  const settings = JSON.stringify([
    [...config],
    normalization,
    inputs.map(({ name, sizes }) => [name, sizes]),
  ]);
  return {
    model: model.name,
    settings_sha256: createHash('sha256').update(settings).digest('hex'),
    weights: weights.description,
    weights_sha256: await digestWeights(model.weights, weights),
    width: model.embed!,
  };
}

const fileName = 'index.json';

/** Undefined where there is none. @throws DiagnosticError Z470 for what is none of ours */
export async function readIndexFacts(folder: string): Promise<IndexFacts | undefined> {
  const path = join(folder, fileName);
  if (statOf(path) === undefined) return undefined;
  const parsed = schema.safeParse(parseJson(await readText(path, 'Z470')));
  return parsed.success ? parsed.data : fail('Z470', `${path} is no index that embed wrote`);
}

/**
 * Refuses a folder whose features are of another model.
 * @throws DiagnosticError Z470
 */
export function checkSameModel(folder: string, found: IndexFacts, wanted: Identity): void {
  const refuse = (what: string) =>
    fail(
      'Z470',
      `${folder} holds features of ${found.model} with the weights ${found.weights}, not of ${wanted.model} with ${wanted.weights}: ${what}`,
    );
  if (found.width !== wanted.width) refuse(`they have ${found.width} numbers each, not ${wanted.width}`);
  if (found.weights_sha256 !== wanted.weights_sha256)
    refuse(`the SHA-256 of those weights is ${found.weights_sha256}, of these ${wanted.weights_sha256}`);
  if (found.settings_sha256 !== wanted.settings_sha256)
    refuse('the weights are the same, but not what is computed with them (--set, activation, normalisation)');
}

/**
 * Marks a folder as being of one model, or finds it marked.
 * @throws DiagnosticError Z470 where it is of another, Z413
 */
export async function claimIndex(folder: string, facts: IndexFacts): Promise<void> {
  const found = await readIndexFacts(folder);
  if (found === undefined) {
    await writeText(join(folder, fileName), `${JSON.stringify(facts, null, 2)}\n`);
    return;
  }
  checkSameModel(folder, found, facts);
  if (found.dtype !== facts.dtype)
    fail(
      'Z470',
      `${folder} holds features in ${found.dtype}, not in ${facts.dtype}`,
      `--dtype ${found.dtype}`,
    );
}
