/**
 * Weights that pass through the staging buffer: results after every kind of write, on the machine's own adapter and by the
 * text of kernels.
 */
import { describe, expect, it } from 'vitest';
import type { DeviceProfile } from '../../../compiler/profile.ts';
import { NullDevice } from '../../../runtime/null/device.ts';
import type { Session } from '../../../runtime/types.ts';
import {
  stagedInput,
  stagedPlan,
  stagedReference,
  stagedShapes,
  stagedValues,
} from '../../support/staged.ts';
import { softwareText } from '../../support/wgsl/text-device.ts';
import { deviceForTests } from '../support/device.ts';

const own = deviceForTests();
/** Schedules for which the graph derives; the adapter may be a GPU, whose tiles read weights as they are. */
const schedules = ({ architecture: _, ...profile }: DeviceProfile): DeviceProfile => ({
  ...profile,
  kind: 'cpu',
});

const fresh = (seed: number) =>
  new Map(Object.entries(stagedShapes).map(([name, shape]) => [name, stagedValues(shape, seed)]));

async function expectResults(session: Session, weights: ReadonlyMap<string, Float32Array>): Promise<void> {
  session.writeInput('x', stagedInput);
  session.run();
  for (const [name, { data }] of stagedReference(weights)) {
    const found = (await session.read(name)) as Float32Array;
    // Sums of 128 products of numbers up to 3, in f32.
    for (const [i, value] of data.entries()) expect(Math.abs(found[i]! - value)).toBeLessThan(2e-4);
  }
}

describe.each([
  { on: 'the adapter', device: own },
  { on: 'the text of kernels', device: () => softwareText },
])('staged weights on $on', ({ device }) => {
  const open = () => device().open(stagedPlan(schedules(device().profile)));
  const write = (session: Session, weights: ReadonlyMap<string, Float32Array>, names: readonly string[]) => {
    for (const name of names) session.writeWeight(name, weights.get(name)!);
  };
  const order = ({ plan }: Session) => plan.weights.map(({ name }) => name);

  it('give the results of all weights, and of all again', async () => {
    const session = await open();
    for (const seed of [1, 2]) {
      write(session, fresh(seed), order(session));
      await expectResults(session, fresh(seed));
      await expectResults(session, fresh(seed));
    }
    session.close();
  });

  it('give the results of weights in any order, and of one that changes alone', async () => {
    const session = await open();
    const weights = fresh(3);
    write(session, weights, ['gain', 'right', 'shift', 'first', 'left', 'right']);
    await expectResults(session, weights);
    const changed = new Map([...weights, ['first', stagedValues(stagedShapes.first!, 4)] as const]);
    write(session, changed, ['first']);
    await expectResults(session, changed);
    session.close();
  });

  it('refuse a run until what was derived from others is written again', async () => {
    const session = await open();
    const weights = fresh(5);
    expect(() => session.run()).toThrow(/have to be written before a run: first/);
    write(session, weights, order(session));
    await expectResults(session, weights);
    const changed = new Map([...weights, ['gain', stagedValues([128], 6)] as const]);
    write(session, changed, ['gain']);
    // Right was last, and still lies there.
    expect(() => session.run()).toThrow(/before a run: left$/);
    write(session, changed, ['left']);
    await expectResults(session, changed);
    session.close();
  });

  it('are not read back', async () => {
    const session = await open();
    write(session, fresh(7), order(session));
    await expect((async () => session.readWeight('left'))()).rejects.toThrow(/only as what is derived/);
    await expect((async () => session.readLater(['left']))()).rejects.toThrow(/only as what is derived/);
    expect(await session.readWeight('gain')).toEqual(stagedValues([128], 7));
    session.close();
  });
});

it('the null device refuses what others refuse', async () => {
  const session = await new NullDevice().open(stagedPlan(softwareText.profile));
  expect(() => session.run()).toThrow(/have to be written before a run/);
  for (const [name, data] of fresh(1)) session.writeWeight(name, data);
  // Gain and shift came behind first, in front of left and right.
  session.run();
  await expect(session.readWeight('left')).rejects.toThrow(/only as what is derived/);
  session.writeWeight('shift', fresh(2).get('shift')!);
  expect(() => session.run()).toThrow(/before a run: left$/);
});
