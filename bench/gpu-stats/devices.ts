/** GPUs that Mesa compiles for without having them: by which driver, and which stand-in for the kernel's. */

export interface PretendedDevice {
  readonly name: string;
  readonly title: string;
  /** Mesa's Vulkan driver: `libvulkan_….so`. */
  readonly driver: string;
  /** What stands in for the kernel's driver: `lib…_noop_drm_shim.so`. */
  readonly shim: string;
  /** What tells it which GPU to be. */
  readonly env: Readonly<Record<string, string>>;
  readonly isa?: 'amd' | 'nvidia';
  /** The card's, since names that shims give do not tell. */
  readonly multiprocessors: number;
  /** What the driver counts as waves. */
  readonly waves: string;
}

const amd = { driver: 'radeon', shim: 'amdgpu', isa: 'amd', waves: 'waves a SIMD' } as const;

export const devices: readonly PretendedDevice[] = [
  {
    ...amd,
    name: 'navi31',
    title: 'AMD RX 7900 XTX (RDNA 3)',
    env: { AMDGPU_GPU_ID: 'navi31' },
    multiprocessors: 96,
  },
  {
    ...amd,
    name: 'gfx1201',
    title: 'AMD RX 9070 XT (RDNA 4)',
    env: { AMDGPU_GPU_ID: 'gfx1201' },
    multiprocessors: 64,
  },
  {
    name: 'nv172',
    title: 'NVIDIA RTX 3090 (GA102), by Mesa’s own compiler',
    driver: 'nouveau',
    shim: 'nouveau',
    env: { NOUVEAU_CHIPSET: '172' },
    isa: 'nvidia',
    multiprocessors: 82,
    waves: 'warps a multiprocessor',
  },
  {
    name: 'm1',
    title: 'Apple M1, by Mesa’s own compiler',
    driver: 'asahi',
    shim: 'asahi',
    env: {},
    // The driver shows no instructions.
    multiprocessors: 8,
    waves: 'threads of a workgroup',
  },
];
