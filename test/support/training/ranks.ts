/** Several ranks of this process as one session: each is fed its rows, and all must report and hold the same bits. */
import { expect } from 'vitest';
import type { Share } from '../../../compiler/autodiff/share-rows.ts';
import type { VerifiedPlan } from '../../../compiler/plan/types.ts';
import type { Collective } from '../../../runtime/dist/collective.ts';
import { DeviceExchange } from '../../../runtime/dist/exchange.ts';
import { loopback } from '../../../runtime/dist/loopback.ts';
import type { Wire } from '../../../runtime/dist/reduction.ts';
import { DeviceTrainSession } from '../../../runtime/train/session.ts';
import type { StepResult, TrainSession } from '../../../runtime/train/types.ts';
import type { Runner } from '../wgsl/text-device.ts';

/** What is nobody's own: everything but times. */
function shared({ exchangeMs: _, ...result }: StepResult): Omit<StepResult, 'exchangeMs'> {
  return result;
}

/** @param buffers false: each rank moves its own, and rank 0's are read */
function asOne(members: readonly TrainSession[], { buffers = true } = {}): TrainSession {
  const [first] = members as [TrainSession];
  return {
    state: first.state,
    async step(batch, hyper) {
      const results = await Promise.all(
        members.map((member, rank) => {
          const inputs = new Map(
            [...batch.inputs].map(([name, data]) => {
              const rows = data.length / members.length;
              return [name, data.slice(rank * rows, (rank + 1) * rows)];
            }),
          );
          return member.step({ inputs, skipped: 0 }, hyper);
        }),
      );
      for (const result of results) expect(shared(result)).toEqual(shared(results[0]!));
      return results[0]!;
    },
    async readState(name) {
      const all = await Promise.all(members.map((member) => member.readState(name)));
      const own = !buffers && name.includes('running_');
      for (const [rank, state] of own ? [] : all.entries())
        expect(state, `${name} of rank ${rank}`).toEqual(all[0]);
      return all[0]!;
    },
    writeState(name, data) {
      for (const member of members) member.writeState(name, data);
    },
    close() {
      for (const member of members) member.close();
    },
  };
}

/** A session of `size` ranks that each run their plan in chunks. */
export async function ranksOn(
  on: Runner,
  planOf: (share: Share) => VerifiedPlan,
  size: number,
  { wire, ...options }: { readonly buffers?: boolean; readonly wire?: Wire } = {},
): Promise<TrainSession> {
  return among(
    size,
    async (group) => {
      const session = await on.open(planOf({ rank: group.rank, ranks: size }));
      return new DeviceTrainSession(session, await DeviceExchange.open(group, on, session, wire));
    },
    options,
  );
}

/** A session of `size` ranks, whatever each of them is. */
export async function among(
  size: number,
  open: (group: Collective) => Promise<TrainSession>,
  options?: { readonly buffers?: boolean },
): Promise<TrainSession> {
  return asOne(await Promise.all(loopback(size).map(open)), options);
}
