/**
 * Where graphs are executed: a device that runs plans (WebGPU, or the null device, which only checks), or the
 * reference executor in double precision. `--device` and `ZOOC_ADAPTER` decide. `--tune` or `ZOOC_TUNE=1`
 * measures schedules that a plan needs and nobody has measured yet, before the plan is compiled.
 */
import { fail } from '../../grammar/diagnostics.ts';
import { type OpenedGpu, openGpu } from '../../runtime/node/gpu.ts';
import { NullDevice } from '../../runtime/null/device.ts';
import { ProfilingDevice } from '../../runtime/profile/device.ts';
import type { ProfileRecorder } from '../../runtime/profile/recorder.ts';
import type { CompileFor } from '../../runtime/tune/contest.ts';
import type { Device } from '../../runtime/types.ts';
import type { AdapterType } from '../../runtime/webgpu/adapter.ts';
import { tuneAndStore } from './tune.ts';

const deviceChoices = ['webgpu', 'reference', 'null'] as const;
export type DeviceChoice = (typeof deviceChoices)[number];

export type Executor =
  | {
      readonly kind: 'device';
      readonly name: string;
      /** Absent for the null device. */
      readonly type?: AdapterType;
      /** Driver and version, where there is one. */
      readonly driver?: string;
      readonly device: Device;
      /**
       * Where tuning was asked for: measures what this plan needs; the device's profile then has the results.
       */
      readonly tune?: (compile: CompileFor) => Promise<void>;
      close(): void;
    }
  | { readonly kind: 'reference'; readonly name: string; close(): void };

interface ExecutorOptions {
  /** Part of an adapter's name, instead of ZOOC_ADAPTER. */
  readonly adapter?: string;
  /** `--profile`: where to record the time of every step. */
  readonly profile?: ProfileRecorder;
  /** `--tune`; ZOOC_TUNE=1 asks for the same where there is something to tune. */
  readonly tune?: boolean;
  /** Remarks and progress. */
  notify(text: string): void;
}

/**
 * Opens what `choice` names; close it, or Node will not end.
 * @throws DiagnosticError Z6xx when there is no adapter or its device is refused, Z703 when
 * it cannot do what is asked
 */
export async function openExecutor(choice: DeviceChoice, options: ExecutorOptions): Promise<Executor> {
  const asked = options.tune === true ? '--tune' : options.profile === undefined ? undefined : '--profile';
  if (choice !== 'webgpu' && asked !== undefined)
    fail('Z703', `${asked} measures on an adapter, and --device ${choice} is none`, '--device webgpu');
  if (choice === 'reference') {
    return { kind: 'reference', name: 'reference (double precision)', close: () => {} };
  }
  if (choice === 'null') {
    const device = new NullDevice();
    return { kind: 'device', name: 'null device', device, close: () => device.close() };
  }
  const opened = await openGpu({
    warn: options.notify,
    ...(options.adapter === undefined ? {} : { adapter: options.adapter }),
  });
  const { report } = opened;
  const device =
    options.profile === undefined
      ? opened.device
      : new ProfilingDevice(opened.device, options.profile, options.notify);
  const tuning = options.tune === true || process.env.ZOOC_TUNE === '1';
  const tune = (compile: CompileFor) => tuneMissing(opened, compile, options.notify);
  const close = () => device.close();
  return {
    kind: 'device',
    name: report.name,
    type: report.type,
    driver: report.driver,
    device,
    ...(tuning ? { tune } : {}),
    close,
  };
}

/** Measures what a plan needs and was not measured on this device before. */
async function tuneMissing(
  opened: OpenedGpu,
  compile: CompileFor,
  notify: (text: string) => void,
): Promise<void> {
  const known = new Set(Object.keys(opened.device.profile.tuned ?? {}));
  const { results, path } = await tuneAndStore(opened, compile, { known, notify });
  if (path === undefined) return;
  const changed = results.filter((r) => r.id !== r.defaultId).length;
  notify(`tuned ${results.length} kernels, ${changed} of them other than the default: ${path}`);
}
