/** Pictures to features, a fixed number at a time, so that a picture's bits do not depend on its neighbours. */
import type { Graph } from '../../../compiler/graph/types.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { fail } from '../../../grammar/diagnostics.ts';
import { reasonOf } from '../../../runtime/data/files/atomic.ts';
import type { DataFile } from '../../../runtime/data/files/data-file.ts';
import { loadImage, makeNormalizer, type Normalizer } from '../../../runtime/data/pictures/images.ts';
import { joinedFloats } from '../../../runtime/joined.ts';
import type { Executor } from '../../run/devices.ts';
import { pictureTower } from '../../run/encoder.ts';
import { openEntry, type ReadyEntry } from '../../run/entry.ts';
import { finiteWeights, type WeightSource } from '../../weights/source.ts';
import { firstNotFinite } from '../../weights/tensors/finite.ts';
import { penultimate, withPenultimate } from './penultimate.ts';

/** Pictures that are encoded together, where nobody says otherwise. */
const usualRows = 64;

export interface PictureSettings {
  readonly maxPixels?: number;
  /** Pictures that are encoded together. */
  readonly rows?: number;
  /** Changes what is computed; then there is no feature before the projection. */
  readonly extend?: (graph: Graph) => Graph;
}

export interface PictureFeatures {
  /** As the entry gives them, [n, E]. */
  readonly features: Float32Array;
  /** Before the projection, [n, W]; the same as `features` where there is none. */
  readonly penultimate: Float32Array;
  /** Why pictures could not be read, by their place; their rows are zeros. */
  readonly unreadable: ReadonlyMap<number, string>;
}

export interface Named {
  readonly name: string;
  readonly file: DataFile;
}

export class PictureEncoder {
  readonly #entry: ReadyEntry;
  readonly #input: string;
  readonly #side: number;
  readonly #normalize: Normalizer;
  readonly #maxPixels: number | undefined;
  readonly #together: number;

  private constructor(
    entry: ReadyEntry,
    input: string,
    side: number,
    model: Model,
    { maxPixels, rows = usualRows }: PictureSettings,
  ) {
    this.#entry = entry;
    this.#together = rows;
    this.#input = input;
    this.#side = side;
    this.#normalize = makeNormalizer(model.normalization);
    this.#maxPixels = maxPixels;
  }

  /** @throws DiagnosticError Z435, Z704 */
  static async open(
    executor: Executor,
    model: Model,
    weights: WeightSource,
    settings: PictureSettings,
  ): Promise<PictureEncoder> {
    const { entry, input } = pictureTower(model);
    const ready = await openEntry(executor, model, finiteWeights(weights), {
      entry,
      batch: settings.rows ?? usualRows,
      mode: 'eval',
      gradients: false,
      extend: settings.extend ?? withPenultimate,
    });
    return new PictureEncoder(ready, input.name, input.sizes[1]!, model, settings);
  }

  /**
   * @param picture of each place; what it throws is the reason why that one is left out
   * @throws DiagnosticError Z435 for features that are not finite
   */
  async encode(count: number, picture: (place: number) => Promise<Named>): Promise<PictureFeatures> {
    const unreadable = new Map<number, string>();
    const together = this.#together;
    const load = (first: number) => this.#load(first, Math.min(together, count - first), picture, unreadable);
    const parts: { features: Float32Array; penultimate: Float32Array }[] = [];
    let next = load(0);
    for (let first = 0; first < count; first += together) {
      const values = await next;
      // The next pictures are decoded while the device computes.
      next = first + together < count ? load(first + together) : next;
      next.catch(() => {});
      const results = await this.#entry.run(new Map([[this.#input, values]]));
      const rows = Math.min(together, count - first);
      const output = [...results.keys()].find((name) => name !== penultimate);
      const part = (name: string) => {
        const { data, shape } = results.get(name)!;
        const own = (data as Float32Array).slice(0, rows * shape[1]!);
        for (const [place] of unreadable)
          if (place >= first && place < first + rows)
            own.fill(0, (place - first) * shape[1]!, (place - first + 1) * shape[1]!);
        return { own, width: shape[1]! };
      };
      const { own, width } = part(output!);
      const bad = firstNotFinite(own);
      if (bad >= 0) {
        const { name } = await picture(first + Math.floor(bad / width));
        fail('Z435', `${output} of ${name} is not finite: value ${bad % width} is ${own[bad]}`);
      }
      parts.push({ features: own, penultimate: results.has(penultimate) ? part(penultimate).own : own });
    }
    return {
      features: joinedFloats(parts.map(({ features }) => features)),
      penultimate: joinedFloats(parts.map((part) => part.penultimate)),
      unreadable,
    };
  }

  async #load(
    first: number,
    rows: number,
    picture: (place: number) => Promise<Named>,
    unreadable: Map<number, string>,
  ): Promise<Float32Array> {
    const size = 3 * this.#side ** 2;
    const values = new Float32Array(this.#together * size);
    const fit = {
      size: this.#side,
      ...(this.#maxPixels === undefined ? {} : { maxPixels: this.#maxPixels }),
    };
    const read = async (i: number): Promise<void> => {
      try {
        const { file } = await picture(first + i);
        values.set(await loadImage(file, fit, this.#normalize), i * size);
      } catch (error) {
        unreadable.set(first + i, reasonOf(error));
      }
    };
    await Promise.all(Array.from({ length: rows }, (_, i) => read(i)));
    return values;
  }

  close(): void {
    this.#entry.close();
  }
}
