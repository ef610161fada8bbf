/**
 * Products by subgroup matrices without a device: which products take them, with which tile, and that every
 * kernel for every vendor's matrices compiles on Dawn's null backend.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  invocationsOf,
  matrixBytes,
  matrixElement,
  matrixTiles,
  subgroupOf,
} from '../../../compiler/kernels/schedules/matrix.ts';
import { scheduleIds } from '../../../compiler/kernels/schedules/schedules.ts';
import { cheapestTile } from '../../../compiler/kernels/schedules/waves.ts';
import type { Kernel } from '../../../compiler/kernels/text/kernel.ts';
import {
  type DeviceProfile,
  defaultLimits,
  discreteProfile,
  lavapipeProfile,
  matrixConfig,
  subgroupSizeFeature,
} from '../../../compiler/profile.ts';
import {
  amdProfile,
  appleMatrixProfile,
  intelProfile,
  lavapipeMatrixProfile,
  nvidiaProfile,
} from '../../../compiler/profiles-matrix.ts';
import { openNullGpu } from '../../../runtime/node/gpu.ts';
import type { WebGpuDevice } from '../../../runtime/webgpu/device.ts';
import {
  convolutionCases,
  lowerCase,
  type MatrixCase,
  matrixIds,
  productCase,
} from '../../gpu/support/matrix-cases.ts';
import { moduleText } from '../../gpu/support/memory.ts';

const profiles = [nvidiaProfile, amdProfile, intelProfile, appleMatrixProfile, lavapipeMatrixProfile];
const half = { dtype: 'f16' } as const;
const full = { dtype: 'f32' } as const;

describe('subgroup matrices', () => {
  it('take halves where sums are f32, and f32 only as f32', () => {
    for (const profile of [nvidiaProfile, amdProfile, intelProfile, lavapipeMatrixProfile]) {
      expect(matrixElement(profile, half, half)).toBe('f16');
      for (const [a, b] of [
        [full, full],
        [half, full],
        [full, half],
      ] as const)
        expect(matrixElement(profile, a, b), profile.name).toBeUndefined();
    }
    // Apple adds halves up in halves: they are widened instead.
    for (const a of [half, full])
      for (const b of [half, full]) expect(matrixElement(appleMatrixProfile, a, b)).toBe('f32');
    for (const profile of [lavapipeProfile, discreteProfile, { ...nvidiaProfile, kind: 'cpu' as const }])
      expect(matrixElement(profile, half, half)).toBeUndefined();
  });

  it('need the features that their kernels enable', () => {
    for (const missing of ['chromium-experimental-subgroup-matrix', 'subgroups', 'shader-f16']) {
      const features = nvidiaProfile.features.filter((name) => name !== missing);
      expect(matrixElement({ ...nvidiaProfile, features }, half, half), missing).toBeUndefined();
    }
  });

  it('are used in one size for one element type, the largest', () => {
    const sizes = [
      { m: 16, n: 8, k: 16, component: 'f16', result: 'f32' },
      { m: 16, n: 16, k: 16, component: 'f16', result: 'f32' },
      { m: 64, n: 64, k: 64, component: 'f16', result: 'f16' },
      { m: 16, n: 8, k: 8, component: 'f16', result: 'f32' },
    ] as const;
    expect(matrixConfig({ ...nvidiaProfile, matrixConfigs: sizes }, 'f16')).toEqual(sizes[1]);
  });

  it('are cut for the subgroup size that a device has, is asked for, or has at most', () => {
    const range = (min: number, max: number, features = nvidiaProfile.features): DeviceProfile => ({
      ...nvidiaProfile,
      features,
      subgroupSize: { min, max },
    });
    const without = nvidiaProfile.features.filter((name) => name !== subgroupSizeFeature);
    expect(subgroupOf(range(32, 32))).toEqual({ size: 32, known: 'only' });
    expect(subgroupOf(range(32, 64))).toEqual({ size: 32, known: 'asked' });
    expect(subgroupOf(range(8, 16))).toEqual({ size: 16, known: 'most' });
    expect(subgroupOf(range(32, 64, without))).toEqual({ size: 64, known: 'most' });
    const { subgroupSize: _, ...unknown } = nvidiaProfile;
    expect(matrixTiles(unknown)).toEqual([]);
  });

  it('keep within a device’s limits and fill whole matrices', () => {
    for (const profile of profiles) {
      const tight = { ...profile, limits: defaultLimits };
      expect(matrixTiles(tight).length).toBeGreaterThan(0);
      for (const device of [profile, tight])
        for (const tile of matrixTiles(device)) {
          const { config, subgroup } = tile;
          expect(invocationsOf(tile) % subgroup.size).toBe(0);
          expect(invocationsOf(tile)).toBeLessThanOrEqual(device.limits.maxComputeInvocationsPerWorkgroup);
          expect(matrixBytes(tile)).toBeLessThanOrEqual(device.limits.maxComputeWorkgroupStorageSize);
          expect([
            tile.rowsPerSubgroup % config.m,
            tile.columnsPerSubgroup % config.n,
            tile.depth % config.k,
          ]).toEqual([0, 0, 0]);
        }
    }
  });

  it('have larger tiles for larger products', () => {
    const tileFor = (m: number, n: number, batch = 1) => {
      const { rows, columns } = cheapestTile(nvidiaProfile, matrixTiles(nvidiaProfile), { batch, m, n });
      return [rows, columns];
    };
    expect(tileFor(8192, 4096)).toEqual([128, 128]);
    expect(tileFor(3200, 2304)).toEqual([128, 64]);
    expect(tileFor(700, 768)).toEqual([64, 64]);
    expect(tileFor(400, 768)).toEqual([64, 64]);
    expect(tileFor(50, 768)).toEqual([32, 32]);
    expect(tileFor(20, 20, 1000)).toEqual([32, 32]);
  });

  it('have tiles that come out in whole waves of the multiprocessors', () => {
    const tileFor = (multiprocessors: number) => {
      const profile = { ...nvidiaProfile, multiprocessors };
      const { rows, columns } = cheapestTile(profile, matrixTiles(profile), { batch: 1, m: 3200, n: 768 });
      return [rows, columns];
    };
    // 150 tiles of 128×128 or 300 of half the size: 150 and 75 take them in one, or two and four, turns.
    expect([150, 75].map(tileFor)).toEqual([
      [128, 64],
      [128, 128],
    ]);
    expect(tileFor(132)).toEqual([128, 64]);
  });

  it('leave all other products to tiles without them', () => {
    const full = productCase({ m: 64, n: 64, k: 64, operands: 'f32' });
    const [kernel] = lowerCase(full, nvidiaProfile).kernels;
    expect(kernel!.schedule!.id).toMatch(/^w/);
    expect(kernel!.enables).toBeUndefined();
    expect(matrixIds(discreteProfile)).toEqual([]);
    expect(scheduleIds(nvidiaProfile, 'contract').slice(0, 1)).toEqual(matrixIds(nvidiaProfile).slice(0, 1));
  });
});

describe('a slice of K', () => {
  const cases = [
    productCase({ m: 400, n: 768, k: 64, transposeB: true }),
    productCase({ m: 300, n: 200, k: 52 }),
    productCase({ m: 300, n: 200, k: 52, transposeA: true, operands: 'f32' }),
    ...convolutionCases('in vec4s', { x: [2, 16, 9, 8], filters: [36, 3, 3], padding: 1, stride: 2 }),
    ...convolutionCases('of odd sizes', { x: [2, 3, 9, 8], filters: [5, 3, 3], padding: 1 }),
  ];

  // What a load behind a branch costs: compilers wait for it before they begin the next.
  it.each(cases)('is loaded without a branch, before any of it is stored: $name', (one) => {
    for (const { body } of lowerCase(one, nvidiaProfile).kernels) {
      if (!body.includes('a_tile')) continue;
      const staging = /for \(var k0[^{]*\{(.*?)workgroupBarrier/s.exec(body)![1]!;
      const [loads, stores] = [/= [ab]\[|[(]a\[|[(]b\[/g, /[ab]_tile\[/g].map((pattern) =>
        [...staging.matchAll(pattern)].map(({ index }) => index),
      );
      expect(loads!.length).toBeGreaterThan(1);
      expect(Math.max(...loads!)).toBeLessThan(Math.min(...stores!));
      expect(staging.slice(0, Math.max(...loads!))).not.toMatch(/\b(if|for)\b/);
    }
  });
});

describe('kernels of subgroup matrices compile', () => {
  let device: WebGpuDevice;
  beforeAll(async () => {
    device = await openNullGpu();
  });
  afterAll(() => device.close());

  const operands = ['f16', 'f32'] as const;
  const cases: readonly MatrixCase[] = [
    ...operands.flatMap((type) => [
      productCase({ m: 128, n: 256, k: 64, epilogue: true, operands: type }),
      productCase({ m: 50, n: 77, k: 13, batch: 3, transposeA: true, transposeB: true, operands: type }),
      productCase({ m: 64, n: 36, k: 40, transposeA: true, batch: 2, batchedB: true, operands: type }),
      productCase({ m: 40, n: 24, k: 24, epilogue: true, shared: true, operands: type, result: 'f16' }),
    ]),
    ...convolutionCases('in vec4s', { x: [2, 16, 9, 8], filters: [36, 3, 3], padding: 1, stride: 2 }),
    ...convolutionCases('odd', { x: [2, 3, 9, 8], filters: [5, 3, 3], channelsLast: false }),
  ];

  /** As a module, whatever its limits; as a pipeline as well where the null backend's limits allow one. */
  async function compile(kernel: Kernel, profile: DeviceProfile): Promise<void> {
    const { gpu } = device;
    const code = moduleText(kernel);
    await device.scoped(`${profile.name} ${kernel.schedule!.id}`, () => {
      const module = gpu.createShaderModule({ code });
      const tile = matrixTiles(profile).find(({ id }) => id === kernel.schedule!.id)!;
      const fits =
        invocationsOf(tile) <= gpu.limits.maxComputeInvocationsPerWorkgroup &&
        matrixBytes(tile) <= gpu.limits.maxComputeWorkgroupStorageSize &&
        // The null backend has subgroups of up to 128 invocations.
        (invocationsOf(tile) % 128 === 0 || tile.subgroup.known === 'asked');
      if (fits) gpu.createComputePipeline({ layout: 'auto', compute: { module } });
    });
  }

  it.each(profiles.map((profile) => [profile.name, profile] as const))('for %s', async (_, profile) => {
    // Without a way to ask for a size, kernels have to count on more subgroups than they need.
    const features = profile.features.filter((name) => name !== subgroupSizeFeature);
    const ids = matrixIds(profile);
    const used = new Set<string>();
    for (const target of profile.subgroupSize!.min === 32 ? [profile] : [profile, { ...profile, features }])
      for (const c of cases)
        for (const id of ids) {
          const kernels = lowerCase(c, target, id).kernels.filter(({ schedule }) =>
            schedule?.id.startsWith('m'),
          );
          for (const kernel of kernels) {
            used.add(kernel.schedule!.id);
            await compile(kernel, target);
          }
        }
    expect([...used].sort()).toEqual([...ids].sort());
  });
});
