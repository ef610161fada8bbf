/** The machine's own adapter for the tests of a file. */
import { afterAll, beforeAll } from 'vitest';
import { openGpu } from '../../../runtime/node/gpu.ts';
import type { WebGpuDevice } from '../../../runtime/webgpu/device.ts';

/** Open while the tests around the call run, and closed behind them. */
export function deviceForTests(): () => WebGpuDevice {
  let device: WebGpuDevice | undefined;
  beforeAll(async () => {
    device = (await openGpu()).device;
  });
  afterAll(() => device?.close());
  return () => device!;
}
