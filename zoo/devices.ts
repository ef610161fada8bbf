/**
 * Where graphs are executed: a device that runs plans (WebGPU, or the null device, which only checks), or the reference
 * executor in double precision. `--device` and `ZOOC_ADAPTER` decide.
 */
import { openGpu } from '../runtime/node-gpu.ts';
import { NullDevice } from '../runtime/null-device.ts';
import type { Device } from '../runtime/types.ts';

export const deviceChoices = ['webgpu', 'reference', 'null'] as const;
export type DeviceChoice = (typeof deviceChoices)[number];

export type Executor =
  | { readonly kind: 'device'; readonly name: string; readonly device: Device; close(): void }
  | { readonly kind: 'reference'; readonly name: string; close(): void };

/**
 * Opens what `choice` names; close it, or Node will not end.
 * @throws DiagnosticError Z6xx when there is no adapter or its device is refused
 */
export async function openExecutor(choice: DeviceChoice): Promise<Executor> {
  if (choice === 'reference') {
    return { kind: 'reference', name: 'reference (double precision)', close: () => {} };
  }
  if (choice === 'null') {
    const device = new NullDevice();
    return { kind: 'device', name: 'null device', device, close: () => device.close() };
  }
  const { device, report } = await openGpu();
  return { kind: 'device', name: report.name, device, close: () => device.close() };
}
