/**
 * A WebGPU session on the machine's own adapter, with plans written by hand: results, late reads, errors,
 * memory.
 */
import { describe, expect, it } from 'vitest';
import { openGpu, validateWgsl } from '../../../runtime/node/gpu.ts';
import { addPlan, withFields } from '../../support/plans.ts';
import { deviceForTests } from '../support/device.ts';

const device = deviceForTests();

function ramp(n: number, scale: number): Float32Array {
  return Float32Array.from({ length: n }, (_, i) => i * scale);
}

describe('a WebGPU session', () => {
  it.each([1, 7, 50, 197, 100_003])('adds vectors of %i elements', async (n) => {
    const session = await device().open(addPlan(n));
    session.writeWeight('w', ramp(n, 2));
    session.writeInput('a', ramp(n, 1));
    session.run();
    expect(await session.read('sum')).toEqual(ramp(n, 3));
    expect(await session.read('twice')).toEqual(ramp(n, 6));
    expect(await session.readWeight('w')).toEqual(ramp(n, 2));
    session.close();
  });

  it('resolves late reads with the values of their own run', async () => {
    const session = await device().open(addPlan(3));
    session.writeWeight('w', new Float32Array(3));
    const reads = [];
    for (let i = 0; i < 5; i++) {
      session.writeInput('a', new Float32Array(3).fill(i));
      session.run();
      reads.push(session.readLater(['twice', 'w']));
    }
    const values = await Promise.all(reads);
    expect(values.map((m) => m.get('twice')![2])).toEqual([0, 2, 4, 6, 8]);
    expect(values[4]!.get('w')).toEqual(new Float32Array(3));
    await session.finish();
    session.close();
  });

  it('reads and writes tensors larger than one chunk', async () => {
    const n = 9 * 2 ** 20 + 5;
    const session = await device().open(addPlan(n));
    const w = ramp(n, 0.5);
    session.writeWeight('w', w);
    const back = await session.readWeight('w');
    expect(Buffer.compare(Buffer.from(w.buffer), Buffer.from(back.buffer))).toBe(0);
    session.close();
  });

  it('counts memory and gives it back', async () => {
    const before = device().memory.current;
    const session = await device().open(addPlan(64));
    expect(device().memory.current - before).toBe(4 * 256);
    session.close();
    expect(device().memory.current).toBe(before);
    expect(device().memory.peak).toBeGreaterThanOrEqual(before + 4 * 256);
  });

  it('runs the setup steps after weights were written, and only then', async () => {
    const plan = addPlan(4);
    // The second step doubles the sum of the run before, so that it shows when it ran.
    const setup = [plan.steps[1]!];
    const session = await device().open(withFields(plan, { setup, steps: [plan.steps[0]!] }));
    session.writeInput('a', new Float32Array(4).fill(1));
    const twice = async () => {
      session.run();
      return (await session.read('twice'))[0];
    };
    session.writeWeight('w', new Float32Array(4));
    expect(await twice()).toBe(0);
    expect(await twice()).toBe(0);
    session.writeWeight('w', new Float32Array(4).fill(2));
    expect(await twice()).toBe(2);
    session.close();
  });

  it('refuses wrong sizes and unknown names', async () => {
    const session = await device().open(addPlan(4));
    expect(() => session.writeInput('a', new Float32Array(5))).toThrow(/a wants 4 f32 values, got 5/);
    expect(() => session.writeInput('a', new Int32Array(4))).toThrow(/Int32Array/);
    expect(() => session.writeWeight('x', new Float32Array(4))).toThrow(/no weight x/);
    await expect(session.read('nothing')).rejects.toThrow(/no output nothing/);
    session.close();
    expect(() => session.run()).toThrow(/closed/);
  });
});

describe('errors of a device', () => {
  it('names the kernel that does not compile', async () => {
    const plan = addPlan(4);
    const pipelines = [{ ...plan.pipelines[0]!, wgsl: 'fn main( {' }, plan.pipelines[1]!];
    const before = device().memory.current;
    await expect(device().open(withFields(plan, { pipelines }))).rejects.toThrow(
      /Z604.*compiling kernel add/,
    );
    expect(device().memory.current).toBe(before);
  });

  it('names the step that cannot be bound', async () => {
    const plan = addPlan(4);
    const [first, second] = [plan.steps[0]!, plan.steps[1]!];
    const bindings = [...second.bindings.slice(0, 1), { buffer: 2, offset: 256, size: 4096 }];
    await expect(
      device().open(withFields(plan, { steps: [first, { ...second, bindings }] })),
    ).rejects.toThrow(/Z604.*head\.second: double/);
  });

  it('says which limits a plan exceeds', async () => {
    const plan = addPlan(4);
    const requires = {
      ...plan.requires,
      maxStorageBufferBindingSize: 2 ** 40,
      features: ['no-such-feature'],
    };
    await expect(device().open(withFields(plan, { requires }))).rejects.toThrow(
      /Z603.*maxStorageBufferBindingSize 1099511627776.*feature no-such-feature/,
    );
  });

  it('names the step whose dispatch is invalid, at the next wait', async () => {
    const own = (await openGpu()).device;
    const plan = addPlan(4);
    const steps = [{ ...plan.steps[0]!, workgroups: [1_000_000, 1, 1] as const }, plan.steps[1]!];
    const session = await own.open(withFields(plan, { steps }));
    session.run();
    await expect(session.read('sum')).rejects.toThrow(/Z604.*head\.first: add/);
    own.close();
  });

  it('reports a lost device as one clear error', async () => {
    const own = (await openGpu()).device;
    const session = await own.open(addPlan(4));
    session.run();
    await session.finish();
    own.gpu.destroy();
    await expect(session.read('sum')).rejects.toThrow(/Z606: the device was lost/);
    own.close();
  });
});

describe("Dawn's null backend", () => {
  it('compiles kernels without a driver', async () => {
    await validateWgsl(addPlan(4));
    const plan = addPlan(4);
    const pipelines = [{ ...plan.pipelines[0]!, wgsl: 'fn main( {' }, plan.pipelines[1]!];
    await expect(validateWgsl(withFields(plan, { pipelines }))).rejects.toThrow(/Z604.*kernel add/);
  });
});

describe('polling', () => {
  it('leaves the event loop idle while the device works', async () => {
    const plan = addPlan(4);
    const slow = `
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var x = a[0] + f32(id.x);
  for (var i = 0u; i < 100000u; i++) { x = fma(x, 1.0000001, b[0]); }
  if (x == 12345.0) { sum[0] = x; }
}`;
    const steps = [{ ...plan.steps[0]!, workgroups: [512, 1, 1] as const }, plan.steps[1]!];
    const pipelines = [{ ...plan.pipelines[0]!, wgsl: slow }, plan.pipelines[1]!];
    const session = await device().open(withFields(plan, { steps, pipelines }));
    session.run();
    await session.finish();
    const before = performance.eventLoopUtilization();
    session.run();
    await session.finish();
    const { utilization, active, idle } = performance.eventLoopUtilization(before);
    // Short on a GPU: then the looks at full speed are all there is.
    if (active + idle > 100) expect(utilization).toBeLessThan(0.5);
    session.close();
  });
});
