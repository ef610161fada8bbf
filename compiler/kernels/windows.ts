/**
 * Windows: how a storage larger than a binding may be is bound, in disjoint parts.
 *
 * ViT-L/14's token embedding takes 144.75 MiB where the default limit of a binding is 128 MiB. Windows start at multiples of
 * 64 elements (256 bytes, the alignment of offsets) and, for tables, at whole rows.
 */
import type { DeviceProfile } from '../profile.ts';
import type { KernelArg } from './kernel.ts';
import type { Storage } from './view.ts';

export interface Window {
  readonly start: number;
  readonly elements: number;
}

/** Cuts `[start, start + elements)` into the fewest windows that a binding can hold; `row` elements stay together. */
export function windowsOf(elements: number, row: number, profile: DeviceProfile): Window[] {
  const most = Math.floor(profile.limits.maxStorageBufferBindingSize / 4);
  const step = leastCommonMultiple(row, 64);
  const length = elements <= most ? elements : Math.floor(most / step) * step;
  if (length === 0) throw new Error(`a row of ${row} elements passes the binding limit of ${most} elements`);
  const windows: Window[] = [];
  for (let start = 0; start < elements; start += length) {
    windows.push({ start, elements: Math.min(length, elements - start) });
  }
  return windows;
}

/** Binds a window; the whole storage stays unmarked, so that the plan may treat it as any other. */
export function windowArg(
  name: string,
  type: string,
  storage: Storage,
  access: 'read' | 'read_write',
  window: Window,
): KernelArg {
  const whole = window.start === 0 && window.elements === storage.elements;
  return whole ? { name, type, storage, access } : { name, type, storage, access, window };
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return (a / x) * b;
}
