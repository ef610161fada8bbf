/** Dispatches, submits and bytes of buffers, counted at the prototypes of WebGPU's classes: the same measure for every library. */
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

/** @param from where WebGPU's classes are: Dawn's bindings, or a page */
export function countCalls(from: object): void {
  const types = from as Constructors;
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
