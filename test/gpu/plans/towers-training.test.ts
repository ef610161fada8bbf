/**
 * Recipes of every family of encoders from first weights to last, with what each draws in training: in chunks
 * with `remat` the losses of the reference, in mixed precision near them, and the same bits after a cut.
 *
 * By the text of kernels; that adapters give the same is tested family by family.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveRecipe } from '../../../compiler/model/index.ts';
import type { Recipe } from '../../../compiler/model/types.ts';
import type { Batch, BatchSource, DataCursor } from '../../../runtime/data/types.ts';
import { trainRecipe } from '../../../runtime/train/node/train.ts';
import type { MetricsRow } from '../../../runtime/train/types.ts';
import type { Device } from '../../../runtime/types.ts';
import { memoryHost } from '../../errors/report.ts';
import { unwrap } from '../../support/families.ts';
import { batchValues, weightValues } from '../../support/training-models.ts';
import { discreteText, softwareText } from '../../support/wgsl/text-device.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-towers-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Towers {
  readonly name: string;
  readonly objective: string;
  readonly remat: string;
  readonly on: Device;
}

const cases: readonly Towers[] = [
  { name: 'eva-llama', objective: 'contrastive', remat: '"visual.blocks.*", "layers.*"', on: softwareText },
  {
    name: 'dinov2-bert',
    objective: 'contrastive',
    remat: '"visual.blocks.*", "encoder.layer.*"',
    on: discreteText,
  },
  { name: 'swin-t5', objective: 'contrastive', remat: '"visual.layers.*", "blocks.*"', on: softwareText },
  { name: 'moe', objective: 'balanced', remat: '"visual.moe", "encoder.layer.*"', on: discreteText },
];

const models = readFileSync('test/fixtures/models/towers.zoo', 'utf8');
const steps = 4;

function recipeOf({ name, objective, remat }: Towers, setting = ''): Recipe {
  const text = `${models}
train "t" of "${name}" {
  data = tensors("none")
  objective = ${objective}
  batch = 4
  chunk = 2
  optimizer = adamw(lr = 1e-3, beta1 = 0.9, beta2 = 0.98, eps = 1e-6, weight_decay = 0.2)
  schedule = constant(warmup = 2 steps)
  remat ${remat}
  seed = 5
  ${setting}
}
`;
  return unwrap(resolveRecipe(memoryHost({ 'main.zoo': text }), 'main.zoo#t'));
}

/** Endless batches, each a function of its number. */
class ValuesSource implements BatchSource {
  readonly #recipe: Recipe;
  #at = 0;

  constructor(recipe: Recipe) {
    this.#recipe = recipe;
  }

  async next(): Promise<Batch> {
    return batchValues(this.#recipe.model, this.#recipe.batch, this.#at++);
  }

  cursor(): DataCursor {
    return { epoch: 0, batch: this.#at, seed: this.#recipe.seed };
  }

  seek({ batch }: DataCursor): void {
    this.#at = batch;
  }

  async close(): Promise<void> {}
}

/** Trains up to a step, from the start or on, into a folder of this name. */
async function train(recipe: Recipe, on: Device | undefined, out: string, end = steps): Promise<void> {
  const weights = weightValues(recipe.model);
  await trainRecipe({
    recipe,
    out: join(folder, out),
    executor: on === undefined ? { kind: 'reference' } : { kind: 'device', device: on },
    resume: true,
    steps: end,
    openSource: async () => new ValuesSource(recipe),
    files: new Map(),
    initialWeight: async ({ name }) => weights.get(name)!,
    notify: () => {},
    progress: false,
  });
}

function rows(out: string): MetricsRow[] {
  const text = readFileSync(join(folder, out, 'metrics.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const weightsOf = (out: string) => readFileSync(join(folder, out, 'weights.safetensors'));

/** Largest relative differences of two runs' losses and gradient norms. */
function apart(a: string, b: string): { loss: number; gradient: number } {
  const others = rows(b);
  const most = (of: (row: MetricsRow) => number) =>
    Math.max(...rows(a).map((row, i) => Math.abs(of(row) / of(others[i]!) - 1)));
  return { loss: most((row) => row.loss), gradient: most((row) => row.grad_norm) };
}

describe.each(cases)('$name', (towers) => {
  const exact = `${towers.name}-f64`;
  const single = `${towers.name}-f32`;
  const half = `${towers.name}-f16`;
  const cut = `${towers.name}-cut`;
  beforeAll(() => train(recipeOf(towers), undefined, exact));

  it('trains in chunks with remat as on the reference', async () => {
    await train(recipeOf(towers), towers.on, single);
    const { loss, gradient } = apart(single, exact);
    // About ten times f32's noise here, which four steps pass on.
    expect(loss).toBeLessThan(5e-6);
    expect(gradient).toBeLessThan(2e-5);
  });

  it('trains in mixed precision near it, cut or not with the same bits', async () => {
    const mixed = recipeOf(towers, 'precision = mixed(loss_scale = 64)');
    await train(mixed, softwareText, half);
    const { loss, gradient } = apart(half, exact);
    // A rounding of halves (2^-11) in each layer.
    expect(loss).toBeLessThan(1e-2);
    expect(gradient).toBeLessThan(1e-2);
    await train(mixed, softwareText, cut, 2);
    await train(mixed, softwareText, cut);
    const bits = ({ step, loss, grad_norm }: MetricsRow) => [step, loss, grad_norm];
    expect(rows(cut).map(bits)).toEqual(rows(half).map(bits));
    expect(weightsOf(cut)).toEqual(weightsOf(half));
  });
});
