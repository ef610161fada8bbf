/**
 * WebGPU for a contestant's process: the chosen adapter as `navigator.gpu`, polling as patient as zooc's own, and
 * counts of what goes through Dawn's bindings. A library that brings a Dawn of its own passes them by.
 */
import { globals } from 'webgpu';
import { createGpu, prepareProcess } from '../runtime/node/gpu.ts';
import { countCalls } from './counts.ts';

/** Dawn's instance must not be collected while its devices live. */
let reachable: GPU | undefined;

/**
 * Makes this process look like a page with WebGPU that offers the one adapter. Call once, before a library
 * loads.
 */
export function installGpu(adapter: { readonly backend: string; readonly name: string }): void {
  prepareProcess();
  countCalls(globals);
  reachable = createGpu(adapter.backend, adapter.name);
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu: reachable, userAgent: 'node', platform: process.platform },
    configurable: true,
  });
}
