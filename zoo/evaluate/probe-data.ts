/**
 * The data of a linear probe where they are computed best: small ones on the host in double precision, large ones on
 * the device in blocks of rows.
 */
import { compileGraph } from '../../compiler/compile.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { type Graph, gradientPrefix } from '../../compiler/graph/types.ts';
import { Expressions } from '../../compiler/ops/expressions.ts';
import { hostData, type Labelled, type ProbeData, weightRows } from '../../runtime/eval/probe/objective.ts';
import type { Device, Session } from '../../runtime/types.ts';

/** Products up to which the host is as quick as a device, with the way there: some tens of milliseconds. */
export const hostProducts = 2 ** 24;

/** Elements of a block's features, and of its scores. */
const blockElements = 2 ** 25;

/** Products of one evaluation of the objective. */
function probeProducts(rows: number, width: number, classes: number): number {
  return rows * width * weightRows(classes);
}

interface Sizes {
  readonly rows: number;
  readonly width: number;
  readonly classes: number;
}

/** Σ nll of a block and its gradient; rows of weight 0 are none. */
function probeGraph({ rows, width, classes }: Sizes): Graph {
  const b = createBuilder();
  const e = new Expressions(b);
  const k = weightRows(classes);
  const input = (name: string, shape: readonly number[], dtype: 'f32' | 'i32' = 'f32') =>
    b.add('input', [], { name, dtype, shape });
  const features = input('features', [rows, width]);
  const labels = input('labels', [rows], 'i32');
  const counts = input('counts', [rows]);
  const weights = input('weights', [k, width]);
  const bias = input('bias', [k]);
  const own = e.add(e.matmul(features, weights, false, true), bias);
  // Of two classes the first one's score is 0.
  const zeros = () => b.add('constant', [], { value: 0, dtype: 'f32', shape: [rows, classes - k] });
  const scores = k === classes ? own : b.add('concat', [zeros(), own], { axis: 1 });
  const chosen = b.add('take', [b.add('log_softmax', [scores], {}), labels], { axis: 1 });
  const nll = e.mul(e.neg(chosen), counts);
  return b.finish([
    { name: 'loss', node: e.sum(nll, [0]) },
    { name: 'nll', node: nll },
  ]);
}

/**
 * How a probe of so many rows is cut into blocks of equal length.
 * @param most elements of a block's features, and of its scores
 */
export function probeBlocks(
  { rows, width, classes }: Sizes,
  most = blockElements,
): { readonly blocks: number; readonly rows: number } {
  const blocks = Math.ceil(rows / Math.max(1, Math.floor(most / Math.max(width, classes))));
  return { blocks, rows: Math.ceil(rows / blocks) };
}

/** The plan of a block. */
export function planProbe(block: Sizes, { profile }: Pick<Device, 'profile'>) {
  return compileGraph(probeGraph(block), {
    model: 'linear probe',
    entry: 'loss',
    batch: block.rows,
    mode: 'eval',
    profile,
    gradients: ['weights', 'bias'],
  });
}

/** Blocks of rows on a device, one after the other; what they give is summed in double precision. */
export class DeviceProbe implements ProbeData {
  readonly width: number;
  readonly classes: number;
  // Values of single rows are rounded to 6e-8 of themselves; their sum, in double precision, to less.
  readonly precision = 1e-8;
  readonly #data: Labelled;
  readonly #session: Session;
  readonly #blocks: ReturnType<typeof probeBlocks>;
  /** The block whose rows the device has. */
  #written = -1;

  private constructor(
    data: Labelled,
    classes: number,
    session: Session,
    blocks: ReturnType<typeof probeBlocks>,
  ) {
    this.width = data.width;
    this.classes = classes;
    this.#data = data;
    this.#session = session;
    this.#blocks = blocks;
  }

  /** @param most elements of a block */
  static async open(device: Device, data: Labelled, classes: number, most?: number): Promise<DeviceProbe> {
    const sizes = { rows: data.labels.length, width: data.width, classes };
    const blocks = probeBlocks(sizes, most);
    const plan = planProbe({ ...sizes, rows: blocks.rows }, device);
    return new DeviceProbe(data, classes, await device.open(plan), blocks);
  }

  async evaluate(parameters: Float64Array) {
    const k = weightRows(this.classes);
    const values = Float32Array.from(parameters);
    const session = this.#session;
    session.writeInput('weights', values.subarray(0, k * this.width));
    session.writeInput('bias', values.subarray(k * this.width));
    const gradient = new Float64Array(parameters.length);
    let value = 0;
    for (let block = 0; block < this.#blocks.blocks; block++) {
      this.#write(block);
      session.run();
      for (const nll of await session.read('nll')) value += nll;
      const add = async (name: string, at: number) => {
        const part = await session.read(gradientPrefix + name);
        for (const [i, g] of part.entries()) gradient[at + i]! += g;
      };
      await add('weights', 0);
      await add('bias', k * this.width);
    }
    return { value, gradient };
  }

  #write(block: number): void {
    if (this.#written === block) return;
    const { rows } = this.#blocks;
    const { features, labels, width } = this.#data;
    const first = block * rows;
    const own = labels.subarray(first, first + rows);
    const filled = <T extends Float32Array | Int32Array>(array: T, from: T): T => {
      if (from.length === array.length) return from;
      array.set(from);
      return array;
    };
    const session = this.#session;
    session.writeInput(
      'features',
      filled(new Float32Array(rows * width), features.subarray(first * width, (first + rows) * width)),
    );
    session.writeInput('labels', filled(new Int32Array(rows), own));
    session.writeInput('counts', new Float32Array(rows).fill(1, 0, own.length));
    this.#written = block;
  }

  close(): void {
    this.#session.close();
  }
}

/** Opens the device when it is needed; none where everything is computed in double precision. */
export type OpenDevice = () => Promise<Device | undefined>;

export async function openProbeData(data: Labelled, classes: number, device: OpenDevice): Promise<ProbeData> {
  const small = probeProducts(data.labels.length, data.width, classes) <= hostProducts;
  const opened = small ? undefined : await device();
  return opened === undefined ? hostData(data, classes) : DeviceProbe.open(opened, data, classes);
}
