/**
 * Kernels of single operations by their text: as `runKernels` of harness.ts, without an adapter and without its compile times.
 */

import type { Kernel } from '../../../compiler/kernels/text/kernel.ts';
import { elementBytes } from '../../../compiler/kernels/text/memory.ts';
import type { Storage } from '../../../compiler/kernels/text/view.ts';
import { narrowF16, widenF16 } from '../../../runtime/data/safetensors/half.ts';
import { runKernel } from '../../support/wgsl/run-kernel.ts';
import { type Memory, moduleText, type Values } from './memory.ts';

/** Runs kernels on the text of their WGSL, each invocation in turn, in place of on a device. */
export interface TextRunner {
  /** Invocations of a subgroup. */
  readonly subgroup: number;
}

/** Runs the kernels in order and returns the contents of some storages; throws on stores outside of a binding. */
export function runKernelsByText(
  { subgroup }: TextRunner,
  kernels: readonly Kernel[],
  memory: Memory,
  results: readonly Storage[],
): Values[] {
  const buffers = new Map<Storage, ArrayBuffer>();
  for (const [storage, values] of memory.contents) {
    const stored = storage.dtype === 'f16' ? narrowF16(values as Float32Array) : values.slice();
    buffers.set(storage, stored.buffer as ArrayBuffer);
  }
  for (const [number, kernel] of kernels.entries()) {
    const bound = kernel.args.map(({ storage, window }) => {
      const bytes = elementBytes(storage);
      const { start, elements } = window ?? { start: 0, elements: storage.elements };
      return { buffer: buffers.get(storage)!, offset: bytes * start, size: bytes * elements };
    });
    const options = { subgroup, backwards: number % 2 === 1, label: kernel.name };
    runKernel(moduleText(kernel), bound, kernel.workgroups, options);
  }
  return results.map((storage) => {
    const buffer = buffers.get(storage)!;
    if (storage.dtype === 'f16') return widenF16(new Uint16Array(buffer));
    return storage.dtype === 'i32' ? new Int32Array(buffer) : new Float32Array(buffer);
  });
}
