/** The columns that feed a model's inputs, and what of samples they read. */
import type { ModelInput } from '../../../compiler/model/types.ts';
import { elementCount } from '../safetensors/header.ts';
import type { Feeds } from '../types.ts';
import type { Column, Fill } from './columns/column.ts';
import { PictureShelf, type PictureStores } from './columns/pictures.ts';
import type { Row, Rows } from './columns/row.ts';
import type { Failure } from './columns/unreadable.ts';
import type { Decoding } from './sample-options.ts';
import type { SourceContext } from './source-context.ts';

/** An input with what writes a sample's part of it. */
interface Fed {
  readonly input: ModelInput;
  readonly fill: Fill;
  /** Numbers of a sample. */
  readonly length: number;
}

/** A sample whose files are read. */
export interface ReadSample {
  readonly row: Row;
  readonly pictures: readonly Uint8Array[];
}

/** What feeds the inputs of a model from rows. */
export class FedColumns {
  readonly #fed: readonly Fed[];
  readonly #pictures: PictureStores;

  private constructor(fed: readonly Fed[], pictures: PictureStores) {
    this.#fed = fed;
    this.#pictures = pictures;
  }

  /** @throws DiagnosticError where what is at hand does not fit the inputs */
  static async open(
    columns: ReadonlyMap<ModelInput, Column>,
    rows: Rows,
    { seed, normalization, find }: Pick<SourceContext, 'seed' | 'normalization' | 'find'>,
    decoding: Decoding,
  ): Promise<FedColumns> {
    const shelf = new PictureShelf();
    const fed: Fed[] = [];
    for (const [input, column] of columns)
      fed.push({
        input,
        fill: await column.open(rows, { seed, normalization, find, pictures: shelf }),
        length: elementCount(input.sizes),
      });
    return new FedColumns(fed, shelf.open(decoding));
  }

  /** The pictures of a row, or why it cannot be read. */
  async read(index: number, row: Row): Promise<ReadSample | Failure> {
    const pictures = await this.#pictures.get(index, row);
    return 'reason' in pictures ? pictures : { row, pictures };
  }

  /** Writes a sample into its place of a batch. */
  async fill(into: Feeds, place: number, sample: ReadSample, epoch: number, index: number): Promise<void> {
    for (const { input, fill, length } of this.#fed) {
      const part = into.get(input.name)!.subarray(place * length, (place + 1) * length);
      await fill(part, { epoch, index, ...sample });
    }
  }

  close(): Promise<void> {
    return this.#pictures.close();
  }
}

/** A sample of some pass over a source, or why it cannot be read. */
export interface Sampled {
  readonly epoch: number;
  readonly index: number;
  readonly sample: ReadSample | Failure;
  /** Whether a failure was met, and counted, before. */
  readonly known?: boolean;
}
