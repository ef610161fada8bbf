/** The same forward by this library and by another one, in turns on the same GPU. */
import { fail } from '../../../grammar/diagnostics.ts';
import { randomKey, randomUnit } from '../../../runtime/data/random.ts';
import { pagePlatform } from '../../../zoo/api/browser/platform.ts';
import * as zooc from '../../../zoo/api/browser.ts';
import { openWeightsInput } from '../../../zoo/api/weights.ts';
import { pictureModel, tracedTowers } from '../../../zoo/export/onnx/towers.ts';
import { onnxBytes, protobufLimit, weightBytes } from '../../../zoo/export/onnx/write-onnx.ts';
import { pictureTower } from '../../../zoo/run/towers/of-model.ts';
import type { LazyTensor } from '../../../zoo/weights/formats/tensor-file.ts';
import type { Opened } from '../opened.ts';
import { type FoundModel, findModel } from '../sources.ts';
import { Incapable, openOther } from './other-library.ts';

export type Compared =
  | { readonly kind: 'emoji' }
  | {
      readonly kind: 'text';
      readonly text: string;
      readonly model: string | undefined;
      readonly settings: zooc.Settings;
    }
  | { readonly kind: 'bundled'; readonly model: string };

export interface CompareRequest {
  readonly of: Compared;
  readonly batch: number;
  readonly repeats: number;
}

export interface Timed {
  /** Milliseconds until the first forward was done: compiling, weights to the device, one run. */
  readonly start: number;
  /** Milliseconds of each repetition, from pictures on the host to features on the host. */
  readonly times: readonly number[];
}

export interface Comparison {
  readonly model: string;
  readonly entry: string;
  /** Parameters of the whole model, and bytes of the export. */
  readonly parameters: number;
  readonly bytes: number;
  /** Of the pictures. */
  readonly shape: readonly number[];
  readonly own: Timed;
  /** Milliseconds in which the export was made. */
  readonly exported: number;
  /** Or why the other library cannot. */
  readonly other: Timed | { readonly reason: string };
  readonly agreement?: {
    /** Largest difference of a number, and the largest number. */
    readonly difference: number;
    readonly largest: number;
    /** The smallest cosine of two features of one picture. */
    readonly cosine: number;
  };
}

/** Runs behind the first that are not counted. */
const warmUps = 2;

/** @throws DiagnosticError Z1xx to Z3xx */
async function modelOf(of: Compared): Promise<FoundModel> {
  if (of.kind === 'emoji') return findModel(of);
  const model = of.kind === 'text' ? zooc.model(of.text, of.settings, of.model) : zooc.model(of.model);
  return { model, weights: { seed: 0 } };
}

/** The picture tower as ONNX. @throws DiagnosticError Z432 for a model that ONNX or one file cannot hold */
async function exported({ model: { model }, weights }: FoundModel): Promise<Uint8Array<ArrayBuffer>> {
  const { pictures } = tracedTowers(model);
  if (pictures === undefined) fail('Z432', `${model.name} makes no features of pictures`);
  const source = await openWeightsInput(pagePlatform(), model, weights);
  try {
    const tensors = new Map<string, LazyTensor>(
      model.weights.map((weight) => {
        const { name, shape } = weight;
        return [name, { name, shape, dtype: 'F32', data: () => source.read(weight) }];
      }),
    );
    const graph = pictureModel(pictures, ['features'], false);
    if (weightBytes(graph, tensors) > protobufLimit)
      fail('Z432', `${model.name} cannot be compared: its picture tower does not fit into one file of ONNX`);
    return await onnxBytes(model.name, graph, tensors);
  } finally {
    await source.close();
  }
}

function agreementOf(a: Float32Array, b: Float32Array, rows: number): NonNullable<Comparison['agreement']> {
  const width = a.length / rows;
  let [difference, largest, cosine] = [0, 0, 1];
  for (let row = 0; row < rows; row++) {
    let [product, one, other] = [0, 0, 0];
    for (let i = row * width; i < (row + 1) * width; i++) {
      const [x, y] = [a[i]!, b[i]!];
      difference = Math.max(difference, Math.abs(x - y));
      largest = Math.max(largest, Math.abs(x));
      product += x * y;
      one += x * x;
      other += y * y;
    }
    cosine = Math.min(cosine, product / Math.sqrt(one * other));
  }
  return { difference, largest, cosine };
}

type Run = () => Promise<Float32Array>;

async function timed(run: Run): Promise<number> {
  const begun = performance.now();
  await run();
  return performance.now() - begun;
}

export class Comparing {
  readonly #opened: Opened;

  constructor(opened: Opened) {
    this.#opened = opened;
  }

  /**
   * @param tell what is being done
   * @throws DiagnosticError Z1xx to Z3xx for the model, Z432 for what has no form in ONNX, Z60x for the device, Z704
   */
  async run({ of, batch, repeats }: CompareRequest, tell: (doing: string) => void): Promise<Comparison> {
    const gpu = await this.#opened.gpu();
    const found = await modelOf(of);
    const { model } = found;
    const { entry, input } = pictureTower(model.model);
    const shape = [batch, ...input.sizes];
    const key = randomKey(0, 'images');
    const size = shape.reduce((a, b) => a * b);
    const images = Float32Array.from({ length: size }, (_, i) => 2 * randomUnit(key, i) - 1);

    tell('zooc: compiling and the first run');
    const begun = performance.now();
    const clip = await gpu.load(model, found.weights);
    const own: Run = async () => {
      const results = await clip.run(entry, { [input.name]: images }, { batch });
      return Object.values(results)[0]!.data as Float32Array;
    };
    try {
      const ours = await own();
      const start = performance.now() - begun;
      tell('the export to ONNX');
      const exporting = performance.now();
      const bytes = await exported(found);
      const facts = {
        ...{ model: model.name, entry, parameters: model.parameters, bytes: bytes.length, shape },
        exported: performance.now() - exporting,
      };
      return {
        ...facts,
        ...(await this.#inTurns({ ours, start, own, bytes, images, shape, repeats }, tell)),
      };
    } finally {
      clip.close();
    }
  }

  async #inTurns(
    side: {
      readonly ours: Float32Array;
      readonly start: number;
      readonly own: Run;
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly images: Float32Array;
      readonly shape: readonly number[];
      readonly repeats: number;
    },
    tell: (doing: string) => void,
  ): Promise<Pick<Comparison, 'own' | 'other' | 'agreement'>> {
    const { ours, start, own, bytes, images, shape, repeats } = side;
    tell('jax-js: compiling and the first run');
    const begun = performance.now();
    let close = () => {};
    try {
      const other = await openOther(bytes, shape);
      close = () => other.close();
      const run: Run = () => other.run(images);
      const theirs = await run();
      const otherStart = performance.now() - begun;
      const times = { own: [] as number[], other: [] as number[] };
      for (let turn = -warmUps; turn < repeats; turn++) {
        tell(turn < 0 ? 'warming up' : `turn ${turn + 1} of ${repeats}`);
        // Each goes first in every other turn.
        const order = turn % 2 === 0 ? (['own', 'other'] as const) : (['other', 'own'] as const);
        for (const which of order) {
          const time = await timed(which === 'own' ? own : run);
          if (turn >= 0) times[which].push(time);
        }
      }
      return {
        own: { start, times: times.own },
        other: { start: otherStart, times: times.other },
        agreement: agreementOf(ours, theirs, shape[0]!),
      };
    } catch (error) {
      if (!(error instanceof Incapable)) throw error;
      const times: number[] = [];
      for (let turn = -warmUps; turn < repeats; turn++) {
        const time = await timed(own);
        if (turn >= 0) times.push(time);
      }
      return { own: { start, times }, other: { reason: error.message } };
    } finally {
      close();
    }
  }
}
