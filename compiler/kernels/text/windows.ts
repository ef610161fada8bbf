/**
 * Windows: how a storage larger than a binding may be is bound, in disjoint parts.
 *
 * ViT-L/14's token embedding takes 144.75 MiB where the default limit of a binding is 128 MiB. Windows start
 * at multiples of 64 elements (`bindingStart`) and, for tables, at whole rows.
 */
import { fail } from '../../../grammar/diagnostics.ts';
import { type DeviceProfile, elementsPerBinding } from '../../profile.ts';
import type { KernelArg } from './kernel.ts';
import { elementBytes } from './memory.ts';
import type { Storage, Storages, View } from './view.ts';

/** Numbers of four bytes (256 bytes) at whose multiples a binding may start on any device. */
export const bindingStart = 64;

/** The same in elements of a storage. */
export const startOf = (storage: Pick<Storage, 'dtype'>) => (4 * bindingStart) / elementBytes(storage);

export interface Window {
  readonly start: number;
  readonly elements: number;
}

/**
 * Cuts `[start, start + elements)` into the fewest windows that a binding can hold; `row` elements stay
 * together.
 */
export function windowsOf(elements: number, row: number, profile: DeviceProfile): Window[] {
  const most = elementsPerBinding(profile);
  const step = leastCommonMultiple(row, bindingStart);
  const length = elements <= most ? elements : Math.floor(most / step) * step;
  if (length === 0)
    fail(
      'Z605',
      `rows of ${row} elements can be bound in multiples of ${step} alone, more than the ${most} that one binding of this device holds`,
      'use a device with larger bindings',
    );
  const windows: Window[] = [];
  for (let start = 0; start < elements; start += length) {
    windows.push({ start, elements: Math.min(length, elements - start) });
  }
  return windows;
}

/** Binds a window; the whole storage stays unmarked, so that the plan may treat it as any other. */
export function windowArg(
  name: string,
  width: KernelArg['width'],
  storage: Storage,
  access: 'read' | 'read_write',
  window: Window,
): KernelArg {
  const whole = window.start === 0 && window.elements === storage.elements;
  return whole ? { name, width, storage, access } : { name, width, storage, access, window };
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** Elements from the first to behind the last that a view touches. */
export function extent({ shape, strides }: Pick<View, 'shape' | 'strides'>): number {
  return shape.reduce((sum, n, axis) => sum + (n - 1) * strides[axis]!, 1);
}

/**
 * Views of parts of storages too large to be bound whole: as if the part were a storage of its own. Kernels
 * are written over these; `resolve` names the real storage and the window when a kernel is emitted.
 */
export class Windows {
  /** Elements that one binding can hold. */
  readonly most: number;
  readonly #parts = new Map<string, Storage>();
  readonly #origins = new Map<number, { readonly base: Storage; readonly start: number }>();
  readonly #storages: Storages;

  constructor(profile: DeviceProfile, storages: Storages) {
    this.most = elementsPerBinding(profile);
    this.#storages = storages;
  }

  /** Whether everything that a view touches could lie in one binding, wherever it starts. */
  holds(view: View): boolean {
    return view.storage.elements <= this.most || extent(view) + bindingStart <= this.most;
  }

  /**
   * The same elements in a storage that a binding can hold, if there is one. Views of one storage that a
   * kernel reads together (query, key and value of one product) share a window where it can hold them all:
   * bindings must not overlap.
   */
  within(view: View, together: readonly View[] = []): View {
    if (view.storage.elements <= this.most || !this.holds(view)) return view;
    const shared = together.filter(({ storage }) => storage.id === view.storage.id);
    const first = Math.min(view.offset, ...shared.map((v) => v.offset));
    const end = Math.max(view.offset + extent(view), ...shared.map((v) => v.offset + extent(v)));
    return end - first + bindingStart <= this.most ? this.#part(view, first, end) : this.alone(view);
  }

  /** The same elements in a storage of their own. */
  alone(view: View): View {
    return this.#part(view, view.offset, view.offset + extent(view));
  }

  #part(view: View, first: number, end: number): View {
    const { storage, offset } = view;
    const step = startOf(storage);
    const start = Math.floor(first / step) * step;
    const key = `${storage.id}:${start}:${end}`;
    let part = this.#parts.get(key);
    if (!part) {
      part = this.#storages.make({ ...storage, elements: end - start });
      this.#parts.set(key, part);
      this.#origins.set(part.id, { base: storage, start });
    }
    return { ...view, storage: part, offset: offset - start };
  }

  /** The argument over the real storage. */
  resolve(arg: KernelArg): KernelArg {
    const origin = this.#origins.get(arg.storage.id);
    if (!origin) return arg;
    const { start, elements } = arg.window ?? { start: 0, elements: arg.storage.elements };
    // A part may be of a part.
    return this.resolve({ ...arg, storage: origin.base, window: { start: origin.start + start, elements } });
  }
}
