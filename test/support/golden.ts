/**
 * Golden tensors made with PyTorch: from `test/fixtures/golden`, or from a folder `shared/golden` beside the repository
 * where there is one (the larger sets).
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { readSafetensors, type Tensor } from '../../runtime/data/safetensors/tensors.ts';

const here = dirname(fileURLToPath(import.meta.url));
const folders = [join(here, '../fixtures/golden'), join(here, '../../../shared/golden')];

export interface GoldenFile {
  readonly tensors: ReadonlyMap<string, RefTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Path of a golden file, or `undefined` if this machine has none. */
export function goldenPath(file: string): string | undefined {
  return folders.map((f) => join(f, file)).find((path) => existsSync(path));
}

export function readGolden(file: string): GoldenFile {
  const path = goldenPath(file);
  if (path === undefined) throw new Error(`no golden file ${file}`);
  const { tensors, metadata } = readSafetensors(readFileSync(path), file);
  return { tensors: new Map([...tensors].map(([name, t]) => [name, reference(t)])), metadata };
}

function reference({ shape, data }: Tensor): RefTensor {
  return { shape, data: Float64Array.from(data as ArrayLike<number | bigint>, Number) };
}

/** max|a - ref| / max|ref| */
export function relMax(a: Float64Array, ref: Float64Array): number {
  return (
    a.reduce((m, v, i) => Math.max(m, Math.abs(v - ref[i]!)), 0) /
    ref.reduce((m, v) => Math.max(m, Math.abs(v)), 0)
  );
}

/** ||a - ref|| / ||ref|| */
export function relL2(a: Float64Array, ref: Float64Array): number {
  return Math.sqrt(a.reduce((s, v, i) => s + (v - ref[i]!) ** 2, 0) / ref.reduce((s, v) => s + v * v, 0));
}
