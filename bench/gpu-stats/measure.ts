/** Compiles plans for one pretended device in a child process and reads what the layer wrote. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Capture } from './capture.ts';
import type { PretendedDevice } from './devices.ts';
import { isProduct, type Kernel } from './families.ts';
import { readAmd } from './isa/amd.ts';
import { readNvidia } from './isa/nvidia.ts';
import { type ProductLoop, productLoop } from './isa/product-loop.ts';
import type { Found, Runner } from './mesa.ts';
import { readStatistics } from './statistics.ts';

const readers = { amd: readAmd, nvidia: readNvidia };

export interface Measured {
  readonly driver: string;
  readonly kernels: readonly Kernel[];
}

function loopOf({ isa }: PretendedDevice, label: string, path: string): ProductLoop | undefined {
  if (isa === undefined || !isProduct(label) || !existsSync(path)) return undefined;
  return productLoop(readers[isa](readFileSync(path, 'utf8')));
}

function readKernels(device: PretendedDevice, folder: string, { plans }: Capture): Kernel[] {
  return plans.flatMap(({ name, precision, kernels }) =>
    kernels.map(({ label, key }) => {
      const statistics = readStatistics(readFileSync(join(folder, `${key}.stats`), 'utf8'));
      const loop = loopOf(device, label, join(folder, `${key}.isa`));
      return { plan: name, label, precision, ...statistics, ...(loop === undefined ? {} : { loop }) };
    }),
  );
}

const child = fileURLToPath(new URL('capture.ts', import.meta.url));

/** @param seconds what the child may take */
export function measure(
  run: Runner,
  device: PretendedDevice,
  plans: readonly string[],
  folder: string,
  seconds: number,
): Found<Measured> {
  const own = join(folder, device.name);
  mkdirSync(own, { recursive: true });
  const program = ['--import', import.meta.resolve('tsx'), child];
  const args = [...program, own, plans.join(','), String(device.multiprocessors)];
  const { command, args: all, env } = run(device, process.execPath, args);
  const { status, stdout, stderr, error } = spawnSync(command, all, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 2 ** 28,
    timeout: seconds * 1000,
  });
  if (error !== undefined || status !== 0) {
    const words = error?.message ?? stderr.trim().split('\n').at(-1) ?? '';
    return { ok: false, reason: `${device.name}: the child process ended with ${status}: ${words}` };
  }
  const capture = JSON.parse(stdout) as Capture;
  return { ok: true, value: { driver: capture.driver, kernels: readKernels(device, own, capture) } };
}
