/**
 * One of our tensors under the names of a map, transposed and cut as its rule says: the way out of what
 * `zoo/weights/naming.ts` undoes on the way in.
 */
import type { MappedName } from '../../../compiler/model/index.ts';
import type { TensorData } from '../../weights/formats/safetensors.ts';
import type { LazyTensor } from '../../weights/formats/tensor-file.ts';

function transposed(values: Float32Array, [rows, columns]: readonly [number, number]): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c]!;
  return out;
}

/** Part `index` of `count` along an axis. */
function part(
  values: Float32Array,
  shape: readonly number[],
  axis: number,
  index: number,
  count: number,
): Float32Array {
  const run = shape.slice(axis).reduce((a, b) => a * b, 1);
  const length = run / count;
  const out = new Float32Array(values.length / count);
  for (let from = index * length, to = 0; to < out.length; from += run, to += length)
    out.set(values.subarray(from, from + length), to);
  return out;
}

interface Step {
  readonly shape: readonly number[];
  apply(values: Float32Array, index: number): Float32Array;
}

/**
 * What a rule does to a tensor of this shape; in the order written, since each works
 * on what the last one gave.
 */
function stepsOf({ ours, theirs, transforms }: MappedName, shape: readonly number[]): Step[] {
  const steps: Step[] = [];
  let before = shape;
  for (const transform of transforms) {
    const now = before;
    if (transform.kind === 'transpose') {
      if (now.length !== 2) throw new Error(`${ours}: transpose needs two axes, not [${now.join(', ')}]`);
      const [rows, columns] = now as readonly [number, number];
      steps.push({ shape: [columns, rows], apply: (values) => transposed(values, [rows, columns]) });
    } else {
      const { axis } = transform;
      const size = now[axis] ?? 0;
      if (size === 0 || size % theirs.length !== 0)
        throw new Error(`${ours}: axis ${axis} of [${now.join(', ')}] has no ${theirs.length} equal parts`);
      steps.push({
        shape: now.map((n, i) => (i === axis ? n / theirs.length : n)),
        apply: (values, index) => part(values, now, axis, index, theirs.length),
      });
    }
    before = steps.at(-1)!.shape;
  }
  return steps;
}

/**
 * One of our tensors as those that a name map makes of it. A tensor cut into several is
 * read once for all of them.
 */
export function mapTensor(tensor: LazyTensor, mapped: MappedName): LazyTensor[] {
  const steps = stepsOf(mapped, tensor.shape);
  const shape = steps.at(-1)?.shape ?? tensor.shape;
  const count = mapped.theirs.length;
  let whole: Promise<TensorData> | undefined;
  let taken = 0;
  return mapped.theirs.map((name, index) => ({
    name,
    dtype: tensor.dtype,
    shape,
    async data() {
      whole ??= tensor.data();
      const values = await whole;
      // The last part lets go of the whole, so that memory holds one weight at a time.
      if (++taken % count === 0) whole = undefined;
      if (steps.length === 0) return values;
      if (!(values instanceof Float32Array))
        throw new Error(`${tensor.name}: only real tensors are transformed`);
      return steps.reduce((v, step) => step.apply(v, index), values);
    },
  }));
}
