/**
 * What the optimizer keeps where ranks divide it: each rank has its parts of it on its device, and checkpoints, which
 * know nothing of ranks, are written and read whole by rank 0.
 */
import type { Plan, Slot } from '../../compiler/plan/types.ts';
import { type OwnPart, ownParts } from '../../compiler/shards.ts';
import type { Session } from '../types.ts';
import { bytesOf, type Collective } from './collective.ts';

export class ShardedState {
  readonly #group: Collective;
  readonly #session: Session;
  readonly #slots: ReadonlyMap<string, Slot>;
  /** Elements of the arena, of a part, and what of it is this rank's. */
  readonly #elements: number;
  readonly #part: number;
  readonly #own: readonly OwnPart[];
  /**
   * Rank 0's copy of the arenas by their buffers, before the first step and behind a `collect`. What nobody has written
   * is zeros, as on devices.
   */
  #whole: Map<number, Float32Array> | undefined = new Map();

  /** @param session of a plan with `shard` */
  constructor(group: Collective, session: Session) {
    const { buffers, share, shard } = session.plan as Plan & Required<Pick<Plan, 'share' | 'shard'>>;
    this.#group = group;
    this.#session = session;
    this.#slots = new Map(shard.kept.map((slot) => [slot.name, slot]));
    this.#elements = buffers.find((b) => b.role === 'gradients')!.bytes / 4;
    this.#part = shard.part;
    this.#own = ownParts(this.#elements, shard.part, share);
  }

  has(name: string): boolean {
    return this.#slots.has(name);
  }

  /** @param name of what is kept of one weight, whole */
  read(name: string): Float32Array {
    const { buffer, offset, shape } = this.#slots.get(name)!;
    if (this.#whole === undefined) throw new Error(`${name} was not collected`);
    const size = shape.reduce((a, b) => a * b, 1);
    return this.#whole.get(buffer)?.slice(offset / 4, offset / 4 + size) ?? new Float32Array(size);
  }

  write(name: string, data: Float32Array): void {
    const slot = this.#slots.get(name)!;
    const first = slot.offset / 4;
    if (this.#group.rank === 0) this.#wholeOf(slot.buffer).set(data, first);
    for (const { start, elements, kept } of this.#own) {
      const from = Math.max(first, start);
      const end = Math.min(first + data.length, start + elements);
      if (from >= end) continue;
      const place = { ...slot, offset: 4 * (kept + from - start), shape: [end - from] };
      this.#session.writeSlot(place, data.subarray(from - first, end - first));
    }
  }

  async collect(): Promise<void> {
    const { rank, size } = this.#group;
    const what = 'what the optimizer keeps';
    const all = new Float32Array(size * this.#part);
    if (rank === 0) this.#whole = new Map();
    for (const buffer of new Set([...this.#slots.values()].map((slot) => slot.buffer)))
      for (let turn = 0, at = 0; at < this.#elements; turn++, at += all.length) {
        const own = this.#own[turn];
        const sent = new Float32Array(this.#part);
        if (own !== undefined) {
          const place = { name: what, dtype: 'f32', buffer, offset: 4 * own.kept } as const;
          sent.set(await this.#session.readSlot({ ...place, shape: [own.elements] }));
        }
        await this.#group.allGather(what, bytesOf(sent), bytesOf(all));
        if (rank === 0) this.#wholeOf(buffer).set(all.subarray(0, this.#elements - at), at);
      }
  }

  /** What was collected is no longer so. */
  forget(): void {
    this.#whole = undefined;
  }

  #wholeOf(buffer: number): Float32Array {
    if (this.#whole === undefined) throw new Error('what ranks divide is written before the first step');
    const found = this.#whole.get(buffer) ?? new Float32Array(this.#elements);
    this.#whole.set(buffer, found);
    return found;
  }
}
