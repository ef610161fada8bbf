/** Adapter choice, the null device and the split of a plan into submits: nothing here needs an adapter. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultLimits, deviceClass, lavapipeProfile } from '../../../compiler/profile.ts';
import { NullDevice } from '../../../runtime/null/device.ts';
import { cutAtFirstUses, submitSpans } from '../../../runtime/submits.ts';
import {
  type AdapterReport,
  type AdapterType,
  adapterType,
  chooseAdapter,
  describeAdapter,
  profileOf,
} from '../../../runtime/webgpu/adapter.ts';
import { addPlan, withFields } from '../../support/plans.ts';

function report(name: string, type: AdapterType): AdapterReport {
  return {
    backend: 'vulkan',
    name,
    vendor: 'vendor',
    architecture: '',
    driver: `${name} driver`,
    type,
    limits: defaultLimits,
    features: ['shader-f16', 'texture-compression-bc'],
  };
}

/** What Dawn says of Apple's GPUs under Mesa's driver. */
const honeykrisp = { vendor: 'mesa', architecture: 'software', description: 'Honeykrisp: Mesa 26.1.6' };

const gpu = report('Big GPU', 'discrete');
const small = report('Small GPU', 'integrated');
const software = report('llvmpipe (LLVM 15.0.6, 256 bits)', 'software');

describe('choosing an adapter', () => {
  it('prefers discrete to integrated to software, and says why', () => {
    expect(chooseAdapter([software, small, gpu])).toEqual({
      index: 2,
      because: 'discrete adapters come before integrated and software ones',
    });
    expect(chooseAdapter([software, small]).because).toBe('integrated adapters come before software ones');
    expect(chooseAdapter([software])).toEqual({ index: 0, because: 'it is the only adapter (software)' });
    expect(chooseAdapter([gpu, gpu]).because).toMatch(/listed first of 2/);
  });

  it('follows ZOOC_ADAPTER, and lists what there is when it matches nothing', () => {
    expect(chooseAdapter([gpu, software], 'LLVM').index).toBe(1);
    expect(() => chooseAdapter([gpu, software], 'riva')).toThrow(
      /Z602.*no adapter matches ZOOC_ADAPTER=riva/,
    );
    expect(chooseAdapter([gpu, software], '').index).toBe(0);
  });

  it('without any adapter says so in one line, with the remedy', () => {
    try {
      chooseAdapter([]);
      expect.unreachable();
    } catch (error) {
      const [diagnostic] = (error as { diagnostics: { code: string; message: string; help: string }[] })
        .diagnostics;
      expect(diagnostic).toMatchObject({
        code: 'Z601',
        message: 'no WebGPU adapter was found on this machine',
      });
      expect(diagnostic!.help).toContain('npm run setup:driver');
    }
  });

  it.each([
    ['llvmpipe (LLVM 15.0.6, 256 bits)', { vendor: 'mesa' }, 'software'],
    ['SwiftShader Device (Subzero)', { vendor: 'google' }, 'software'],
    ['Anything', { vendor: 'x', isFallbackAdapter: true }, 'software'],
    ['NVIDIA H100 80GB HBM3', { vendor: 'nvidia' }, 'discrete'],
    ['AMD Radeon RX 7900 XTX (RADV NAVI31)', { vendor: 'amd' }, 'discrete'],
    ['AMD Radeon Graphics (RADV RENOIR)', { vendor: 'amd' }, 'integrated'],
    ['Intel(R) UHD Graphics 620', { vendor: 'intel' }, 'integrated'],
    ['Intel(R) Arc(tm) A770 Graphics', { vendor: 'intel' }, 'discrete'],
    ['Apple M3', { vendor: 'apple' }, 'integrated'],
    ['Apple M1 (G13G A0)', honeykrisp, 'integrated'],
  ])('%s', (name, info, type) => {
    const whole = { architecture: '', device: '', description: '', isFallbackAdapter: false, ...info };
    expect(adapterType(name, whole as unknown as GPUAdapterInfo)).toBe(type);
  });

  it('takes Apple’s GPUs under Mesa’s driver for Apple’s', () => {
    const adapter = { info: honeykrisp, limits: defaultLimits, features: new Set<string>() };
    const described = describeAdapter(adapter as unknown as GPUAdapter, 'vulkan', 'Apple M1 (G13G A0)');
    expect(described).toMatchObject({ vendor: 'apple', architecture: '', type: 'integrated' });
    expect(deviceClass(profileOf(described))).toBe('apple');
  });

  it('makes a profile with the features that kernels use', () => {
    expect(profileOf(software)).toMatchObject({ kind: 'cpu', features: ['shader-f16'] });
    expect(profileOf(gpu)).toMatchObject({ kind: 'gpu', limits: defaultLimits });
  });

  it('knows how many multiprocessors a card has by its name', () => {
    const count = (name: string, type: AdapterType = 'discrete') =>
      profileOf(report(name, type)).multiprocessors;
    expect(count('NVIDIA H200')).toBe(132);
    expect(count('NVIDIA GeForce RTX 4070 Ti SUPER')).toBe(66);
    expect(count('NVIDIA GeForce RTX 4070')).toBe(46);
    expect(count('NVIDIA A100-SXM4-80GB')).toBe(108);
    expect(count('NVIDIA A10')).toBe(72);
    expect(count('AMD Radeon RX 7900 XTX (RADV NAVI31)')).toBe(96);
    expect(count('Intel(R) Arc(tm) B580 Graphics (BMG G21)')).toBe(20);
    expect(count('Apple M2 Max', 'integrated')).toBe(38);
    expect(count('AMD Radeon Graphics', 'integrated')).toBe(8);
    // Of others the compiler assumes one.
    expect(count('Voodoo 3')).toBeUndefined();
    expect(count('llvmpipe M1', 'software')).toBeUndefined();
  });

  it('knows Chromium’s software driver by vendor and architecture, in pages as in Node', () => {
    const info = { vendor: 'google', architecture: 'swiftshader', device: '', description: '' };
    const adapter = { info, limits: {}, features: new Set(['subgroups']) } as unknown as GPUAdapter;
    const inPage = describeAdapter(adapter, 'browser');
    expect(inPage).toMatchObject({ name: 'google swiftshader', type: 'software' });
    for (const known of [inPage, describeAdapter(adapter, 'vulkan', 'SwiftShader Device (Subzero)')]) {
      expect(deviceClass(profileOf(known))).toBe('swiftshader');
    }
    expect(deviceClass(profileOf(software))).toBe('software');
  });
});

describe('the null device', () => {
  it('keeps weights, checks sizes and gives zeros', async () => {
    const device = new NullDevice();
    const session = await device.open(addPlan(5));
    session.writeWeight('w', Float32Array.of(1, 2, 3, 4, 5));
    session.writeInput('a', new Float32Array(5));
    session.run();
    expect(await session.read('sum')).toEqual(new Float32Array(5));
    expect(await session.readWeight('w')).toEqual(Float32Array.of(1, 2, 3, 4, 5));
    expect((await session.readLater(['w', 'sum'])).get('w')![4]).toBe(5);
    expect(() => session.writeInput('a', new Float32Array(6))).toThrow(/a wants 5/);
    expect(() => session.writeHyper([1, 2, 3, 4])).toThrow(/no hyper buffer/);
    expect(device.memory).toEqual({ current: 1024, peak: 1024 });
    session.close();
    expect(device.memory).toEqual({ current: 0, peak: 1024 });
  });

  it('finds plans that leave their buffers or the limits', async () => {
    const device = new NullDevice();
    const plan = addPlan(5);
    const [first, second] = [plan.steps[0]!, plan.steps[1]!];
    const outside = { ...second, bindings: [second.bindings[0]!, { buffer: 2, offset: 256, size: 512 }] };
    await expect(device.open(withFields(plan, { steps: [first, outside] }))).rejects.toThrow(
      /step 1 \(head\.second: double\): \[256, 768\) is outside of buffer 2/,
    );
    const unaligned = { ...second, bindings: [second.bindings[0]!, { buffer: 2, offset: 4, size: 4 }] };
    await expect(device.open(withFields(plan, { steps: [unaligned] }))).rejects.toThrow(/not aligned/);
    await expect(
      device.open(withFields(plan, { steps: [{ ...first, workgroups: [70000, 1, 1] }] })),
    ).rejects.toThrow(/70000 x 1 x 1 workgroups/);
    await expect(device.open(withFields(plan, { pipelines: [] }))).rejects.toThrow(/no pipeline 0/);
    const requires = { ...plan.requires, maxBufferSize: 2 ** 40 };
    await expect(new NullDevice(lavapipeProfile).open(withFields(plan, { requires }))).rejects.toThrow(
      /Z603.*maxBufferSize/,
    );
  });
});

describe('the split into submits', () => {
  it('covers every step once, in order, within the budget where a single step allows it', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100)), fc.integer({ min: 1, max: 200 }), (flops, budget) => {
        const spans = submitSpans(
          flops.map((f) => ({ flops: f })),
          budget,
        );
        const covered = spans.flatMap(({ start, end }) => flops.slice(start, end));
        expect(covered).toEqual(flops);
        for (const { start, end } of spans) {
          const sum = flops.slice(start, end).reduce((a, b) => a + b, 0);
          expect(end === start + 1 || sum <= budget).toBe(true);
        }
      }),
    );
  });

  it('is cut before every first use of a kernel where that is watched', () => {
    const steps = [0, 0, 1, 0, 2, 1, 3].map((pipeline) => ({ pipeline }));
    const used = new Set([3]);
    const spans = cutAtFirstUses(
      steps,
      [
        { start: 0, end: 5 },
        { start: 5, end: 7 },
      ],
      used,
    );
    expect(spans).toEqual([
      { start: 0, end: 2, kernels: 2 },
      { start: 2, end: 4, kernels: 3 },
      { start: 4, end: 5, kernels: 4 },
      { start: 5, end: 7, kernels: 4 },
    ]);
    expect([...used]).toEqual([3, 0, 1, 2]);
  });
});
