/** One plan on a device with its weights in place: typed arrays in, named tensors out. It knows no model and no compiler. */

import { outside } from '../../compiler/graph/outside.ts';
import type { Range } from '../../compiler/graph/types.ts';
import { randomInput, randomKeys } from '../../compiler/ops/philox.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import type { Device, HostArray, Session } from '../../runtime/types.ts';

export interface NamedTensor {
  readonly shape: readonly number[];
  readonly data: HostArray;
}

/**
 * Checks ids before anything runs: a GPU would read another row without a word.
 * @throws DiagnosticError Z404
 */
export function checkIds(
  wanted: readonly { readonly name: string; readonly ids?: Range }[],
  inputs: ReadonlyMap<string, ArrayLike<number>>,
  path?: string,
): void {
  for (const { name, ids } of wanted) {
    const values = inputs.get(name);
    if (ids === undefined || values === undefined) continue;
    const bad = outside(values, ids);
    const place = path === undefined ? '' : `${path}: `;
    if (bad >= 0)
      fail(
        'Z404',
        `${place}${name} has id ${values[bad]} at position ${bad}, it takes ${ids.min} to ${ids.max}`,
      );
  }
}

/** The inputs with what training draws random numbers by: the keys of a run's first step, seed 0. */
export function withKeys(inputs: ReadonlyMap<string, HostArray>, batch: number): Map<string, HostArray> {
  return new Map([...inputs, [randomInput, randomKeys(0, 0, 0, batch)]]);
}

export interface ReadyPlan {
  readonly session: Session;
  /**
   * Runs once. `inputs` has what the plan is fed, by name.
   * @throws DiagnosticError Z404
   */
  run(inputs: ReadonlyMap<string, HostArray>): Promise<Map<string, NamedTensor>>;
  close(): void;
}

/**
 * Opens a plan and writes the weights that it reads. Close it when done.
 * @param read the values of one weight, row-major
 */
export async function openPlan(
  device: Pick<Device, 'open'>,
  plan: VerifiedPlan,
  read: (name: string) => Promise<Float32Array>,
): Promise<ReadyPlan> {
  const session = await device.open(plan);
  try {
    for (const slot of plan.weights) session.writeWeight(slot.name, await read(slot.name));
  } catch (error) {
    session.close();
    throw error;
  }
  return {
    session,
    async run(inputs) {
      checkIds(plan.inputs, inputs);
      const fed = withKeys(inputs, plan.batch);
      for (const slot of plan.inputs) session.writeInput(slot.name, fed.get(slot.name)!);
      session.run();
      const results = new Map<string, NamedTensor>();
      for (const { name, shape } of plan.outputs) {
        results.set(name, { shape, data: await session.read(name) });
      }
      return results;
    },
    close: () => session.close(),
  };
}
