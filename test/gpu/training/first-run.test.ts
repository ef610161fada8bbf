/** A session that is watched while its kernels run for the first time: all are counted, in order, and no bit changes. */
import { expect, it } from 'vitest';
import { planTraining, traceLoss } from '../../../runtime/train/plan.ts';
import { DeviceTrainSession } from '../../../runtime/train/session.ts';
import { settingsFor } from '../../../runtime/train/supported.ts';
import type { OpenWatch } from '../../../runtime/types.ts';
import { checkSteps, stepRecipe } from '../../support/training/steps.ts';
import { deviceForTests } from '../support/device.ts';

const device = deviceForTests();

it.each([undefined, 2])('a watched run (chunk %s)', async (chunk) => {
  const recipe = stepRecipe('coca', chunk);
  const { settings } = settingsFor(recipe, traceLoss(recipe));
  const { plan } = planTraining(recipe, device().profile);
  const told = { compiled: [] as number[], ran: [] as number[] };
  const count = (list: number[]) => (done: number, of: number) => {
    expect(of).toBe(plan.pipelines.length);
    list.push(done);
  };
  const run = async (watch: OpenWatch) => {
    const session = new DeviceTrainSession(await device().open(plan, watch));
    // As steps.test.ts, which says why.
    await checkSteps(recipe, settings, session, { loss: 1e-6, moved: 1e-4, movedInProjBias: 1e-2 });
    const state = await Promise.all(session.state.map(({ name }) => session.readState(name)));
    session.close();
    return state;
  };
  expect(await run({ compiled: count(told.compiled), ran: count(told.ran) })).toEqual(await run({}));
  const all = Array.from({ length: plan.pipelines.length }, (_, i) => i + 1);
  expect(told.compiled).toEqual(all);
  expect([...new Set(told.ran)]).toEqual(all);
});
