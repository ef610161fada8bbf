/**
 * What an adapter is, which of several to use and why, and the device profile the compiler is told about.
 *
 * WebGPU hides most of the hardware; what it says (vendor, description, fallback flag) is enough to tell a
 * software adapter from a GPU, and a discrete GPU from an integrated one. No part of Node is used here.
 */
import {
  type DeviceKind,
  type DeviceLimits,
  type DeviceProfile,
  type MatrixComponent,
  type MatrixConfig,
  subgroupMatrixFeature,
  subgroupSizeFeature,
} from '../../compiler/profile.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { multiprocessorsOf } from './multiprocessors.ts';

export type AdapterType = 'discrete' | 'integrated' | 'software';

/** Everything `devices` shows of one adapter, as plain data. */
export interface AdapterReport {
  /** `vulkan`, `metal`, `d3d12`, ...; `browser` where the page cannot know. */
  readonly backend: string;
  /** The driver's name of the device: "NVIDIA H100 80GB HBM3", "llvmpipe (LLVM 15.0.6, 256 bits)". */
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  /** Driver and version, as the backend describes them. */
  readonly driver: string;
  readonly type: AdapterType;
  readonly limits: DeviceLimits;
  readonly features: readonly string[];
  readonly subgroupSize?: { readonly min: number; readonly max: number };
  /** Where the adapter offers subgroup matrices. */
  readonly matrixConfigs?: readonly MatrixConfig[];
}

interface AdapterChoice {
  /** Index into the list that was given. */
  readonly index: number;
  /** "the only adapter", "discrete GPUs come first", "ZOOC_ADAPTER=llvm names it", ... */
  readonly because: string;
}

const softwareNames = /llvmpipe|lavapipe|softpipe|swiftshader|basic render|software/i;

/**
 * Dawn takes Honeykrisp, Mesa's driver of Apple's GPUs on Linux, for a software driver, since it goes by the vendor's number,
 * which is Mesa's own.
 */
function makerOf(info: GPUAdapterInfo): Pick<GPUAdapterInfo, 'vendor' | 'architecture'> {
  const { vendor, architecture, description } = info;
  return /^honeykrisp\b/i.test(description)
    ? { vendor: 'apple', architecture: '' }
    : { vendor, architecture };
}

/** Guesses the type of an adapter from what WebGPU tells. */
export function adapterType(name: string, info: GPUAdapterInfo): AdapterType {
  const { vendor, architecture } = makerOf(info);
  const text = `${name} ${vendor} ${architecture} ${info.device} ${info.description}`;
  if (info.isFallbackAdapter || softwareNames.test(text)) return 'software';
  if (/apple|qualcomm|arm\b|imgtec|broadcom|samsung/i.test(vendor)) return 'integrated';
  if (/intel/i.test(text)) return /\barc\b/i.test(text) ? 'discrete' : 'integrated';
  // AMD's processors call their graphics "AMD Radeon Graphics", its cards carry a model number.
  if (/radeon (vega \d+ )?graphics/i.test(text)) return 'integrated';
  return /virtio|gfxstream|venus/i.test(text) ? 'integrated' : 'discrete';
}

function limitsOf(limits: GPUSupportedLimits): DeviceLimits {
  return {
    maxBufferSize: limits.maxBufferSize,
    maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
    maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
    maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
    maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
    maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
    maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
    // The finest alignment is kept out of the request, so that plans fit every device.
    minStorageBufferOffsetAlignment: 256,
  };
}

/** What Dawn adds to an adapter's information; its fields must be named, since the object lists none. */
interface DawnAdapterInfo {
  readonly subgroupMatrixConfigs?: Iterable<{
    readonly M: number;
    readonly N: number;
    readonly K: number;
    readonly componentType: string;
    readonly resultComponentType: string;
  }>;
}

function matrixConfigsOf(info: GPUAdapterInfo): MatrixConfig[] {
  const { subgroupMatrixConfigs = [] } = info as DawnAdapterInfo;
  return Array.from(subgroupMatrixConfigs, ({ M, N, K, componentType, resultComponentType }) => ({
    m: M,
    n: N,
    k: K,
    component: componentType as MatrixComponent,
    result: resultComponentType as MatrixComponent,
  }));
}

/** @param name the backend's name of the adapter; browsers have none, then the description serves */
export function describeAdapter(adapter: GPUAdapter, backend: string, name?: string): AdapterReport {
  const info = adapter.info;
  const shown =
    name ??
    (info.description || info.device || `${info.vendor} ${info.architecture}`.trim() || 'unnamed adapter');
  const { subgroupMinSize: min, subgroupMaxSize: max } = info;
  const matrixConfigs = matrixConfigsOf(info);
  return {
    backend,
    name: shown,
    ...makerOf(info),
    driver: info.description,
    type: adapterType(shown, info),
    limits: limitsOf(adapter.limits),
    features: [...adapter.features].sort(),
    ...(min === undefined || max === undefined ? {} : { subgroupSize: { min, max } }),
    ...(matrixConfigs.length === 0 ? {} : { matrixConfigs }),
  };
}

const preference: readonly AdapterType[] = ['discrete', 'integrated', 'software'];

/**
 * Picks one of the adapters: the one that `wanted` names, else discrete before integrated before software,
 * and among equals the first (backends list the preferred one first).
 * @param wanted a part of the name, vendor, driver or backend, in any case (the variable ZOOC_ADAPTER)
 * @throws DiagnosticError Z601 when the list is empty, Z602 when `wanted` names none
 */
export function chooseAdapter(adapters: readonly AdapterReport[], wanted?: string): AdapterChoice {
  if (adapters.length === 0) failWithoutAdapter();
  if (wanted !== undefined && wanted !== '') {
    const needle = wanted.toLowerCase();
    const index = adapters.findIndex((a) =>
      [a.name, a.vendor, a.driver, a.backend, a.type].some((text) => text.toLowerCase().includes(needle)),
    );
    if (index >= 0) return { index, because: `ZOOC_ADAPTER=${wanted} names it` };
    const have = adapters.map((a) => `${a.name} (${a.backend})`).join(', ');
    fail('Z602', `no adapter matches ZOOC_ADAPTER=${wanted}`, `there is ${have}`);
  }
  const best = preference.find((type) => adapters.some((a) => a.type === type))!;
  const index = adapters.findIndex((a) => a.type === best);
  if (adapters.length === 1) return { index, because: `it is the only adapter (${best})` };
  const others = adapters.filter((a) => a.type === best).length - 1;
  const reason = best === 'software' ? 'there is no GPU' : `${best} adapters come before ${after(best)} ones`;
  return { index, because: others > 0 ? `${reason}, and it is listed first of ${others + 1}` : reason };
}

function after(type: AdapterType): string {
  return type === 'discrete' ? 'integrated and software' : 'software';
}

export function failWithoutAdapter(): never {
  fail(
    'Z601',
    'no WebGPU adapter was found on this machine',
    'a GPU needs its own Vulkan driver; a software driver comes with the system (Debian: mesa-vulkan-drivers), or in a clone of zooc with: npm run setup:driver',
  );
}

/** Software adapters get a CPU's schedules. */
function kindOf(type: AdapterType): DeviceKind {
  return type === 'software' ? 'cpu' : 'gpu';
}

/** Features worth asking for where an adapter offers them: kernels and profiles may use them. */
const usefulFeatures: readonly string[] = [
  'shader-f16',
  'subgroups',
  subgroupSizeFeature,
  'timestamp-query',
  subgroupMatrixFeature,
];

/** What the compiler is told about this adapter; `openDevice` asks for exactly these limits and features. */
export function profileOf(report: AdapterReport): DeviceProfile {
  // Processors with graphics have few, whatever they are called.
  const few = report.type === 'integrated' ? 8 : undefined;
  const multiprocessors = report.type === 'software' ? undefined : (multiprocessorsOf(report.name) ?? few);
  return {
    name: report.name,
    kind: kindOf(report.type),
    vendor: report.vendor.toLowerCase(),
    ...(report.architecture === '' ? {} : { architecture: report.architecture.toLowerCase() }),
    ...(multiprocessors === undefined ? {} : { multiprocessors }),
    limits: report.limits,
    features: report.features.filter((f) => usefulFeatures.includes(f)),
    ...(report.subgroupSize === undefined ? {} : { subgroupSize: report.subgroupSize }),
    ...(report.matrixConfigs === undefined ? {} : { matrixConfigs: report.matrixConfigs }),
  };
}

/**
 * Requests the device with the profile's limits and features.
 * @throws DiagnosticError Z603 when the adapter refuses
 */
export async function openDevice(adapter: GPUAdapter, profile: DeviceProfile): Promise<GPUDevice> {
  const { minStorageBufferOffsetAlignment: _, ...limits } = profile.limits;
  try {
    return await adapter.requestDevice({
      label: 'zooc',
      requiredLimits: limits,
      requiredFeatures: [...profile.features] as GPUFeatureName[],
    });
  } catch (error) {
    fail('Z603', `${profile.name} refused to open a device: ${(error as Error).message.split('\n')[0]}`);
  }
}
