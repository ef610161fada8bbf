/** Memory and text of kernels that tests run outside of a plan. */
import type { DType } from '../../../compiler/graph/types.ts';
import type { Kernel } from '../../../compiler/kernels/text/kernel.ts';
import { bindingType, extensionsOf } from '../../../compiler/kernels/text/memory.ts';
import type { Storage } from '../../../compiler/kernels/text/view.ts';

/** Halves are kept as f32 here and narrowed on their way to the device. */
export type Values = Float32Array | Int32Array;

/** Storages with contents for kernels that are run outside a plan. */
export class Memory {
  private next = 0;
  readonly contents = new Map<Storage, Values>();

  storage(
    values: Values,
    label: string,
    dtype: DType = values instanceof Int32Array ? 'i32' : 'f32',
  ): Storage {
    const storage: Storage = {
      id: this.next++,
      dtype,
      elements: values.length,
      label,
      place: 'workspace',
    };
    this.contents.set(storage, values);
    return storage;
  }

  /** Memory as a plan leaves it: full of what was there before. */
  scratch(elements: number, dtype: DType, label: string): Storage {
    const values = dtype === 'i32' ? new Int32Array(elements) : new Float32Array(elements);
    return this.storage(values.fill(dtype === 'i32' ? 123456 : 1e30), label, dtype);
  }
}

/** WGSL of a kernel with declared bindings. */
export function moduleText(kernel: Kernel): string {
  const ids = new Map<number, boolean>();
  for (const arg of kernel.args) {
    ids.set(arg.storage.id, (ids.get(arg.storage.id) ?? false) || arg.access === 'read_write');
  }
  const bindings = kernel.args.map((arg, i) => {
    const access = ids.get(arg.storage.id) ? 'read_write' : 'read';
    return `@group(0) @binding(${i}) var<storage, ${access}> ${arg.name}: ${bindingType(arg)};\n`;
  });
  const enables = extensionsOf(kernel).map((extension) => `enable ${extension};\n`);
  return enables.join('') + bindings.join('') + kernel.body;
}
