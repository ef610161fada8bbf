/**
 * Kernels by their text: WGSL is translated to a JavaScript function (translate.ts), kept while it is used, and run over views of
 * memory.
 */
import { roundToHalf } from '../../../compiler/graph/half.ts';
import { narrowF16, widenF16 } from '../../../runtime/data/safetensors/half.ts';
import { Translator } from './translate.ts';

type Run = (
  buffers: readonly ArrayBufferView[],
  groups: readonly [number, number, number],
  backwards: boolean,
) => void;

interface Kernel {
  readonly run: Run;
  readonly elements: readonly string[];
}

const kernels = new Map<string, Kernel>();
/** Distinct kernels that are kept: half of all occur once. */
const mostKernels = 3000;

const widen = widenF16(Uint16Array.from({ length: 65536 }, (_, i) => i));
const one = new Float32Array(1);

function narrow(value: number): number {
  one[0] = value;
  return narrowF16(one)[0]!;
}

const oneBits = new Uint32Array(one.buffer);

function bits(value: number): number {
  one[0] = value;
  return oneBits[0]!;
}

function ofBits(value: number): number {
  oneBits[0] = value;
  return one[0]!;
}

function inside(index: number, length: number): number {
  if (!(index < length)) throw new Error(`a store at ${index}, outside of ${length} elements`);
  return index;
}

function pow(x: number, y: number): number {
  return x < 0 ? Number.NaN : x ** y;
}

function loadMatrix(
  tile: Float32Array,
  at: number,
  stride: number,
  rowMajor: boolean,
  rows: number,
  columns: number,
): Float32Array {
  const matrix = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      matrix[r * columns + c] = tile[at + (rowMajor ? r * stride + c : c * stride + r)]!;
  return matrix;
}

function storeMatrix(
  tile: Float32Array,
  at: number,
  stride: number,
  rowMajor: boolean,
  matrix: Float32Array,
  rows: number,
  columns: number,
): void {
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      tile[inside(at + (rowMajor ? r * stride + c : c * stride + r), tile.length)] = matrix[r * columns + c]!;
}

function multiplyAdd(
  a: Float32Array,
  b: Float32Array,
  c: Float32Array,
  rows: number,
  columns: number,
  inner: number,
): Float32Array {
  const sum = Float32Array.from(c);
  for (let r = 0; r < rows; r++)
    for (let n = 0; n < columns; n++) {
      let total = c[r * columns + n]!;
      for (let k = 0; k < inner; k++) total += a[r * inner + k]! * b[k * columns + n]!;
      sum[r * columns + n] = total;
    }
  return sum;
}

const helpers = {
  F: Math.fround,
  H: roundToHalf,
  widen,
  narrow,
  bits,
  ofBits,
  inside,
  pow,
  loadMatrix,
  storeMatrix,
  multiplyAdd,
};

/** @param subgroup invocations of a subgroup */
function kernelOf(wgsl: string, subgroup: number): Kernel {
  const known = kernels.get(wgsl);
  if (known !== undefined) return known;
  const translator = new Translator(wgsl, subgroup);
  const run = new Function(...Object.keys(helpers), translator.text())(...Object.values(helpers)) as Run;
  const kernel = { run, elements: translator.elements() };
  if (kernels.size >= mostKernels) kernels.delete(kernels.keys().next().value!);
  kernels.set(wgsl, kernel);
  return kernel;
}

const views = { f32: Float32Array, f16: Uint16Array, i32: Int32Array, u32: Uint32Array } as const;

/** Memory of one binding: bytes of a buffer. */
export interface Bound {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
  readonly size: number;
}

/**
 * Runs every invocation of a kernel; stores outside of a binding and barriers that only some reach are errors with the text.
 * @param bindings by number
 * @param subgroup invocations of a subgroup
 * @param backwards the order of workgroups and invocations, which must not matter
 */
export function runKernel(
  wgsl: string,
  bindings: readonly Bound[],
  workgroups: readonly [number, number, number],
  { subgroup, backwards, label }: { subgroup: number; backwards: boolean; label: string },
): void {
  try {
    const kernel = kernelOf(wgsl, subgroup);
    const bound = bindings.map(({ buffer, offset, size }, i) => {
      const View = views[kernel.elements[i] as 'f32'];
      return new View(buffer, offset, size / View.BYTES_PER_ELEMENT);
    });
    kernel.run(bound, workgroups, backwards);
  } catch (error) {
    throw new Error(`${label}: ${(error as Error).message}\n${wgsl}`);
  }
}
