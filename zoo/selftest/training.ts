/** Some steps of training on the device beside the same in double precision: losses and norms of gradients, step by step. */
import type { Precision } from '../../compiler/compile.ts';
import type { ModuleHost, Recipe } from '../../compiler/model/types.ts';
import { wholeBatch } from '../../runtime/reference/computation.ts';
import { ReferenceTrainSession } from '../../runtime/reference/session.ts';
import type { Checks } from '../../runtime/selftest/checks.ts';
import { inSmallSubmits } from '../../runtime/selftest/compare.ts';
import { Ancestry } from '../../runtime/selftest/suspects.ts';
import type { WrongOutput } from '../../runtime/selftest/types.ts';
import { beginState, CarriedWeights } from '../../runtime/train/carried.ts';
import { batchCounters } from '../../runtime/train/counters.ts';
import { planTraining, traceLoss } from '../../runtime/train/plan.ts';
import { type Schedule, scheduleOf } from '../../runtime/train/schedule.ts';
import { DeviceTrainSession } from '../../runtime/train/session.ts';
import { settingsFor } from '../../runtime/train/supported.ts';
import { hyperAt } from '../../runtime/train/trainer.ts';
import type { TrainSession, UpdateSettings } from '../../runtime/train/types.ts';
import type { Device, HostArray } from '../../runtime/types.ts';
import { hashInput } from '../weights/hash-weights.ts';
import { ruledWeights } from '../weights/source.ts';
import { selftestRecipe } from './models.ts';

/** What one step says. */
interface Step {
  readonly loss: number;
  readonly gradNorm: number;
}

interface Run {
  readonly recipe: Recipe;
  readonly settings: UpdateSettings;
  readonly schedule: Schedule;
}

function runOf(host: ModuleHost, more: Readonly<Record<string, string>>): Run {
  const recipe = selftestRecipe(host, 'small ViT', more);
  return {
    recipe,
    settings: settingsFor(recipe, traceLoss(recipe)).settings,
    schedule: scheduleOf(recipe, undefined, undefined),
  };
}

/** Takes all steps of a run with the same batches, which differ from step to step. */
async function stepsOf({ recipe, settings, schedule }: Run, session: TrainSession): Promise<Step[]> {
  const { model, batch, gradClip, seed } = recipe;
  const carried = new CarriedWeights(batchCounters(traceLoss(recipe), model.weights), 1);
  const weights = ruledWeights(model, 'init:0')!;
  await beginState(session, model.weights, (weight) => weights.read(weight), carried);
  const all = new Map(recipe.inputs.map((input) => [input.name, hashInput(input, batch)]));
  const loop = { schedule, settings, ...(gradClip === undefined ? {} : { gradClip }) };
  const steps: Step[] = [];
  for (let step = 0; step < schedule.total; step++) {
    const inputs = new Map([...all].map(([name, data]) => [name, turned(data, step)]));
    const { loss, gradNorm } = await session.step({ inputs, skipped: 0 }, hyperAt(loop, step, seed));
    steps.push({ loss, gradNorm });
  }
  return steps;
}

/** Pictures of another step; texts stay, so that there is something to learn. */
function turned(data: HostArray, step: number): HostArray {
  return data instanceof Int32Array ? data : data.map((x, i) => x * (1 + 0.1 * Math.sin(step + i)));
}

/** The losses in double precision, made once for all ways to train. */
export class Training {
  readonly #host: ModuleHost;
  #expected: Promise<readonly Step[]> | undefined;

  constructor(host: ModuleHost) {
    this.#host = host;
  }

  #reference(): Promise<readonly Step[]> {
    this.#expected ??= (async () => {
      const run = runOf(this.#host, {});
      const { model } = run.recipe;
      const trained = model.weights.filter(({ name }) => run.settings.trainable.includes(name));
      const compute = wholeBatch(traceLoss(run.recipe), trained);
      const stored = model.weights.filter(({ dtype }) => dtype !== 'i64');
      return stepsOf(run, new ReferenceTrainSession(compute, stored, run.settings));
    })();
    return this.#expected;
  }

  /** @throws DiagnosticError Z60x from the device */
  async check(device: Pick<Device, 'open' | 'profile'>, checks: Checks, way: TrainingWay): Promise<void> {
    const run = runOf(this.#host, ways[way].settings);
    const { plan } = planTraining(run.recipe, device.profile);
    const session = new DeviceTrainSession(await device.open(plan, inSmallSubmits));
    let found: Step[];
    try {
      found = await stepsOf(run, session);
    } finally {
      session.close();
    }
    const expected = await this.#reference();
    const { precision, tolerance } = ways[way];
    const outputs = found.flatMap((step, i) =>
      (['loss', 'gradNorm'] as const).map((key): WrongOutput => {
        const [value, wanted] = [step[key], expected[i]![key]];
        const error = Math.abs(value - wanted) / Math.abs(wanted);
        return {
          output: `${key} of step ${i + 1}`,
          element: 0,
          found: value,
          expected: wanted,
          error,
          tolerance,
        };
      }),
    );
    const worst = outputs.reduce((most, o) => (o.error > most.error || Number.isNaN(o.error) ? o : most));
    const wrong = outputs.filter(({ error }) => !(error <= tolerance));
    const ancestry = new Ancestry(plan);
    const all = plan.steps.map((step) => ancestry.kernel(step));
    checks.add(
      {
        ...{
          part: 'training',
          what: `small ViT, ${found.length} steps ${ways[way].words}`,
          precision,
          tolerance,
        },
        ...{ outputs: outputs.length, error: worst.error, where: worst.output, passed: wrong.length === 0 },
      },
      wrong,
      wrong.length === 0 ? [] : [{ surely: all, perhaps: all }],
    );
  }
}

interface Way {
  readonly words: string;
  readonly precision: Precision;
  readonly settings: Readonly<Record<string, string>>;
  /** Of a loss, or a norm, relative to itself. */
  readonly tolerance: number;
}

/**
 * f32: a step's rounding is 1e-6 of the loss; AdamW divides gradients by their size, so the noise of small ones is carried on as
 * whole steps. Mixed: the features' rounding, 2e-3, times the logits' scale, 14. Its loss scale is fixed: a dynamic one begins with
 * steps that overflow and are left out.
 */
const ways = {
  whole: { words: 'of AdamW', precision: 'f32', settings: {}, tolerance: 1e-4 },
  chunks: { words: 'in chunks', precision: 'f32', settings: { chunk: '2' }, tolerance: 1e-4 },
  mixed: {
    words: 'with a loss scale',
    precision: 'mixed',
    settings: { precision: 'mixed(compute = f16, master = f32, loss_scale = 128)' },
    tolerance: 3e-2,
  },
} as const satisfies Readonly<Record<string, Way>>;

export type TrainingWay = keyof typeof ways;

/** What a device trains by. */
export function trainingWays(precision: Precision, quick: boolean): TrainingWay[] {
  if (precision === 'mixed') return ['mixed'];
  return quick ? ['whole'] : ['whole', 'chunks'];
}
