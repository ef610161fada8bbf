/** What compilers are known to do wrong with kernels of ours, and why it stays. */

export interface Known {
  readonly device: string;
  readonly family: RegExp;
  readonly what: 'spills' | 'alone';
  readonly reason: string;
}

const behindBranch =
  'Some f32 products on AMD wait for one operand before they load the other: where an operand has fewer blocks of 4×4 than a workgroup invocations, its stores stand behind a branch, and Mesa moves the loads of the other operand behind that.';

const known: readonly Known[] = [
  {
    device: 'nv172',
    family: /matmul|convolution/,
    what: 'alone',
    reason:
      'Products on nv172 wait for single loads: NAK makes scalars of a load of four, each with its own bounds check, and takes registers and its six scoreboards anew before all are back. NVIDIA’s own driver is another compiler.',
  },
  {
    device: 'navi31',
    family: /^f32 (?:convolution_128x64|matmul_beside_64x64)$/,
    what: 'alone',
    reason: behindBranch,
  },
  {
    device: 'gfx1201',
    family: /^f32 (?:convolution_128x64|matmul_beside_64x64)$/,
    what: 'alone',
    reason: behindBranch,
  },
  {
    device: 'm1',
    family: /convolution_8x4$/,
    what: 'spills',
    reason:
      'Convolutions on m1 spill: 8 windows at the edges of their pictures, straight from storage, want more than 255 registers.',
  },
];

/** Why a family may have some on a device; undefined where it may not. */
export function reasonFor(device: string, family: string, what: Known['what']): string | undefined {
  return known.find((k) => k.device === device && k.what === what && k.family.test(family))?.reason;
}
