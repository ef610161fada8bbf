/** Recipes trained in process, each run in a folder of its own, and how far two runs are apart. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Recipe } from '../../../compiler/model/types.ts';
import type { Batch, BatchSource, DataCursor } from '../../../runtime/data/types.ts';
import { single } from '../../../runtime/dist/collective.ts';
import { trainRecipe } from '../../../runtime/train/node/train.ts';
import type { MetricsRow } from '../../../runtime/train/types.ts';
import type { Device } from '../../../runtime/types.ts';
import { weightValues } from '../models/training-models.ts';

/** Endless batches, each a function of its number. */
class NumberedSource implements BatchSource {
  readonly #seed: number;
  readonly #batchOf: (number: number) => Batch;
  #at = 0;

  constructor(seed: number, batchOf: (number: number) => Batch) {
    this.#seed = seed;
    this.#batchOf = batchOf;
  }

  async next(): Promise<Batch> {
    return this.#batchOf(this.#at++);
  }

  cursor(): DataCursor {
    return { epoch: 0, batch: this.#at, seed: this.#seed };
  }

  seek({ batch }: DataCursor): void {
    this.#at = batch;
  }

  async close(): Promise<void> {}
}

export interface RunSettings {
  readonly recipe: Recipe;
  /** The reference where there is none. */
  readonly on?: Device;
  readonly batchOf: (number: number) => Batch;
  /** Name of the run. */
  readonly out: string;
  /** Ends before this step, counted from the run's beginning. */
  readonly end: number;
}

export class RecipeRuns {
  readonly #folder = mkdtempSync(join(tmpdir(), 'zooc-runs-'));

  /** Trains up to a step, from the start or on. */
  async train({ recipe, on, batchOf, out, end }: RunSettings): Promise<void> {
    const weights = weightValues(recipe.model);
    await trainRecipe({
      group: single,
      recipe,
      out: join(this.#folder, out),
      executor: on === undefined ? { kind: 'reference' } : { kind: 'device', device: on },
      resume: true,
      steps: end,
      openSource: async () => new NumberedSource(recipe.seed, batchOf),
      files: new Map(),
      initialWeight: async ({ name }) => weights.get(name)!,
      teller: { note: () => {}, warn: () => {}, doing: () => {} },
    });
  }

  rows(out: string): MetricsRow[] {
    const text = readFileSync(join(this.#folder, out, 'metrics.jsonl'), 'utf8');
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  }

  weightsOf(out: string): Buffer {
    return readFileSync(join(this.#folder, out, 'weights.safetensors'));
  }

  /** Largest relative difference of two runs' numbers of a name. */
  apart(a: string, b: string, column = 'loss'): number {
    const others = this.rows(b);
    return Math.max(
      ...this.rows(a).map((row, i) => Math.abs(Number(row[column]) / Number(others[i]![column]) - 1)),
    );
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
