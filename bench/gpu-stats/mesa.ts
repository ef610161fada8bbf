/**
 * Runs a program under a GPU that is not there: by the Mesa that `npm run setup:matrix-driver` unpacked, a stand-in for the
 * kernel's driver, and our layer, which the system's C compiler makes.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Command,
  matrixDriverFolder,
  underUnpacked,
  unpackedLibraries,
  writeManifest,
} from '../../scripts/setup-matrix-driver.ts';
import type { PretendedDevice } from './devices.ts';

export type Found<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

function own(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Compiles the layer into `folder`. */
function makeLayer(folder: string, mesa: string): string | undefined {
  const include = join(mesa, 'root', 'usr', 'include');
  const args = ['-O1', '-Wall', '-Wextra', '-fPIC', '-shared', `-I${include}`];
  const cc = process.env.CC || 'cc';
  const output = join(folder, 'layer.so');
  const { status, stderr, error } = spawnSync(cc, [...args, '-o', output, own('layer.c')], {
    encoding: 'utf8',
  });
  if (error !== undefined)
    return `its Vulkan layer needs a C compiler: ${cc} is not there (or name one by CC)`;
  if (status !== 0) return `${cc} cannot compile its Vulkan layer: ${stderr.split('\n')[0]}`;
  copyFileSync(own('layer.json'), join(folder, 'layer.json'));
  return undefined;
}

export type Runner = (device: PretendedDevice, program: string, args: readonly string[]) => Command;

/** Prepares `folder` for runs, or says what is missing. */
export function prepare(folder: string, mesa = matrixDriverFolder()): Found<Runner> {
  const libraries = unpackedLibraries(mesa);
  if (!existsSync(join(libraries, 'libamdgpu_noop_drm_shim.so')))
    return { ok: false, reason: 'there is no Mesa to compile with (npm run setup:matrix-driver)' };
  mkdirSync(folder, { recursive: true });
  const complaint = makeLayer(folder, mesa);
  if (complaint !== undefined) return { ok: false, reason: complaint };
  return {
    ok: true,
    value: (device, program, args) => {
      const manifest = join(folder, `${device.driver}.json`);
      writeManifest(manifest, join(libraries, `libvulkan_${device.driver}.so`));
      // The shim needs the unpacked C library: LD_PRELOAD would bring it into the system's.
      const shim = join(libraries, `lib${device.shim}_noop_drm_shim.so`);
      const command = underUnpacked(program, args, manifest, mesa, shim);
      const layer = { VK_LAYER_PATH: folder, VK_INSTANCE_LAYERS: 'VK_LAYER_ZOOC_gpu_stats' };
      const cold = {
        MESA_SHADER_CACHE_DISABLE: 'true',
        ZOOC_CACHE: join(folder, 'none'),
        ZOOC_AVOID: '',
        ZOOC_UNSAFE: '',
      };
      return { ...command, env: { ...command.env, ...layer, ...cold, ...device.env } };
    },
  };
}
