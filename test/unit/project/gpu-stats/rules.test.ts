/** What the drivers' statistics say, what of a family is kept, and what makes `npm run gpu-stats` fail. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { devices } from '../../../../bench/gpu-stats/devices.ts';
import { familiesOf, type Kernel } from '../../../../bench/gpu-stats/families.ts';
import { reasonFor } from '../../../../bench/gpu-stats/known.ts';
import {
  printAll,
  printRecorded,
  type Recorded,
  readRecorded,
} from '../../../../bench/gpu-stats/recorded.ts';
import { violations } from '../../../../bench/gpu-stats/rules.ts';
import { readStatistics } from '../../../../bench/gpu-stats/statistics.ts';

const statistics = (name: string) =>
  readStatistics(
    readFileSync(
      fileURLToPath(new URL(`../../../fixtures/gpu-stats/${name}.stats`, import.meta.url)),
      'utf8',
    ),
  );

const loop = { instructions: 100, loads: 8, waits: 1, alone: 0 };
const product: Kernel = {
  plan: 'vit-b32-mixed',
  label: 'matmul_matrix_128x64.3',
  precision: 'mixed',
  registers: 120,
  spills: 0,
  waves: 8,
  loop,
};

const recordedOn = (device: string, kernels: readonly Kernel[] = [product]): Recorded => ({
  device,
  driver: 'driver',
  families: familiesOf(kernels),
});

describe('statistics', () => {
  it('are read from what each driver calls them', () => {
    expect(statistics('navi31')).toEqual({ registers: 72, spills: 0, memory: 8192, waves: 16 });
    expect(statistics('nv172')).toEqual({ registers: 48, spills: 0, waves: 40 });
    expect(statistics('m1')).toEqual({ registers: 255, spills: 43, waves: 384 });
  });

  it('of a driver that says nothing of registers are an error that lists what it says', () => {
    expect(() => readStatistics('Threads\t4\nSpills\t0')).toThrow(/nothing of registers: Threads, Spills/);
  });
});

describe('a family', () => {
  it('is the worst of its kernels, of waves the fewest', () => {
    const other = { ...product, label: 'matmul_matrix_128x64.12', registers: 96, waves: 6, memory: 64 };
    const { loop: _, ...without } = { ...product, label: 'matmul_matrix_128x64.4' };
    expect(familiesOf([product, other, without])).toEqual({
      'mixed matmul_matrix_128x64': { kernels: 3, registers: 120, spills: 0, memory: 64, waves: 6, loop },
    });
  });
});

describe('gpu-stats', () => {
  const found = (kernel: Partial<Kernel>, device = 'navi31', compared = true) =>
    violations([{ ...product, ...kernel }], recordedOn(device), compared);

  it('accepts what is recorded, and what is better', () => {
    expect(found({})).toEqual([]);
    expect(found({ waves: 12, registers: 160 })).toEqual([]);
  });

  it('names kernel, device, number and recorded number of a spill', () => {
    expect(found({ spills: 3 })).toEqual([
      'navi31 vit-b32-mixed matmul_matrix_128x64.3: 3 registers spilled, recorded 0',
    ]);
  });

  it('refuses a spill that was recorded, unless a reason is known', () => {
    const window = { ...product, label: 'convolution_8x4.1', spills: 18 };
    const check = (device: string, spills: number) =>
      violations([{ ...window, spills }], recordedOn(device, [window]), true);
    expect(check('navi31', 18)).toEqual([
      'navi31 vit-b32-mixed convolution_8x4.1: 18 registers spilled, recorded 18',
    ]);
    expect(check('m1', 18)).toEqual([]);
    expect(check('m1', 19)).toEqual([
      'm1 vit-b32-mixed convolution_8x4.1: 19 registers spilled, recorded 18',
    ]);
  });

  it('refuses a load that is waited for alone', () => {
    expect(found({ loop: { ...loop, alone: 1 } })).toEqual([
      'navi31 vit-b32-mixed matmul_matrix_128x64.3: 1 loads waited for alone in a turn of the loop over K, recorded 0',
    ]);
  });

  it('refuses fewer waves and more waits than recorded, by the same compiler', () => {
    expect(found({ waves: 7 })).toEqual(['navi31 vit-b32-mixed matmul_matrix_128x64.3: 7 waves, recorded 8']);
    expect(found({ loop: { ...loop, waits: 2 } })).toHaveLength(1);
    expect(found({ waves: 7, loop: { ...loop, waits: 2 } }, 'navi31', false)).toEqual([]);
  });

  it('holds a family that nobody recorded to the rules alone', () => {
    expect(found({ label: 'matmul_new.1', waves: 1 })).toEqual([]);
    expect(found({ label: 'matmul_new.1', spills: 1 })).toEqual([
      'navi31 vit-b32-mixed matmul_new.1: 1 registers spilled, recorded nothing',
    ]);
  });
});

describe('what the repository keeps', () => {
  it.each(devices.map((d) => [d.name, d] as const))(
    'has a reason for all that breaks a rule on %s',
    (name, device) => {
      const { families } = readRecorded(device);
      expect(Object.keys(families).length).toBeGreaterThan(20);
      const unexplained = Object.entries(families).flatMap(([family, { spills, loop: k }]) => [
        ...(spills > 0 && reasonFor(name, family, 'spills') === undefined
          ? [`${family}: ${spills} spilled`]
          : []),
        ...((k?.alone ?? 0) > 0 && reasonFor(name, family, 'alone') === undefined
          ? [`${family}: alone`]
          : []),
      ]);
      expect(unexplained).toEqual([]);
    },
  );

  it('is printed for people as it stands', () => {
    const all = devices.map((device) => readRecorded(device));
    const page = readFileSync(
      fileURLToPath(new URL('../../../../bench/gpu-stats/results/README.md', import.meta.url)),
      'utf8',
    );
    expect(page).toBe(printAll(all));
    expect(JSON.parse(printRecorded(all[0]!))).toEqual(all[0]);
  });
});
