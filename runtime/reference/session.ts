/**
 * The f64 reference as an executor: runs a graph with every op's own plain rule, and trains with AdamW in f64.
 *
 * Hundreds of times slower than a device and right to 1e-15: goldens and devices are judged by it.
 */
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import type { Batch } from '../data/types.ts';
import { movedBuffers } from '../train/counters.ts';
import { firstMoment, secondMoment } from '../train/session.ts';
import type {
  StateArray,
  StateInfo,
  StepHyper,
  StepResult,
  TrainSession,
  UpdateSettings,
} from '../train/types.ts';
import { type AdamState, adamwStep, clampWeight, clipFactor, globalNorm } from './adamw.ts';

/** A weight as the reference needs to know it. */
export interface ReferenceWeight {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The shapes of a graph's inputs, by name. */
export function inputShapes(graph: Graph): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const node of graph.nodes)
    if (node.op === 'input') shapes.set(node.attrs.name, node.type.shape as readonly number[]);
  return shapes;
}

export function toReference(shape: readonly number[], data: ArrayLike<number>): RefTensor {
  return { shape, data: Float64Array.from(data) };
}

/** Trains the graph of entry `loss` in f64. */
export class ReferenceTrainSession implements TrainSession {
  readonly state: readonly StateInfo[];
  readonly #graph: Graph;
  readonly #inputs: ReadonlyMap<string, readonly number[]>;
  readonly #settings: UpdateSettings;
  readonly #values = new Map<string, Float64Array>();
  readonly #weights: readonly ReferenceWeight[];

  /** @param graph entry `loss` with numeric shapes, without gradients */
  constructor(graph: Graph, weights: readonly ReferenceWeight[], settings: UpdateSettings) {
    const trained = weights.filter((w) => settings.trainable.includes(w.name));
    this.#graph = differentiate(graph, { loss: 'loss', wrt: trained });
    this.#inputs = inputShapes(graph);
    this.#settings = settings;
    this.#weights = weights;
    this.state = weights.flatMap(({ name, shape }) => {
      const names = trained.some((w) => w.name === name)
        ? [name, firstMoment + name, secondMoment + name]
        : [name];
      return names.map((n): StateInfo => ({ name: n, shape, dtype: 'F64' }));
    });
    for (const { name, shape } of this.state)
      this.#values.set(name, new Float64Array(shape.reduce((a, b) => a * b, 1)));
  }

  async step(batch: Batch, hyper: StepHyper): Promise<StepResult> {
    const fed: Record<string, ArrayLike<number>> = { images: batch.images, tokens: batch.tokens };
    const outputs = executeReference(this.#graph, {
      inputs: new Map([...this.#inputs].map(([name, shape]) => [name, toReference(shape, fed[name]!)])),
      params: new Map(
        this.#weights.map(({ name, shape }) => [name, { shape, data: this.#values.get(name)! }]),
      ),
    });
    const gradient = (name: string): Float64Array => outputs.get(`grad.${name}`)!.data;
    const { trainable, clamps } = this.#settings;
    const gradNorm = globalNorm(trainable.map(gradient));
    const scale = clipFactor(gradNorm, hyper.clipNorm);
    for (const name of trainable) adamwStep(this.#adam(name), gradient(name), scale, hyper, this.#settings);
    for (const name of movedBuffers(this.#graph))
      this.#values.get(name)!.set(outputs.get(`buffer.${name}`)!.data);
    for (const { weight, min, max } of clamps) clampWeight(this.#values.get(weight)!, min, max);
    const logitScale = this.#values.get('logit_scale')?.[0];
    const loss = outputs.get('loss')!.data[0]!;
    return { loss, gradNorm, ...(logitScale === undefined ? {} : { logitScale }) };
  }

  async readState(name: string): Promise<StateArray> {
    return this.#find(name).slice();
  }

  writeState(name: string, data: StateArray): void {
    this.#find(name).set(data);
  }

  close(): void {
    this.#values.clear();
  }

  #find(name: string): Float64Array {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`the reference has no ${name}`);
    return value;
  }

  #adam(name: string): AdamState {
    const dims = this.#weights.find((w) => w.name === name)!.shape.length;
    return {
      weight: this.#find(name),
      m: this.#find(firstMoment + name),
      v: this.#find(secondMoment + name),
      dims,
    };
  }
}
