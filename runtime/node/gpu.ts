/**
 * WebGPU in Node: Dawn through npm `webgpu`. The only part of the runtime's core that knows Node.
 *
 * Dawn's bindings need three things from us: the `GPU` object kept reachable while anything runs
 * (else programs crash at random), `XDG_RUNTIME_DIR` for software Vulkan, and patience between looks
 * at the device (`polling.ts`).
 */
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { create } from 'webgpu';
import { avoiding } from '../../compiler/kernels/schedules/schedules.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';
import { identityOf, loadTuned } from '../tune/node/cache.ts';
import {
  type AdapterReport,
  chooseAdapter,
  describeAdapter,
  failWithoutAdapter,
  openDevice,
  profileOf,
} from '../webgpu/adapter.ts';
import { WebGpuDevice } from '../webgpu/device.ts';
import { throttlePolling } from './polling.ts';
import { withoutLines } from './stderr.ts';

/** GPU objects in use: Dawn's instance must not be collected while its devices live. */
const reachable = new Set<GPU>();

interface NodeGpuOptions {
  /** Part of an adapter's name; `ZOOC_ADAPTER` by default. */
  readonly adapter?: string;
  /**
   * Allows experimental WGSL (subgroup matrices), which is the default; the variable
   * `ZOOC_UNSAFE=0` forbids it.
   */
  readonly unsafe?: boolean;
  /** Ids of schedules that plans for the device go without; those of `ZOOC_AVOID` by default. */
  readonly avoid?: readonly string[];
  /** Remarks, such as a cache of measured schedules that cannot be read; stderr by default. */
  readonly warn?: (text: string) => void;
}

export interface ListedAdapter {
  readonly report: AdapterReport;
  readonly used: boolean;
  /** Why this one is used; only on that one. */
  readonly because?: string;
  /** Schedules that it goes without; only on that one. */
  readonly avoid?: readonly string[];
}

/** What `ZOOC_AVOID=schedule[,schedule]` names. */
function avoidedByName(): string[] {
  const names = (process.env.ZOOC_AVOID ?? '').split(',').map((name) => name.trim());
  return names.filter((name) => name !== '');
}

/**
 * Dawn flags: half floats on NVIDIA's Vulkan driver are hidden unless asked for when the instance is made;
 * timestamps are rounded to 65.5 µs, against spying web pages, unless that is switched off.
 */
function flags(unsafe: boolean, extra: readonly string[] = []): string[] {
  const toggles = ['vulkan_enable_f16_on_nvidia', ...(unsafe ? ['allow_unsafe_apis'] : [])];
  return [
    `enable-dawn-features=${toggles.join(',')}`,
    'disable-dawn-features=timestamp_quantization',
    ...extra,
  ];
}

/**
 * Software Vulkan asks where a desktop's sockets lie, and complains where nobody says. One below a file can
 * never exist: nothing has to be made, nothing is left behind, and nobody can put a socket there.
 */
function nameRuntimeFolder(): void {
  process.env.XDG_RUNTIME_DIR ||= join(fileURLToPath(import.meta.url), 'none');
}

/**
 * What Dawn needs of a process that opens devices by itself: the folder, and patience until the process ends.
 */
export function prepareProcess(): void {
  nameRuntimeFolder();
  throttlePolling();
}

/** Keeps an instance reachable and Dawn patient; the result ends both. */
function hold(gpu: GPU): () => void {
  const resume = throttlePolling();
  reachable.add(gpu);
  return () => {
    reachable.delete(gpu);
    resume();
  };
}

/**
 * What Dawn prints for every adapter whose driver offers more dynamic buffers than Dawn's own constants
 * allow. Our plans use none.
 */
const reducedLimit =
  /^Warning: maxDynamic(Uniform|Storage)BuffersPerPipelineLayout artificially reduced from \d+ to \d+ /;

function requestAdapter(gpu: GPU, options?: GPURequestAdapterOptions): Promise<GPUAdapter | null> {
  return withoutLines(reducedLimit, () => gpu.requestAdapter(options));
}

/** Backends and names of all adapters: Dawn lists them when asked for one that cannot exist. */
async function adapterNames(): Promise<{ backend: string; name: string }[]> {
  let message = '';
  try {
    await requestAdapter(create(flags(false, ['adapter=?'])));
  } catch (error) {
    message = (error as Error).message;
  }
  const found = [...message.matchAll(/backend: '([^']*)', name: '(.*)'$/gm)].map((m) => ({
    backend: m[1]!,
    name: m[2]!,
  }));
  const keys = found.map((f) => `${f.backend}\n${f.name}`);
  return found.filter((f, i) => f.backend !== 'null' && keys.indexOf(keys[i]!) === i);
}

/**
 * A `GPU` that offers the named adapter alone, as `openGpu` uses it; keep it
 * reachable while its devices live.
 */
export function createGpu(backend: string, adapter: string, unsafe = false): GPU {
  return create(flags(unsafe, [`backend=${backend}`, `adapter=${adapter}`]));
}

interface Found {
  readonly gpu: GPU;
  readonly adapter: GPUAdapter;
  readonly report: AdapterReport;
}

async function findAdapters(unsafe: boolean): Promise<Found[]> {
  nameRuntimeFolder();
  const found: Found[] = [];
  for (const { backend, name } of await adapterNames()) {
    const gpu = createGpu(backend, name, unsafe);
    const adapter = await requestAdapter(gpu, { powerPreference: 'high-performance' });
    if (adapter) found.push({ gpu, adapter, report: describeAdapter(adapter, backend, name) });
  }
  return found;
}

/**
 * Every adapter that can be had, with the one that would be used marked; empty where there is none.
 * @throws DiagnosticError Z602, Z637
 */
export async function listAdapters(options: NodeGpuOptions = {}): Promise<ListedAdapter[]> {
  const found = await findAdapters(options.unsafe ?? process.env.ZOOC_UNSAFE !== '0');
  if (found.length === 0) return [];
  const choice = chooseAdapter(
    found.map((f) => f.report),
    options.adapter ?? process.env.ZOOC_ADAPTER,
  );
  return found.map(({ report }, i) => {
    if (i !== choice.index) return { report, used: false };
    const { avoid = [] } = avoiding(profileOf(report), options.avoid ?? avoidedByName());
    return { report, used: true, because: choice.because, ...(avoid.length === 0 ? {} : { avoid }) };
  });
}

export interface OpenedGpu {
  readonly device: WebGpuDevice;
  readonly report: AdapterReport;
  readonly because: string;
}

/**
 * Opens the preferred adapter's device with all its limits and the schedules that were measured on it.
 * @throws DiagnosticError Z601 (no adapter), Z602 (none has the wanted name), Z603 (the device is refused), Z637 (a schedule
 * to avoid that it does not have)
 */
export async function openGpu(options: NodeGpuOptions = {}): Promise<OpenedGpu> {
  const found = await findAdapters(options.unsafe ?? process.env.ZOOC_UNSAFE !== '0');
  const reports = found.map((f) => f.report);
  const { index, because } = chooseAdapter(reports, options.adapter ?? process.env.ZOOC_ADAPTER);
  const chosen = found[index]!;
  const warn = options.warn ?? ((text: string) => process.stderr.write(`${text}\n`));
  const tuned = await loadTuned(identityOf(chosen.report), warn);
  const offered = { ...withMemory(profileOf(chosen.report)), tuned };
  const profile = avoiding(offered, options.avoid ?? avoidedByName());
  const release = hold(chosen.gpu);
  try {
    const device = await openDevice(chosen.adapter, profile);
    return { device: new WebGpuDevice(device, profile, release), report: chosen.report, because };
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * A software adapter's buffers lie in the host's memory, whose size is known: the
 * machine's or the container's.
 */
function withMemory(profile: DeviceProfile): DeviceProfile {
  if (profile.kind !== 'cpu') return profile;
  const allowed = process.constrainedMemory() ?? 0;
  return { ...profile, memory: allowed > 0 ? Math.min(totalmem(), allowed) : totalmem() };
}

/**
 * Opens Dawn's null backend: it executes nothing but checks every call and compiles
 * WGSL, and needs no driver.
 */
export async function openNullGpu(): Promise<WebGpuDevice> {
  nameRuntimeFolder();
  const gpu = create(flags(true, ['backend=null']));
  const adapter = await requestAdapter(gpu);
  if (!adapter) failWithoutAdapter();
  const report = describeAdapter(adapter, 'null', 'null backend');
  const profile: DeviceProfile = { ...profileOf(report), features: report.features };
  const release = hold(gpu);
  try {
    return new WebGpuDevice(await openDevice(adapter, profile), profile, release);
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * Compiles a plan's kernels on the null backend, whatever device it was made for;
 * nothing is allocated or run.
 * @throws DiagnosticError Z604 naming the kernel
 */
export async function validateWgsl(plan: VerifiedPlan): Promise<void> {
  const device = await openNullGpu();
  try {
    await device.compile(plan);
  } finally {
    device.close();
  }
}
