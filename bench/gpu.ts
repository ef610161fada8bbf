/**
 * WebGPU for a contestant's process: the chosen adapter as `navigator.gpu`, polling as patient as zooc's own,
 * and counts of what goes through Dawn's bindings.
 *
 * The counts are taken at the prototypes, so they are the same measure for every library; a library that
 * brings a Dawn of its own passes them by.
 */
import { globals } from 'webgpu';
import { createGpu, prepareProcess } from '../runtime/node/gpu.ts';

export interface Counts {
  dispatches: number;
  submits: number;
  /** Bytes of the buffers made and not destroyed, now and at most. */
  bytes: number;
  peakBytes: number;
}

export const counts: Counts = { dispatches: 0, submits: 0, bytes: 0, peakBytes: 0 };

type Method = (this: object, ...args: unknown[]) => unknown;

/** Replaces a method by one that calls `seen` before the original. */
function watch(prototype: object, name: string, seen: (self: object, args: unknown[]) => void): void {
  const methods = prototype as Record<string, Method>;
  const original = methods[name]!;
  methods[name] = function (...args) {
    seen(this, args);
    return original.apply(this, args);
  };
}

function countBuffers(device: object, buffer: object): void {
  const sizes = new WeakMap<object, number>();
  const methods = device as Record<string, Method>;
  const create = methods.createBuffer!;
  methods.createBuffer = function (...args) {
    const made = create.apply(this, args) as object;
    const { size } = args[0] as GPUBufferDescriptor;
    sizes.set(made, size);
    counts.bytes += size;
    counts.peakBytes = Math.max(counts.peakBytes, counts.bytes);
    return made;
  };
  watch(buffer, 'destroy', (self) => {
    counts.bytes -= sizes.get(self) ?? 0;
    sizes.delete(self);
  });
}

type Constructors = Record<string, { readonly prototype: object }>;

function countCalls(): void {
  const types = globals as unknown as Constructors;
  const pass = types.GPUComputePassEncoder!.prototype;
  for (const name of ['dispatchWorkgroups', 'dispatchWorkgroupsIndirect'])
    watch(pass, name, () => {
      counts.dispatches++;
    });
  watch(types.GPUQueue!.prototype, 'submit', () => {
    counts.submits++;
  });
  countBuffers(types.GPUDevice!.prototype, types.GPUBuffer!.prototype);
}

/** Dawn's instance must not be collected while its devices live. */
let reachable: GPU | undefined;

/**
 * Makes this process look like a page with WebGPU that offers the one adapter. Call once, before a library
 * loads.
 */
export function installGpu(adapter: { readonly backend: string; readonly name: string }): void {
  prepareProcess();
  countCalls();
  reachable = createGpu(adapter.backend, adapter.name);
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu: reachable, userAgent: 'node', platform: process.platform },
    configurable: true,
  });
}
