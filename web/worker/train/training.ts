/**
 * Training in the page: a loop over batches that are made here, which can be left, paused and gone on with. It keeps a copy of its
 * state now and then, so that it goes on after the device was lost.
 */
import { type Diagnostic, DiagnosticError } from '../../../grammar/diagnostics.ts';
import type * as zooc from '../../../zoo/api/browser.ts';
import type { Logits } from '../../../zoo/run/towers/tower.ts';
import type { Opened } from '../opened.ts';
import { useMergesFor } from '../sources.ts';
import { type Looked, lookAt } from './held-out.ts';
import { Batches, type Pictures, type Split, splitOf } from './pictures.ts';

export interface TrainingRequest {
  readonly text: string;
  readonly recipe: string;
  /** Settings of the recipe and its model by path. */
  readonly set: zooc.Settings;
  readonly batch: number;
  readonly seed: number;
  /** Length, where the recipe says none. */
  readonly steps: number;
  /** Pixels that pictures are moved by at most. */
  readonly shift: number;
  /** Steps between looks at the held-out pictures, each of which keeps a copy of the state. */
  readonly every: number;
}

export interface StartedRun {
  /** Name of the model. */
  readonly model: string;
  readonly parameters: number;
  /** Steps in all. */
  readonly total: number;
  /** The step that comes next. */
  readonly step: number;
  readonly warnings: readonly Diagnostic[];
  /** Time until the first step could begin. */
  readonly milliseconds: number;
}

export type RunState = 'running' | 'paused' | 'done' | 'stopped' | 'failed' | 'lost';

export type TrainingEvent =
  | {
      readonly kind: 'step';
      readonly step: number;
      readonly loss: number;
      readonly lr: number;
      /** Of this step alone. */
      readonly milliseconds: number;
      /** Bytes of device memory in use. */
      readonly memory: number;
    }
  | ({ readonly kind: 'looked'; readonly step: number; readonly milliseconds: number } & Looked)
  /** The pictures cannot be looked at; training goes on. */
  | { readonly kind: 'blind'; readonly diagnostics: readonly Diagnostic[] }
  | {
      readonly kind: 'state';
      readonly state: RunState;
      /** Why it failed or was lost; a text where it is a defect of the page. */
      readonly reason?: readonly Diagnostic[] | string;
      /** Where a lost run goes on: steps behind the copy of its state. */
      readonly kept?: number;
    };

type Tell = (event: TrainingEvent) => void;

/** One run with all that belongs to it. */
interface Active {
  readonly request: TrainingRequest;
  readonly tell: Tell;
  readonly gpu: zooc.Gpu;
  readonly run: zooc.TrainRun;
  readonly batches: Batches;
  step: number;
  /** Scale and bias of the logits behind the last step. */
  logits: Logits;
  wish: 'run' | 'pause' | 'stop';
  /** Called when the wish changes. */
  wake: () => void;
  /** It cannot look at the held-out pictures. */
  blind: boolean;
  /** No step comes any more. */
  over: boolean;
  /** Its device is gone. */
  lost: boolean;
  /** Until it is over. */
  ended: Promise<void>;
}

/** A copy of what a run goes on from. */
interface Kept {
  readonly step: number;
  readonly state: Uint8Array;
  readonly weights: Uint8Array;
}

export class Training {
  readonly #opened: Opened;
  #pictures: { readonly all: Pictures; readonly split: Split } | undefined;
  #active: Active | undefined;
  #kept: Kept | undefined;

  constructor(opened: Opened) {
    this.#opened = opened;
  }

  /** Takes the pictures, once. @returns which of them are held out */
  take(pictures: Pictures): Split {
    this.#pictures = { all: pictures, split: splitOf(pictures.captions) };
    return this.#pictures.split;
  }

  /**
   * Begins a run; the one before is ended. What happens is told until it is over.
   * @throws DiagnosticError Z1xx to Z6xx for a recipe, a model or a device that cannot
   */
  async start(request: TrainingRequest, tell: Tell): Promise<StartedRun> {
    await this.#end();
    this.#kept = undefined;
    return this.#begin(request, tell);
  }

  /** Lets a step that is under way end, and starts no other. */
  pause(): void {
    this.#wish('pause');
  }

  /** Goes on behind the last step; on a new device from the copy that was kept. @throws as `start` */
  async goOn(): Promise<StartedRun | undefined> {
    const { request, tell, over } = this.#active!;
    if (!over) {
      this.#wish('run');
      return undefined;
    }
    await this.#end();
    return this.#begin(request, tell);
  }

  stop(): void {
    this.#wish('stop');
  }

  /** Whether steps are given to the device. */
  isRunning(): boolean {
    return this.#active !== undefined && !this.#active.over && this.#active.wish === 'run';
  }

  /** The weights as they are now, as safetensors; of a run that is over and lost its device those that were kept. */
  async weights(): Promise<Uint8Array> {
    const { over, lost, step, run } = this.#active!;
    const kept = this.#kept;
    if (over && kept !== undefined && (kept.step === step || lost)) return kept.weights;
    return run.weights();
  }

  async #begin(request: TrainingRequest, tell: Tell): Promise<StartedRun> {
    const begun = performance.now();
    const { all, split } = this.#pictures!;
    const gpu = await this.#opened.gpu();
    const kept = this.#kept;
    const run = await gpu.train(request.text, {
      name: request.recipe,
      set: request.set,
      steps: request.steps,
      batchesPerEpoch: Math.max(1, Math.floor(split.learnt.length / request.batch)),
      ...(kept === undefined ? {} : { state: kept.state }),
    });
    useMergesFor(run.model);
    const active: Active = {
      ...{ request, tell, gpu, run },
      batches: new Batches(all, split, run.model, run.inputs, request),
      step: kept?.step ?? 0,
      logits: { scale: 1, bias: undefined },
      wish: 'run',
      wake: () => {},
      blind: false,
      over: false,
      lost: false,
      ended: Promise.resolve(),
    };
    try {
      // What cannot be made at all is refused before anything counts as running.
      await active.batches.at(active.step);
    } catch (error) {
      run.close();
      throw error;
    }
    this.#active = active;
    void gpu.lost.then((loss) => {
      active.lost = true;
      this.#failed(active, loss);
    });
    active.ended = this.#loop(active);
    const { model, total, warnings } = run;
    return {
      ...{ model: model.name, parameters: model.parameters, total, step: active.step, warnings },
      milliseconds: performance.now() - begun,
    };
  }

  async #loop(active: Active): Promise<void> {
    const { run, tell } = active;
    try {
      tell({ kind: 'state', state: 'running' });
      while (active.step < run.total && (await this.#mayGoOn(active))) await this.#step(active);
      if (active.over) return;
      active.over = true;
      tell({ kind: 'state', state: active.step < run.total ? 'stopped' : 'done' });
    } catch (error) {
      this.#failed(active, error);
    }
  }

  /** Waits while the run is paused. @returns whether another step is wanted */
  async #mayGoOn(active: Active): Promise<boolean> {
    if (active.wish === 'pause') {
      active.tell({ kind: 'state', state: 'paused' });
      while (active.wish === 'pause')
        await new Promise<void>((resolve) => {
          active.wake = resolve;
        });
      if (active.wish === 'run') active.tell({ kind: 'state', state: 'running' });
    }
    return active.wish === 'run';
  }

  async #step(active: Active): Promise<void> {
    const { request, gpu, run, batches, tell } = active;
    const begun = performance.now();
    const { step, loss, lr, terms } = await run.step(await batches.at(active.step));
    active.step++;
    active.logits = { scale: Math.exp(terms.logit_scale ?? 0), bias: terms.logit_bias };
    const milliseconds = performance.now() - begun;
    tell({ ...{ kind: 'step', step, loss, lr, milliseconds }, memory: gpu.memory.current });
    if (active.step % request.every !== 0 && active.step !== run.total) return;
    const weights = await run.weights();
    this.#kept = { step: active.step, state: await run.state(), weights };
    await this.#look(active, weights);
  }

  async #look(active: Active, weights: Uint8Array): Promise<void> {
    const { run, gpu, batches, logits, step, tell } = active;
    if (active.blind) return;
    const begun = performance.now();
    const { all, split } = this.#pictures!;
    try {
      const looked = await lookAt(gpu, run.model, weights, logits, all, split, batches.fitted);
      tell({ kind: 'looked', step, milliseconds: performance.now() - begun, ...looked });
    } catch (error) {
      // What is wrong with the device ends the run as well; a model without towers, or texts without ids, does not.
      if (!(error instanceof DiagnosticError) || error.diagnostics[0]!.code.startsWith('Z6')) throw error;
      active.blind = true;
      tell({ kind: 'blind', diagnostics: error.diagnostics });
    }
  }

  #failed(active: Active, error: unknown): void {
    if (active.over) return;
    active.over = true;
    active.wish = 'stop';
    active.wake();
    const diagnostics = error instanceof DiagnosticError ? error.diagnostics : undefined;
    const lost = diagnostics?.[0]?.code === 'Z606';
    active.tell({
      kind: 'state',
      state: lost ? 'lost' : 'failed',
      reason: diagnostics ?? (error instanceof Error ? error.message : String(error)),
      ...(lost ? { kept: this.#kept?.step ?? 0 } : {}),
    });
  }

  #wish(wish: Active['wish']): void {
    const active = this.#active;
    if (active === undefined || active.over) return;
    active.wish = wish;
    active.wake();
  }

  /** Ends the run that there is and frees its memory. */
  async #end(): Promise<void> {
    const active = this.#active;
    if (active === undefined) return;
    this.#wish('stop');
    await active.ended;
    this.#active = undefined;
    active.run.close();
  }
}
