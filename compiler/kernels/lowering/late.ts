/**
 * Kernels that add up partial results of which nobody reads the sums soon, such as the gradients of norms, wait for one
 * another and come in one launch: each alone keeps a few workgroups of a GPU busy.
 *
 * They come at the latest in front of the first kernel that touches what one of them reads or writes.
 */
import type { DeviceProfile } from '../../profile.ts';
import { gridOf, type Kernel } from '../text/kernel.ts';
import { printBeside } from '../text/tile-text.ts';

const touch = (one: Kernel, other: Kernel) =>
  one.args.some(({ storage }) => other.args.some((arg) => arg.storage.id === storage.id));

/** One kernel that does what several do; undefined where their workgroups differ. */
function together(kernels: readonly Kernel[], profile: DeviceProfile): Kernel | undefined {
  const [first] = kernels as [Kernel];
  const { late: _, ...kernel } = first;
  if (kernels.length === 1) return kernel;
  const parts = kernels.map(({ late }, i) => late!(`_${i}`));
  const body = printBeside(parts);
  const sum = (of: (kernel: Kernel) => number) => kernels.reduce((all, k) => all + of(k), 0);
  return body === undefined
    ? undefined
    : {
        ...kernel,
        name: `${kernel.name}_beside`,
        args: parts.flatMap(({ args }) => args),
        body,
        workgroups: gridOf(
          sum(({ workgroups }) => workgroups[0]),
          profile,
        ),
        flops: sum(({ flops }) => flops),
        bytes: sum(({ bytes }) => bytes),
      };
}

/** The kernels in an order that gives the same, those that may wait gathered as far as the device binds buffers. */
export function gatherLate(kernels: readonly Kernel[], profile: DeviceProfile): Kernel[] {
  const { limits } = profile;
  const ordered: Kernel[] = [];
  let waiting: Kernel[] = [];
  const flush = () => {
    if (waiting.length > 0) ordered.push(together(waiting, profile)!);
    waiting = [];
  };
  for (const kernel of kernels) {
    if (waiting.some((other) => touch(other, kernel))) flush();
    const bound = [...waiting, kernel].reduce((all, { args }) => all + args.length, 0);
    if (kernel.late === undefined) ordered.push(kernel);
    else {
      if (
        bound > limits.maxStorageBuffersPerShaderStage ||
        together([...waiting, kernel], profile) === undefined
      )
        flush();
      waiting.push(kernel);
    }
  }
  flush();
  return ordered;
}
