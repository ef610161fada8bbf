/** Features, scores and labels that somebody made before, as safetensors: what `zooc evaluate` takes in place of a model. */
import { sameShape } from '../../../compiler/graph/types.ts';
import { fail } from '../../../grammar/diagnostics.ts';
import { elementCount } from '../../../runtime/data/safetensors/header.ts';
import type { Labelled } from '../../../runtime/eval/probe/objective.ts';
import { openSafetensors, type Tensor } from '../../weights/formats/safetensors.ts';

/** Matrix [rows, width]. */
export interface Matrix {
  readonly data: Float32Array;
  readonly rows: number;
  readonly width: number;
}

/** What a tensor may be, as the message says it. */
const kinds = {
  floats: { dtypes: ['F32', 'F16', 'BF16'], words: 'F32' },
  integers: { dtypes: ['I32', 'I64'], words: 'I32 or I64' },
} as const;
type Kind = keyof typeof kinds;

/** Tensors of a file, as far as they are there. */
export class FeatureFile {
  readonly path: string;
  readonly #tensors: ReadonlyMap<string, Tensor>;

  private constructor(path: string, tensors: ReadonlyMap<string, Tensor>) {
    this.path = path;
    this.#tensors = tensors;
  }

  /** @throws DiagnosticError Z41x for what is no such file */
  static async read(path: string): Promise<FeatureFile> {
    const file = await openSafetensors(path);
    try {
      const tensors = new Map<string, Tensor>();
      for (const name of file.infos.keys()) tensors.set(name, await file.read(name));
      return new FeatureFile(path, tensors);
    } finally {
      await file.close();
    }
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** Rows of finite numbers. @throws DiagnosticError Z460 */
  matrix(name: string): Matrix {
    const tensor = this.#tensor(name, 'floats', 2);
    const [rows, width] = tensor.shape as [number, number];
    const data = tensor.data as Float32Array;
    const bad = data.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      this.#refuse(
        `${name}[${Math.floor(bad / width)}, ${bad % width}] is ${data[bad]}, not a finite number`,
      );
    return { data, rows, width };
  }

  /**
   * Integers from 0, below `end`, one for each row of another tensor; [rows, width] where that is asked.
   * @throws DiagnosticError Z460
   */
  integers(name: string, rows: number, end = Number.POSITIVE_INFINITY, width?: number): Int32Array {
    const { data, shape } = this.#tensor(name, 'integers', width === undefined ? 1 : 2);
    const wanted = width === undefined ? [rows] : [rows, width];
    if (!sameShape(shape, wanted))
      this.#refuse(
        `${name} is [${shape.join(', ')}], and [${wanted.join(', ')}] would fit the other tensors`,
      );
    const values = Float64Array.from(data as ArrayLike<number | bigint>, Number);
    const bad = values.findIndex((value) => value < 0 || value >= end);
    if (bad >= 0)
      this.#refuse(
        `${name}: value ${bad} is ${values[bad]}, and they go from 0${end === Number.POSITIVE_INFINITY ? '' : ` to ${end - 1}`}`,
      );
    return Int32Array.from(values);
  }

  /** `features` and `labels`, one for each row. @throws DiagnosticError Z460 */
  labelled(): Labelled {
    const { data, rows, width } = this.matrix('features');
    return { features: data, width, labels: this.integers('labels', rows) };
  }

  #tensor(name: string, kind: Kind, rank: number): Tensor {
    const tensor = this.#tensors.get(name);
    const { dtypes, words } = kinds[kind];
    const axes = rank === 1 ? '[N]' : '[N, D]';
    if (tensor === undefined)
      this.#refuse(
        `there is no tensor ${name}, ${words} ${axes}; it holds ${[...this.#tensors.keys()].join(', ') || 'none'}`,
      );
    const { dtype, shape } = tensor;
    if (shape.length !== rank || !(dtypes as readonly string[]).includes(dtype) || elementCount(shape) === 0)
      this.#refuse(`${name} is ${dtype} [${shape.join(', ')}], not ${words} ${axes} with rows`);
    return tensor;
  }

  #refuse(message: string): never {
    fail('Z460', `${this.path}: ${message}`);
  }
}
