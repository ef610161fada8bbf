/**
 * Compiles a graph for a device kind, runs it on the adapter at hand and beside it on the f64 reference.
 *
 * Shared by the tests of whole graphs: matrix products, fusion, views, transformer blocks.
 */

import type { Graph } from '../../../compiler/graph/types.ts';
import type { DeviceKind, DeviceProfile } from '../../../compiler/profile.ts';
import { openGpu } from '../../../runtime/node/gpu.ts';
import { type CompareOptions, type Comparison, compareGraph } from '../../../runtime/selftest/compare.ts';
import type { Device } from '../../../runtime/types.ts';
import { skipFor } from '../../support/needs.ts';
import type { Runner } from '../../support/wgsl/text-device.ts';

export { fill } from '../../../runtime/selftest/values.ts';
export type { Comparison };

let opened: Promise<Device | undefined> | undefined;

/**
 * The device of this test process; undefined where tests that need one may be skipped (said once on stderr).
 */
export function device(): Promise<Device | undefined> {
  opened ??= openGpu().then(
    (gpu) => gpu.device,
    (error: Error) => skipFor(`no WebGPU adapter (${error.message})`),
  );
  return opened;
}

/** Profile of the device at hand with another kind's schedules. */
export function profileFor(on: Runner, kind: DeviceKind): DeviceProfile {
  return { ...on.profile, kind };
}

/**
 * @param on the device at hand, or the text of kernels (`textDevice`)
 * @param target a kind of device, or a whole profile: only its schedules differ from those of the device at
 * hand
 */
export function compare(
  on: Runner,
  target: DeviceKind | DeviceProfile,
  traced: Graph,
  options: CompareOptions = {},
): Promise<Comparison> {
  return compareGraph(on, typeof target === 'string' ? profileFor(on, target) : target, traced, options);
}
