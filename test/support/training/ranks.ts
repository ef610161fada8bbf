/** Several ranks of this process as one session: each is fed its rows, and all must report and hold the same bits. */
import { expect } from 'vitest';
import type { VerifiedPlan } from '../../../compiler/plan/types.ts';
import type { Share } from '../../../compiler/shards.ts';
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

interface OneOptions {
  /** False: each rank moves its own, and rank 0's are read. */
  readonly buffers?: boolean;
  /** What rank 0 alone has, behind a `collect`. */
  readonly divided?: ReadonlySet<string>;
}

function asOne(
  members: readonly TrainSession[],
  { buffers = true, divided = new Set() }: OneOptions = {},
): TrainSession {
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
    async collect() {
      await Promise.all(members.map((member) => member.collect?.()));
    },
    async readState(name) {
      if (divided.has(name)) return first.readState(name);
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
  const plans = Array.from({ length: size }, (_, rank) => planOf({ rank, ranks: size }));
  const divided = new Set(plans[0]!.shard?.kept.map(({ name }) => name));
  return among(
    size,
    async (group) => {
      const session = await on.open(plans[group.rank]!);
      return new DeviceTrainSession(session, await DeviceExchange.open(group, on, session, wire));
    },
    { ...options, divided },
  );
}

/** A session of `size` ranks, whatever each of them is. */
export async function among(
  size: number,
  open: (group: Collective) => Promise<TrainSession>,
  options?: OneOptions,
): Promise<TrainSession> {
  return asOne(await Promise.all(loopback(size).map(open)), options);
}
