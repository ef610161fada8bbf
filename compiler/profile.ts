/**
 * What the compiler is told about a device: limits, features and which schedules to use.
 *
 * Plans for any device can be made and tested anywhere, since this is plain data; the runtime fills one from
 * a real adapter.
 */
export interface DeviceLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxComputeWorkgroupsPerDimension: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupSizeX: number;
  readonly maxComputeWorkgroupStorageSize: number;
  readonly minStorageBufferOffsetAlignment: number;
}

/**
 * Which kernels fit: `cpu` = software adapters (no workgroup memory), `gpu` = discrete and integrated GPUs.
 */
export type DeviceKind = 'cpu' | 'gpu';

/**
 * Measured choices: from `scheduleKey` (kernel family and shape) to the id of a schedule in that family's
 * search space.
 */
export type TunedSchedules = Readonly<Record<string, string>>;

/** Element types of subgroup matrices, as WGSL names them. */
export type MatrixComponent = 'f16' | 'f32' | 'i8' | 'u8' | 'i32' | 'u32';

/** A product of subgroup matrices that a device offers: M×K times K×N, added up in `result`. */
export interface MatrixConfig {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Of both operands. */
  readonly component: MatrixComponent;
  readonly result: MatrixComponent;
}

/** What the compiler is told of a device: what it can do, and what suits it. */
export interface DeviceProfile {
  /** "llvmpipe (LLVM 15.0.6, 256 bits)" */
  readonly name: string;
  readonly kind: DeviceKind;
  /** As WebGPU names it: `apple`, `nvidia`, `mesa`; lower case. */
  readonly vendor?: string;
  /** As WebGPU names it: `swiftshader`, `ampere`; lower case. */
  readonly architecture?: string;
  readonly limits: DeviceLimits;
  readonly features: readonly string[];
  readonly subgroupSize?: { readonly min: number; readonly max: number };
  /** Products of subgroup matrices; none without the feature. */
  readonly matrixConfigs?: readonly MatrixConfig[];
  /**
   * Parts that run workgroups side by side (streaming multiprocessors, compute units, cores), of a GPU where
   * that is known: WebGPU itself does not tell.
   */
  readonly multiprocessors?: number;
  /** Bytes that buffers may take in all, where that is known (WebGPU itself does not tell). */
  readonly memory?: number;
  /** What was measured on this very device goes before the defaults of its class. */
  readonly tuned?: TunedSchedules;
  /** Ids of schedules that no plan for this device uses, since its driver gets them wrong. */
  readonly avoid?: readonly string[];
}

/** Subgroup matrices in WGSL. */
export const subgroupMatrixFeature = 'chromium-experimental-subgroup-matrix';

/** Kernels that ask for a subgroup size. */
export const subgroupSizeFeature = 'subgroup-size-control';

/** What the operands of subgroup matrices are made of, in products. */
export type MatrixElement = 'f16' | 'f32';

/** A configuration that products may use. */
export type ProductConfig = MatrixConfig & { readonly component: MatrixElement };

/** The configuration for products of an element type, the largest that adds up in f32. */
export function matrixConfig(
  { matrixConfigs = [], features }: DeviceProfile,
  element: MatrixElement,
): ProductConfig | undefined {
  if (!features.includes(subgroupMatrixFeature)) return undefined;
  if (element === 'f16' && !features.includes('shader-f16')) return undefined;
  const size = ({ m, n, k }: MatrixConfig) => m * n * k;
  return matrixConfigs
    .filter((c): c is ProductConfig => c.component === element && c.result === 'f32')
    .reduce<ProductConfig | undefined>(
      (best, c) => (best === undefined || size(c) > size(best) ? c : best),
      undefined,
    );
}

/** How many invocations are counted on for a subgroup. */
export interface SubgroupSize {
  readonly size: number;
  /**
   * `only`: the device has no other. `asked`: the kernel demands it. `most`: there may be more subgroups,
   * each smaller.
   */
  readonly known: 'only' | 'asked' | 'most';
}

/**
 * The subgroup size that tiles are cut for. WebGPU wants a workgroup of whole subgroups of the largest size a
 * device may pick; it may pick a smaller one, unless the kernel asks for one. 32 is what AMD's matrix
 * instructions need and Intel's allow (published kernels ask for it on both). Where none can be asked for, a
 * kernel leaves the subgroups idle that come on top.
 */
export function subgroupOf({ subgroupSize, features }: DeviceProfile): SubgroupSize | undefined {
  if (subgroupSize === undefined) return undefined;
  const { min, max } = subgroupSize;
  if (min === max) return { size: max, known: 'only' };
  if (features.includes(subgroupSizeFeature) && min <= 32 && 32 <= max) return { size: 32, known: 'asked' };
  return { size: max, known: 'most' };
}

/** Elements of padding behind a line of a tile of matrices: 16 bytes, the alignment that matrix loads want. */
export const linePadding = { f16: 8, f32: 4 } as const;

/** Elements of four bytes that one binding can hold. */
export const elementsPerBinding = ({ limits }: Pick<DeviceProfile, 'limits'>) =>
  Math.floor(limits.maxStorageBufferBindingSize / 4);

/** Whether a device runs workgroups of so many invocations along x and bytes of workgroup memory. */
export function fitsWorkgroup({ limits }: DeviceProfile, invocations: number, bytes: number): boolean {
  return (
    invocations <= Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX) &&
    bytes <= limits.maxComputeWorkgroupStorageSize
  );
}

/** Whether invocations of a subgroup can swap values with those beside them. */
export function hasQuads({ features, subgroupSize }: DeviceProfile): boolean {
  return features.includes('subgroups') && subgroupSize !== undefined && subgroupSize.min >= 4;
}

/**
 * What shipped schedules are made for. `software`: SIMD lanes of a CPU. `swiftshader`: the same of Chromium's driver.
 * `apple`: GPUs whose caches serve tiles better than workgroup memory does. `staged`: GPUs that want tiles in workgroup
 * memory. `matrix`: the same with subgroup matrices (which Apple's GPUs may have as well).
 */
export type DeviceClass = 'software' | 'swiftshader' | 'apple' | 'staged' | 'matrix';

export function deviceClass({ kind, vendor, architecture, matrixConfigs = [] }: DeviceProfile): DeviceClass {
  if (kind === 'cpu') return architecture === 'swiftshader' ? 'swiftshader' : 'software';
  if (vendor === 'apple') return 'apple';
  return matrixConfigs.length > 0 ? 'matrix' : 'staged';
}

/**
 * The WebGPU specification's default limits, with a CPU's schedules: what `compile` plans for when no adapter
 * is asked.
 */
export const defaultLimits: DeviceLimits = {
  maxBufferSize: 256 * 2 ** 20,
  maxStorageBufferBindingSize: 128 * 2 ** 20,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupsPerDimension: 65535,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupStorageSize: 16384,
  minStorageBufferOffsetAlignment: 256,
};

/** lavapipe of Mesa 25: the software Vulkan driver, measured limits. */
export const lavapipeProfile: DeviceProfile = {
  name: 'llvmpipe',
  kind: 'cpu',
  limits: {
    ...defaultLimits,
    maxBufferSize: 4294967295,
    maxStorageBuffersPerShaderStage: 16,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxComputeWorkgroupSizeX: 1024,
    maxComputeWorkgroupStorageSize: 32768,
  },
  features: ['shader-f16', 'subgroups', 'timestamp-query'],
  subgroupSize: { min: 8, max: 8 },
};

/** SwiftShader, the software Vulkan driver of Chromium: measured limits of Chromium 156. */
export const swiftshaderProfile: DeviceProfile = {
  name: 'SwiftShader',
  kind: 'cpu',
  vendor: 'google',
  architecture: 'swiftshader',
  limits: {
    ...defaultLimits,
    maxBufferSize: 2 ** 30,
    maxStorageBufferBindingSize: 2 ** 30,
    maxStorageBuffersPerShaderStage: 10,
    maxComputeWorkgroupStorageSize: 32768,
  },
  features: ['subgroups', 'timestamp-query'],
  subgroupSize: { min: 4, max: 4 },
};

/**
 * What GPUs of today offer at least: common on discrete cards, and part of what Dawn gives all of Apple's.
 */
const gpuLimits: DeviceLimits = {
  ...defaultLimits,
  maxBufferSize: 2 * 2 ** 30,
  maxStorageBufferBindingSize: 2 * 2 ** 30 - 4,
  maxStorageBuffersPerShaderStage: 10,
  maxComputeWorkgroupStorageSize: 32768,
};

/** Apple's GPUs, with limits that Dawn gives all of them. */
export const appleProfile: DeviceProfile = {
  name: 'Apple GPU',
  kind: 'gpu',
  vendor: 'apple',
  limits: { ...gpuLimits, maxComputeInvocationsPerWorkgroup: 1024, maxComputeWorkgroupSizeX: 1024 },
  features: ['shader-f16', 'subgroups', 'timestamp-query'],
  subgroupSize: { min: 32, max: 32 },
};

/** Any GPU that offers the limits common on discrete cards. */
export const discreteProfile: DeviceProfile = {
  name: 'discrete GPU',
  kind: 'gpu',
  limits: gpuLimits,
  features: ['shader-f16', 'subgroups', 'timestamp-query'],
};
