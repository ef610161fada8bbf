/** What compilers are known to do wrong with kernels of ours, and why it stays. */

export interface Known {
  readonly device: string;
  readonly family: RegExp;
  readonly what: 'spills' | 'alone';
  readonly reason: string;
}

const known: readonly Known[] = [
  {
    device: 'nv172',
    family: /matmul|convolution/,
    what: 'alone',
    reason:
      'Products on nv172 wait for single loads: NAK makes scalars of a load of four, each with its own bounds check, and takes registers and its six scoreboards anew before all are back. NVIDIA’s own driver is another compiler.',
  },
  {
    device: 'm1',
    family: /attention/,
    what: 'spills',
    reason:
      'Attention on m1 spills: its tiles of 32×32 want more than the 255 registers that Mesa gives an invocation. Apple’s own compiler is another one.',
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
