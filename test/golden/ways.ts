/** What runs the golden sets: the machine's own adapter by its own schedules, and the text of kernels for GPUs. */
import { device } from '../gpu/support/compiled.ts';
import { discreteText, type Runner } from '../support/wgsl/text-device.ts';

export interface Way {
  readonly name: string;
  /** Undefined where this machine has no adapter and tests may be skipped. */
  readonly on: Runner | undefined;
}

export const onAdapter: Way = { name: 'on the adapter', on: await device() };
export const byText: Way = { name: 'by the text of kernels for GPUs', on: discreteText };
