/**
 * A training session and a data source of a few lines, deterministic and with real state (weights and
 * moments), so that loop, checkpoints and resume can be tested without the compiler and without a device.
 */
import type { Weight } from '../../../compiler/model/types.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import type { Batch, BatchSource, DataCursor } from '../../../runtime/data/types.ts';
import { single } from '../../../runtime/dist/collective.ts';
import { CheckpointStore } from '../../../runtime/train/node/checkpoints.ts';
import type { Showing } from '../../../runtime/train/node/log.ts';
import { Run, type RunOptions, type TrainResult } from '../../../runtime/train/node/run.ts';
import { beginRunFolder, examineRunFolder, lockRunFolder } from '../../../runtime/train/node/run-folder.ts';
import type { StopSignal } from '../../../runtime/train/node/signals.ts';
import type { Schedule } from '../../../runtime/train/schedule.ts';
import type {
  StateArray,
  StateInfo,
  StepHyper,
  StepResult,
  TrainSession,
  UpdateSettings,
} from '../../../runtime/train/types.ts';
import { imagesOf, pairs } from './batches.ts';
import { adamw } from './optimizers.ts';

export const settings: UpdateSettings = {
  trainable: ['logit_scale', 'w'],
  rule: adamw,
  weightDecay: 0.2,
  decayMinDims: 2,
  clamps: [],
};

const size = 37;

/**
 * Momentum descent towards the batch's values, in f32; its numbers are known some ticks after the step was
 * started.
 */
export class FakeSession implements TrainSession {
  readonly state: readonly StateInfo[] = [
    { name: 'logit_scale', shape: [], dtype: 'F32' },
    { name: 'w', shape: [size], dtype: 'F32' },
    { name: 'adam.m.w', shape: [size], dtype: 'F32' },
  ];
  readonly #values = new Map<string, Float32Array>();
  readonly #delay: number;
  /** Called with the number of steps that this session has run, before one runs. */
  readonly #before: (steps: number) => void;
  #steps = 0;
  /** Steps started, whose result was not given yet, at most. */
  mostOutstanding = 0;
  #outstanding = 0;

  constructor(delay = 0, before: (steps: number) => void = () => {}) {
    this.#delay = delay;
    this.#before = before;
    for (const { name, shape } of this.state)
      this.#values.set(name, new Float32Array(shape.reduce((a, b) => a * b, 1)));
  }

  async step(batch: Batch, hyper: StepHyper): Promise<StepResult> {
    this.#before(this.#steps++);
    const [scale, w, m] = ['logit_scale', 'w', 'adam.m.w'].map((name) => this.#values.get(name)!);
    const goal = imagesOf(batch);
    let loss = 0;
    for (let i = 0; i < size; i++) {
      const error = w![i]! - goal[i % goal.length]!;
      loss += error * error;
      m![i] = 0.9 * m![i]! + error;
      w![i]! -= hyper.lr * m![i]!;
    }
    scale![0]! += 0.01;
    const result = { loss, gradNorm: Math.sqrt(loss), terms: {}, scalars: { logit_scale: scale![0]! } };
    this.mostOutstanding = Math.max(this.mostOutstanding, ++this.#outstanding);
    await new Promise((resolve) => setTimeout(resolve, this.#delay));
    this.#outstanding--;
    return result;
  }

  async readState(name: string): Promise<StateArray> {
    return this.#values.get(name)!.slice();
  }

  writeState(name: string, data: StateArray): void {
    this.#values.get(name)!.set(data);
  }

  close(): void {}
}

/** Endless epochs of seven batches; a batch is a function of (seed, epoch, batch). */
export class FakeSource implements BatchSource {
  readonly batchesPerEpoch = 7;
  readonly #seed: number;
  #at = 0;
  closed = false;

  constructor(seed = 1) {
    this.#seed = seed;
  }

  async next(): Promise<Batch> {
    const at = this.#at++;
    const images = Float32Array.from({ length: 5 }, (_, i) => Math.sin(this.#seed * 17 + at * 5 + i));
    return pairs(images, new Int32Array(5));
  }

  cursor(): DataCursor {
    return { epoch: Math.floor(this.#at / 7), batch: this.#at % 7, seed: this.#seed };
  }

  seek(cursor: DataCursor): void {
    this.#at = cursor.epoch * 7 + cursor.batch;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

const weight = (name: string, shape: readonly number[], dtype: Weight['dtype']): Weight => ({
  name,
  shape,
  dtype,
  kind: 'param',
  init: { kind: 'const', value: 1 },
  span: { file: { path: 'fake.zoo', text: '' }, start: 0, end: 0 },
});

/** Three weights of the session's, and one that no step uses. */
export const weights: readonly Weight[] = [
  weight('w', [size], 'f32'),
  weight('logit_scale', [], 'f32'),
  weight('unused', [2, 2], 'f32'),
  weight('batches', [], 'i64'),
];

export interface FakeRun {
  readonly out: string;
  readonly steps: number;
  readonly every: number;
  readonly resume: boolean;
  readonly session: TrainSession;
  readonly signal?: StopSignal;
  readonly keep?: number;
  /** Weights that count batches, and how many a step shows them. */
  readonly counters?: readonly string[];
  readonly seenPerStep?: number;
  /** Receives what a user would be told. */
  readonly warnings?: string[];
  /** What shows the run. */
  readonly logs?: readonly Showing[];
}

const goOn: StopSignal = { requested: false, release: () => {} };

/** The road of `trainRecipe` behind the compiler. */
export async function fakeRun(run: FakeRun): Promise<TrainResult> {
  await examineRunFolder(run.out, run.resume);
  const { begun, lock } = await lockRunFolder(run.out, run.resume, () => {});
  try {
    const store = new CheckpointStore(run.out, run.keep ?? 2);
    const warnings = run.warnings ?? [];
    const checkpoint = begun ? await store.latest(({ message }) => warnings.push(message)) : undefined;
    await beginRunFolder(run.out, { recipe: 'fake' }, new Map([['model.zoo', '# fake\n']]));
    await store.clean();
    const model = { name: 'fake', weights } as unknown as RunOptions['recipe']['model'];
    const schedule: Schedule = { kind: 'cosine', lr: 0.05, warmup: 3, total: run.steps, floor: 0 };
    const options: RunOptions = {
      recipe: {
        model,
        batch: 5,
        checkpoint: { every: { value: run.every, unit: 'steps' }, keep: run.keep ?? 2 },
      },
      out: run.out,
      initialWeight: async ({ shape }) =>
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i + 1),
      teller: {
        note: (text) => warnings.push(text),
        warn: (warning) => warnings.push(renderDiagnostics([warning])),
        doing: () => {},
      },
      ...(run.logs === undefined ? {} : { logs: run.logs }),
    };
    const parts = {
      session: run.session,
      group: single,
      source: new FakeSource(),
      schedule,
      settings,
      store,
      lock,
      modelHash: 'fake',
      compared: {},
      counters: new Set(run.counters),
      seenPerStep: run.seenPerStep ?? 1,
    };
    return await new Run(options, parts).go(checkpoint, run.signal ?? goOn);
  } finally {
    lock.release();
  }
}
