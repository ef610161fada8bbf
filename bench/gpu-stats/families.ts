/** Kernels with what their compiler made of them, and the worst of each family, which is what the repository keeps. */
import type { ProductLoop } from './isa/product-loop.ts';
import type { Statistics } from './statistics.ts';

export interface Kernel extends Statistics {
  readonly plan: string;
  /** As in the plan: `matmul_64x64.3`. */
  readonly label: string;
  readonly precision: string;
  /** Of products and convolutions, where the driver shows instructions and K is not short enough for none. */
  readonly loop?: ProductLoop;
}

/** The worst of a family: of waves the fewest, of all else the most. */
export interface Family extends Statistics {
  readonly kernels: number;
  readonly loop?: ProductLoop;
}

/** `mixed matmul_matrix_128x64`: the sizes of a tile are part of a family, the number of a kernel is not. */
export function familyOf({ label, precision }: Pick<Kernel, 'label' | 'precision'>): string {
  return `${precision} ${label.replace(/\.\d+$/, '')}`;
}

export function isProduct(label: string): boolean {
  return /^(matmul|convolution)/.test(label);
}

function worstLoop(loops: readonly ProductLoop[]): ProductLoop {
  const most = (field: keyof ProductLoop): number => Math.max(...loops.map((l) => l[field]));
  return {
    instructions: most('instructions'),
    loads: most('loads'),
    waits: most('waits'),
    alone: most('alone'),
  };
}

function worstOf(kernels: readonly Kernel[]): Family {
  const loops = kernels.flatMap((k) => k.loop ?? []);
  const memory = kernels.flatMap((k) => k.memory ?? []);
  return {
    kernels: kernels.length,
    registers: Math.max(...kernels.map((k) => k.registers)),
    spills: Math.max(...kernels.map((k) => k.spills)),
    ...(memory.length === 0 ? {} : { memory: Math.max(...memory) }),
    waves: Math.min(...kernels.map((k) => k.waves)),
    ...(loops.length === 0 ? {} : { loop: worstLoop(loops) }),
  };
}

export function familiesOf(kernels: readonly Kernel[]): Record<string, Family> {
  const names = [...new Set(kernels.map(familyOf))].sort();
  return Object.fromEntries(
    names.map((name) => [name, worstOf(kernels.filter((k) => familyOf(k) === name))]),
  );
}
