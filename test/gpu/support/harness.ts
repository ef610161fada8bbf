/**
 * Runs single operations on a real WebGPU adapter (a software one is enough) and compares them with the f64
 * reference.
 *
 * A minimal `LowerContext` collects the kernels of one node whose inputs are strided views prepared by the
 * test; each storage gets a buffer of its own, so a kernel is checked before any planning. Guard values
 * behind every result show writes out of bounds. Where no adapter can be had, tests are skipped (`needs.ts`).
 */
import { create, globals } from 'webgpu';
import { alignUp } from '../../../compiler/graph/dims.ts';
import type { DType, Node, NodeOf, TensorType } from '../../../compiler/graph/types.ts';
import { numericShape, sizeOf } from '../../../compiler/graph/types.ts';
import type { Kernel, Lower, LowerContext } from '../../../compiler/kernels/text/kernel.ts';
import { elementBytes } from '../../../compiler/kernels/text/memory.ts';
import {
  denseStrides,
  denseView,
  isDense,
  type Storage,
  type View,
} from '../../../compiler/kernels/text/view.ts';
import { bindingStart } from '../../../compiler/kernels/text/windows.ts';
import type { InputsOf, OpAttributes, OpName } from '../../../compiler/ops/attributes.ts';
import {
  type DeviceKind,
  type DeviceProfile,
  discreteProfile,
  lavapipeProfile,
  subgroupMatrixFeature,
  subgroupSizeFeature,
} from '../../../compiler/profile.ts';
import { narrowF16, widenF16 } from '../../../runtime/data/safetensors/half.ts';
import { prepareProcess } from '../../../runtime/node/gpu.ts';
import { skipFor } from '../../support/needs.ts';
import { runKernelsByText, type TextRunner } from './by-text.ts';
import { Memory, moduleText, type Values } from './memory.ts';

prepareProcess();
Object.assign(globalThis, globals);

export interface TestGpu {
  /** Kept reachable while the device is used: Dawn's bindings need it. */
  readonly gpu: GPU;
  /** By text: software adapters compile for seconds. */
  readonly pipelines: Map<string, GPUComputePipeline>;
  readonly device: GPUDevice;
  readonly timestamps: boolean;
  readonly info: GPUAdapterInfo;
}

let opened: Promise<TestGpu | undefined> | undefined;

/**
 * The adapter of this test process; undefined where tests that need one may be skipped (said once on stderr).
 */
export function openGpu(): Promise<TestGpu | undefined> {
  opened ??= open();
  return opened;
}

async function open(): Promise<TestGpu | undefined> {
  const gpu = create(['enable-dawn-features=allow_unsafe_apis']);
  const adapter = await gpu.requestAdapter();
  if (adapter === null) return skipFor('no WebGPU adapter');
  const timestamps = adapter.features.has('timestamp-query');
  const wanted = ['timestamp-query', 'shader-f16', 'subgroups', subgroupSizeFeature, subgroupMatrixFeature];
  const device = await adapter.requestDevice({
    requiredFeatures: wanted.filter((name) => adapter.features.has(name)) as GPUFeatureName[],
    requiredLimits: {
      maxBufferSize: adapter.limits.maxBufferSize,
      maxStorageBufferBindingSize: adapter.limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: adapter.limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: adapter.limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: adapter.limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: adapter.limits.maxComputeWorkgroupSizeX,
    },
  });
  return { gpu, pipelines: new Map(), device, timestamps, info: adapter.info };
}

/** The schedules of a device kind within the limits every adapter of these tests has. */
export function profileOf(kind: DeviceKind, limits: Partial<DeviceProfile['limits']> = {}): DeviceProfile {
  const base = kind === 'cpu' ? lavapipeProfile : discreteProfile;
  const { maxStorageBufferBindingSize } = lavapipeProfile.limits;
  return { ...base, limits: { ...base.limits, maxStorageBufferBindingSize, ...limits } };
}

/** Bytes behind every storage, and what each of them holds. */
const GUARD = 256;
const GUARD_BITS = 0x5a;

interface Prepared {
  readonly device: GPUDevice;
  readonly buffers: Map<Storage, GPUBuffer>;
  readonly dispatches: { pipeline: GPUComputePipeline; group: GPUBindGroup; kernel: Kernel }[];
}

/** Uploads the memory and makes pipelines; WGSL errors are thrown with the text. */
async function prepare(gpu: TestGpu, kernels: readonly Kernel[], memory: Memory): Promise<Prepared> {
  const { device } = gpu;
  const buffers = new Map<Storage, GPUBuffer>();
  for (const [storage, values] of memory.contents) {
    const stored = storage.dtype === 'f16' ? narrowF16(values as Float32Array) : values;
    const size = alignUp(stored.byteLength + GUARD, 16);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const buffer = device.createBuffer({ size, usage });
    const bytes = new Uint8Array(size).fill(GUARD_BITS);
    bytes.set(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
    device.queue.writeBuffer(buffer, 0, bytes);
    buffers.set(storage, buffer);
  }
  const dispatches: Prepared['dispatches'] = [];
  for (const kernel of kernels) {
    const code = moduleText(kernel);
    device.pushErrorScope('validation');
    const pipeline =
      gpu.pipelines.get(code) ??
      device.createComputePipeline({
        layout: 'auto',
        compute: { module: device.createShaderModule({ code }) },
      });
    const group = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: kernel.args.map(({ storage, window }, binding) => {
        const buffer = buffers.get(storage)!;
        const bytes = elementBytes(storage);
        const range =
          window === undefined ? {} : { offset: bytes * window.start, size: bytes * window.elements };
        return { binding, resource: { buffer, ...range } };
      }),
    });
    const error = await device.popErrorScope();
    if (error !== null) throw new Error(`${kernel.name}: ${error.message}\n${code}`);
    gpu.pipelines.set(code, pipeline);
    dispatches.push({ pipeline, group, kernel });
  }
  return { device, buffers, dispatches };
}

/**
 * Runs the kernels in order and returns the contents of one storage; throws where guards were overwritten.
 */
export async function runKernels(
  gpu: TestGpu,
  kernels: readonly Kernel[],
  memory: Memory,
  results: readonly Storage[],
): Promise<Values[]> {
  const { device, buffers, dispatches } = await prepare(gpu, kernels, memory);
  device.pushErrorScope('validation');
  const encoder = device.createCommandEncoder();
  for (const { pipeline, group, kernel } of dispatches) {
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...kernel.workgroups);
    pass.end();
  }
  const staging = results.map((storage) => {
    const source = buffers.get(storage)!;
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const buffer = device.createBuffer({ size: source.size, usage });
    encoder.copyBufferToBuffer(source, 0, buffer, 0, source.size);
    return buffer;
  });
  device.queue.submit([encoder.finish()]);
  const values: Values[] = [];
  for (const [i, buffer] of staging.entries()) {
    await buffer.mapAsync(GPUMapMode.READ);
    values.push(read(buffer, results[i]!));
    buffer.destroy();
  }
  const error = await device.popErrorScope();
  for (const buffer of buffers.values()) buffer.destroy();
  if (error !== null) throw new Error(error.message);
  return values;
}

function read(buffer: GPUBuffer, storage: Storage): Values {
  const bytes = buffer.getMappedRange().slice(0);
  const end = elementBytes(storage) * storage.elements;
  if (new Uint8Array(bytes, end, GUARD).some((v) => v !== GUARD_BITS))
    throw new Error(`wrote behind the end of ${storage.label}`);
  if (storage.dtype === 'f16') return widenF16(new Uint16Array(bytes, 0, storage.elements));
  return storage.dtype === 'i32'
    ? new Int32Array(bytes, 0, storage.elements)
    : new Float32Array(bytes, 0, storage.elements);
}

/** How a test input lies in memory. */
export interface Layout {
  /** Physical order of the axes, outermost first; default as they are. */
  readonly order?: readonly number[];
  /** Elements before and behind along each axis, as if it were a slice of something larger. */
  readonly before?: readonly number[];
  readonly after?: readonly number[];
  /** Axes that repeat (stride 0); the data must be constant along them. */
  readonly repeat?: readonly number[];
}

export interface TestInput {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  readonly dtype?: DType;
  readonly layout?: Layout;
  /** Inputs of equal `share` lie in one storage, one after the other (64-element aligned). */
  readonly share?: string;
}

interface Placed {
  readonly elements: number;
  readonly strides: readonly number[];
  readonly offset: number;
}

function place(input: TestInput): Placed {
  const { shape, layout = {} } = input;
  const order = layout.order ?? shape.map((_, axis) => axis);
  const repeats = (axis: number) => layout.repeat?.includes(axis) ?? false;
  const outer = shape.map((n, axis) =>
    repeats(axis) ? 1 : n + (layout.before?.[axis] ?? 0) + (layout.after?.[axis] ?? 0),
  );
  const dense = denseStrides(order.map((axis) => outer[axis]!));
  const strides = shape.map((_, axis) => (repeats(axis) ? 0 : dense[order.indexOf(axis)]!));
  const offset = shape.reduce((sum, _, axis) => sum + (layout.before?.[axis] ?? 0) * strides[axis]!, 0);
  return { elements: sizeOf(outer), strides, offset };
}

/** Calls `visit` with the row-major number and the place of every element of a view. */
function forEachElement(view: Omit<View, 'storage'>, visit: (number: number, place: number) => void): void {
  const { shape, strides, offset } = view;
  const total = sizeOf(shape);
  const at = new Array<number>(shape.length).fill(0);
  for (let i = 0; i < total; i++) {
    visit(
      i,
      at.reduce((sum, c, axis) => sum + c * strides[axis]!, offset),
    );
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at[axis]! += 1;
      if (at[axis]! < shape[axis]!) break;
      at[axis] = 0;
    }
  }
}

/** Places the inputs in memory and returns their views; gaps hold large garbage. */
function placeInputs(memory: Memory, inputs: readonly TestInput[]): View[] {
  const groups = new Map<string, { starts: Map<number, number>; elements: number }>();
  inputs.forEach((input, i) => {
    const key = input.share ?? `#${i}`;
    const group = groups.get(key) ?? { starts: new Map(), elements: 0 };
    group.starts.set(i, group.elements);
    group.elements = alignUp(group.elements + place(input).elements, bindingStart);
    groups.set(key, group);
  });
  const views: View[] = [];
  for (const [key, { starts, elements }] of groups) {
    const dtype = inputs[[...starts.keys()][0]!]!.dtype ?? 'f32';
    const exact = starts.size === 1 ? place(inputs[[...starts.keys()][0]!]!).elements : elements;
    const values = dtype === 'i32' ? new Int32Array(exact).fill(-77) : new Float32Array(exact).fill(1e30);
    const storage = memory.storage(values, key, dtype);
    for (const [i, start] of starts) {
      const { shape, data } = inputs[i]!;
      const { strides, offset } = place(inputs[i]!);
      const view: View = { storage, shape, strides, offset: offset + start };
      forEachElement(view, (number, at) => {
        values[at] = data[number]!;
      });
      views[i] = view;
    }
  }
  return views;
}

/** The elements of a view in row-major order. */
export function gather(view: View, values: Values): Float64Array {
  const out = new Float64Array(sizeOf(view.shape));
  forEachElement(view, (number, at) => {
    out[number] = values[at]!;
  });
  return out;
}

export interface Lowered {
  readonly kernels: Kernel[];
  readonly memory: Memory;
  readonly result: View;
}

/** Lowers one node over prepared inputs. `dense` and `rows` gather on the host, as copy kernels would. */
export function lowerOne<K extends OpName>(
  lower: Lower<K>,
  op: K,
  attrs: OpAttributes[K],
  inputs: readonly TestInput[],
  type: TensorType,
  profile: DeviceProfile,
): Lowered {
  const memory = new Memory();
  const views = placeInputs(memory, inputs);
  const leaves = inputs.map((input, id): Node => {
    const dtype = input.dtype ?? 'f32';
    const { shape } = input;
    const leaf: NodeOf<'input'> = {
      id,
      op: 'input',
      inputs: [],
      attrs: { name: `x${id}`, dtype, shape },
      type: { dtype, shape },
      origin: { path: 'test' },
    };
    return leaf;
  });
  const node: NodeOf<K> = {
    id: inputs.length,
    op,
    inputs: inputs.map((_, i) => i) as readonly number[] as InputsOf<K, number>,
    attrs,
    type,
    origin: { path: 'test' },
  };
  const nodes = [...leaves, node as unknown as Node];
  const kernels: Kernel[] = [];
  let result: View | undefined;
  const dense = (id: number): View => {
    const view = views[id]!;
    if (isDense(view)) return view;
    const values = gather(view, memory.contents.get(view.storage)!);
    const typed = view.storage.dtype === 'i32' ? Int32Array.from(values) : Float32Array.from(values);
    return denseView(memory.storage(typed, `copy of input ${id}`, view.storage.dtype), view.shape);
  };
  const context: LowerContext = {
    profile,
    node: (id) => nodes[id]!,
    view: (id) => views[id]!,
    dense,
    rows(id, axis) {
      const view = views[id]!;
      const inner = denseStrides(view.shape);
      const fits = view.shape.every((n, a) => a < axis || n === 1 || view.strides[a] === inner[a]);
      return fits ? view : dense(id);
    },
    result(of, strides) {
      const shape = numericShape(of.type);
      const storage = memory.scratch(sizeOf(shape), of.type.dtype, 'result');
      result = { storage, shape, strides: strides ?? denseStrides(shape), offset: 0 };
      return result;
    },
    scratch: (elements, dtype, label) => memory.scratch(elements, dtype, label),
    joined: () => undefined,
    columnCopy: () => undefined,
    window: (view) => view,
    cached: (_source, make) => make(),
    emit: (kernel) => {
      kernels.push(kernel);
    },
  };
  lower(context, node);
  if (result === undefined) throw new Error(`${op} set no result`);
  return { kernels, memory, result };
}

/** Lowers and runs one node, on a device or by the text of its kernels; the result in row-major order. */
export async function runOp<K extends OpName>(
  gpu: TestGpu | TextRunner,
  lower: Lower<K>,
  op: K,
  attrs: OpAttributes[K],
  inputs: readonly TestInput[],
  type: TensorType,
  profile: DeviceProfile,
): Promise<Float64Array> {
  const { kernels, memory, result } = lowerOne(lower, op, attrs, inputs, type, profile);
  const wanted = [result.storage];
  const [values] =
    'subgroup' in gpu
      ? runKernelsByText(gpu, kernels, memory, wanted)
      : await runKernels(gpu, kernels, memory, wanted);
  return gather(result, values!);
}
