/**
 * Trains the recipe of `unread.zoo`, whose loss leaves trainable weights unread, and reads what became of
 * them.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveRecipe } from '../../../compiler/model/index.ts';
import type { Recipe } from '../../../compiler/model/types.ts';
import { openSafetensors, writeSafetensors } from '../../../runtime/data/safetensors/file.ts';
import { Progress } from '../../../runtime/train/node/progress.ts';
import { nodeHost } from '../../../zoo/host.ts';
import type { DeviceChoice } from '../../../zoo/run/devices.ts';
import { trainFile } from '../../../zoo/run/train.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { batchValues } from '../models/training-models.ts';

/** Weights that `ranking` does not read; all of them would decay or be clamped. */
export const unreadNames = ['logit_scale', 'spare', 'other'];

export function unreadRecipe(changes: Partial<Recipe> = {}): Recipe {
  const recipe = resolveRecipe(nodeHost(), 'test/fixtures/models/unread.zoo', []);
  if (!recipe.ok) throw new Error(recipe.diagnostics.map((d) => d.message).join('\n'));
  return { ...recipe.value, ...changes };
}

export interface UnreadRun {
  /** Of every weight, before and behind two steps. */
  readonly before: ReadonlyMap<string, Float32Array>;
  readonly after: ReadonlyMap<string, Float32Array>;
  /** What was said on the way. */
  readonly notes: readonly string[];
}

export async function trainUnread(device: DeviceChoice, changes: Partial<Recipe>): Promise<UnreadRun> {
  const folder = await mkdtemp(join(tmpdir(), 'zooc-unread-'));
  try {
    const recipe = unreadRecipe(changes);
    const { batch, model } = recipe;
    const { inputs } = batchValues(model, batch);
    const images = inputs.get('images') as Float32Array;
    const tokens = inputs.get('tokens') as Int32Array;
    const data = join(folder, 'x.safetensors');
    await writeSafetensors(data, [
      {
        name: 'images',
        shape: [1, batch, 3, model.resolution!, model.resolution!],
        dtype: 'F32',
        data: images,
      },
      { name: 'tokens', shape: [1, batch, model.context!], dtype: 'I32', data: tokens },
    ]);
    const notes: string[] = [];
    const { weights } = await trainFile({
      recipe: { ...recipe, data: { name: 'tensors', args: [data], named: {} } },
      out: join(folder, 'run'),
      device,
      weights: 'init:3',
      steps: 2,
      resume: false,
      progress: new Progress({ stream: { write: (text) => notes.push(String(text)) > 0 } }),
    });
    const source = await openWeights(model, 'init:3');
    const file = await openSafetensors(weights!);
    const [before, after] = [new Map<string, Float32Array>(), new Map<string, Float32Array>()];
    for (const weight of model.weights) {
      before.set(weight.name, await source.read(weight));
      after.set(weight.name, (await file.read(weight.name)).data as Float32Array);
    }
    await source.close();
    await file.close();
    return { before, after, notes };
  } finally {
    await rm(folder, { recursive: true });
  }
}
