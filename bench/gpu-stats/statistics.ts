/** What drivers say of a kernel, in one form. */

export interface Statistics {
  readonly registers: number;
  /** Registers that do not fit and live in memory. */
  readonly spills: number;
  /** Bytes of workgroup memory, where the driver tells. */
  readonly memory?: number;
  /** As many of them as a unit of the GPU holds at a time, so that others go on while one waits. */
  readonly waves: number;
}

/** Each driver's names. */
const names = {
  registers: ['VGPRs', 'Number of GPRs', 'GPRs'],
  spills: ['Spilled VGPRs', 'Spills to memory', 'Spills'],
  memory: ['LDS size'],
  waves: ['Subgroups per SIMD', 'Max warps/SM', 'Threads'],
} as const;

/** @param text lines of name, tab and value */
export function readStatistics(text: string): Statistics {
  const values = new Map(
    text.split('\n').map((line): [string, number] => {
      const [name = '', value] = line.split('\t');
      return [name, Number(value)];
    }),
  );
  const find = (field: keyof typeof names): number | undefined =>
    names[field].map((name) => values.get(name)).find((value) => value !== undefined);
  const need = (field: keyof typeof names): number => {
    const value = find(field);
    if (value === undefined || Number.isNaN(value))
      throw new Error(`the driver says nothing of ${field}: ${[...values.keys()].join(', ')}`);
    return value;
  };
  const memory = find('memory');
  return {
    registers: need('registers'),
    spills: need('spills'),
    ...(memory === undefined ? {} : { memory }),
    waves: need('waves'),
  };
}
