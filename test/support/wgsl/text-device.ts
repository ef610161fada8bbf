/**
 * What tests use of a device, by the text of a plan's kernels: the same comparison runs with an adapter and without one.
 */
import { setFlagsFromString } from 'node:v8';
import type { VerifiedPlan } from '../../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../../compiler/profile.ts';
import type { Session } from '../../../runtime/types.ts';
import { PlanRun } from './run-plan.ts';

// Hundreds of kernels that each run a few times: optimising them all takes longer than running them.
for (const flag of ['--always-sparkplug', '--interrupt-budget=1000000']) setFlagsFromString(flag);

/** A device, or its text. */
export interface Runner {
  readonly profile: DeviceProfile;
  open(plan: VerifiedPlan): Promise<Pick<Session, 'writeWeight' | 'writeInput' | 'run' | 'read' | 'close'>>;
}

/** Runs plans that are made for `profile`, or for one with subgroups of the same size. */
export function textDevice(profile: DeviceProfile): Runner {
  return {
    profile,
    async open(plan) {
      const run = new PlanRun(plan, profile.subgroupSize?.max ?? 1);
      const slot = (kind: 'weights' | 'inputs' | 'outputs', name: string) =>
        plan[kind].find((s) => s.name === name)!;
      let ready = false;
      return {
        writeWeight: (name, data) => run.write(slot('weights', name), data),
        writeInput: (name, data) => run.write(slot('inputs', name), data),
        run() {
          if (!ready) run.setup();
          ready = true;
          run.run();
        },
        read: async (name) => run.read(slot('outputs', name)),
        close() {},
      };
    },
  };
}
