/**
 * `zooc bundle`: plans, the weights that they read, and a page that runs them on its visitor's GPU, as a folder for any static
 * host. Nothing is loaded from elsewhere, and no script lies in the page itself, so that the strictest policies hold.
 */
import { cp, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Model } from '../../../compiler/model/types.ts';
import type { ProfileKind } from '../../../compiler/profiles.ts';
import { ownFile } from '../../../runtime/node/own-files.ts';
import { ZooModel } from '../../api/model.ts';
import { nodePlatform } from '../../api/node/platform.ts';
import type { PlanSet } from '../../api/plans.ts';
import { writeSafetensors } from '../../weights/formats/safetensors.ts';
import { weightsName } from '../../weights/package.ts';
import type { WeightSource } from '../../weights/source.ts';
import { type FloatChoice, weightsToWrite } from '../../weights/weights.ts';
import { makeFolder } from '../folder.ts';
import { playerFiles } from './player.ts';

export interface PageRequest {
  readonly model: Model;
  readonly weights: WeightSource;
  /** Of towers; all by default. */
  readonly entries?: readonly string[];
  /** Pictures or texts that a plan takes at a time. */
  readonly batch: number;
  readonly profile: ProfileKind;
  readonly floats: FloatChoice;
  /** The folder to make. */
  readonly out: string;
}

export interface PageExport {
  readonly model: string;
  readonly entries: readonly string[];
  readonly batch: number;
  readonly profile: string;
  /** Bytes of each file, by name. */
  readonly files: Readonly<Record<string, number>>;
}

const pageFiles = ['index.html', 'page.css', 'page.js'] as const;

/** The model with the weights that playing takes and no others. */
function played(model: Model, { picture, text }: PlanSet): Model {
  const read = new Set([picture, text].flatMap((tower) => tower?.plan.weights ?? []).map(({ name }) => name));
  if (picture !== undefined && text !== undefined)
    for (const name of ['logit_scale', 'logit_bias']) read.add(name);
  return { ...model, weights: model.weights.filter(({ name }) => read.has(name)) };
}

/**
 * Writes the folder.
 * @throws DiagnosticError Z414 for texts without a tokenizer, Z605, Z704 for an entry that is no tower, Z433 when the weights do
 * not fit `floats`, Z431 when `out` exists and is not empty, Z413 when it cannot be written
 */
export async function exportPage(request: PageRequest): Promise<PageExport> {
  const { model, weights, entries, batch, profile, floats, out } = request;
  const plans = await new ZooModel(nodePlatform(), model, []).plans({
    ...{ batch, profile },
    ...(entries === undefined ? {} : { entries }),
  });
  const player = await playerFiles();
  const names = [...player.keys(), ...pageFiles, 'plans.json', weightsName].sort();
  await makeFolder(out, async (folder) => {
    for (const name of pageFiles) await cp(ownFile(`zoo/export/page/browser/${name}`), join(folder, name));
    for (const [name, bytes] of player) await writeFile(join(folder, name), bytes);
    await writeFile(join(folder, 'plans.json'), JSON.stringify(plans));
    await writeSafetensors(join(folder, weightsName), weightsToWrite(played(model, plans), weights, floats));
  });
  const sizes = await Promise.all(names.map(async (name) => [name, (await stat(join(out, name))).size]));
  return {
    model: model.name,
    entries: [plans.picture, plans.text].flatMap((tower) => tower?.plan.entry ?? []),
    batch,
    profile,
    files: Object.fromEntries(sizes),
  };
}
