/**
 * How a kernel's text reaches the memory behind its arguments: types of bindings, loads and stores.
 *
 * Kernels compute in f32 (or i32), whatever their storages hold: what lies in memory as f16 is widened by
 * `load` and narrowed by `store`, so that no family knows of precision and every schedule serves both. Text
 * that names an argument by itself is for scratch and state that are f32 or i32 by construction, and for
 * matrices of halves; a mistake does not pass, because WGSL has no arithmetic of f16 with f32.
 */
import type { Kernel, KernelArg } from './kernel.ts';
import type { Storage } from './view.ts';

/** WGSL's name of the extension; a device offers it as `shader-f16`. */
const halfExtension = 'f16';

/** Elements that one load takes: a scalar or a vector. */
export type Width = KernelArg['width'];

/** Bytes of one element in memory. */
export function elementBytes({ dtype }: Pick<Storage, 'dtype'>): number {
  return dtype === 'f16' ? 2 : 4;
}

/** WGSL's name for what kernels compute with when they read a storage. */
export function computeType({ dtype }: Pick<Storage, 'dtype'>): 'f32' | 'i32' {
  return dtype === 'i32' ? 'i32' : 'f32';
}

/** `f32`, `vec4<f16>`. */
export function wgslType(width: Width, element: Storage['dtype']): string {
  return width === 1 ? element : `vec${width}<${element}>`;
}

/** The type of an argument's binding: `array<vec4<f16>>`. */
export function bindingType({ width, storage }: KernelArg): string {
  return `array<${wgslType(width, storage.dtype)}>`;
}

/** The WGSL extensions of a kernel. */
export function extensionsOf({ args, enables = [] }: Kernel): readonly string[] {
  return args.some(({ storage }) => storage.dtype === 'f16') ? [halfExtension, ...enables] : enables;
}

/** The value of element (or vector) number `index`, a u32 expression, in the type that kernels compute with. */
export function load({ name, width, storage }: KernelArg, index: string): string {
  const place = `${name}[${index}]`;
  return storage.dtype === 'f16' ? `${wgslType(width, 'f32')}(${place})` : place;
}

/** The same in the storage's own type: halves as halves, for matrices of them. */
export function loadStored({ name }: KernelArg, index: string): string {
  return `${name}[${index}]`;
}

/**
 * The statement that stores `value`, of the type that kernels compute with, as element (or vector) number
 * `index`; as one component of the vector, where `component` (a u32 expression) is given.
 */
export function store(
  { name, width, storage }: KernelArg,
  index: string,
  value: string,
  component?: string,
): string {
  const place = component === undefined ? `${name}[${index}]` : `${name}[${index}][${component}]`;
  const type = wgslType(component === undefined ? width : 1, storage.dtype);
  return `${place} = ${storage.dtype === 'f16' ? `${type}(${value})` : value};`;
}
