import { describe, expect, it } from 'vitest';
import type { Batch } from '../../runtime/data/types.ts';
import { DeviceExchange } from '../../runtime/dist/exchange.ts';
import { loopback } from '../../runtime/dist/loopback.ts';
import { planTraining, traceLoss } from '../../runtime/train/plan.ts';
import { DeviceTrainSession } from '../../runtime/train/session.ts';
import { settingsFor } from '../../runtime/train/supported.ts';
import type { TrainSession } from '../../runtime/train/types.ts';
import { checkSteps, stepRecipe, stepRuns } from '../support/training/steps.ts';
import { softwareText } from '../support/wgsl/text-device.ts';

function together(members: TrainSession[]): TrainSession {
  const first = members[0]!;
  return {
    state: first.state,
    async step(batch: Batch, hyper) {
      const R = members.length;
      const results = await Promise.all(
        members.map((m, r) => {
          const inputs = new Map(
            [...batch.inputs].map(([name, data]) => [
              name,
              data.slice((r * data.length) / R, ((r + 1) * data.length) / R),
            ]),
          );
          return m.step({ inputs, skipped: 0 }, hyper);
        }),
      );
      for (const r of results) expect(r).toEqual(results[0]);
      return results[0]!;
    },
    async readState(name) {
      const all = await Promise.all(members.map((m) => m.readState(name)));
      for (const a of all) expect(a).toEqual(all[0]);
      return all[0]!;
    },
    writeState(name, data) {
      for (const m of members) m.writeState(name, data);
    },
    close() {
      for (const m of members) m.close();
    },
  };
}

describe('ranks', () => {
  it.each(stepRuns)('%s', async (name) => {
    for (const R of [2]) {
      const probe = stepRecipe(name);
      console.log(name, probe.batch);
      const recipe = stepRecipe(name, probe.batch / R);
      const { settings } = settingsFor(recipe, traceLoss(recipe));
      const { plan } = planTraining(recipe, softwareText.profile);
      const sessions = await Promise.all(
        loopback(R).map(async (group) => {
          const session = await softwareText.open(plan);
          return new DeviceTrainSession(session, await DeviceExchange.open(group, softwareText, session));
        }),
      );
      await checkSteps(recipe, settings, together(sessions), {
        loss: 1e-6,
        moved: 1e-4,
        movedInProjBias: 1e-2,
      });
    }
  });
});
