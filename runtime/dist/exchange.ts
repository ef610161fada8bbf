/**
 * One training step on several ranks, as a device takes it: each rank encodes its own chunks of the batch, all have
 * the features of all, each computes its rows of the loss over them, where that can be shared, and goes back through its
 * own chunks; the gradients of all are added up, and every rank updates its own copy of the weights in the same way.
 *
 * A plan in chunks already has these cuts. What lies between two of its sections is all that ranks add.
 */
import type { BufferRange, Plan, PlanSection, RankExchange, Slot } from '../../compiler/plan/types.ts';
import type { Device, Session } from '../types.ts';
import { bytesOf, type Collective } from './collective.ts';
import { openReduction, type Reduction, type Wire } from './reduction.ts';

/** What happens between the sections of a step. */
export interface StepExchange {
  /** Repetitions of a section that this rank runs: `[first, end)`. */
  share(section: PlanSection): { readonly first: number; readonly end: number };
  /** Called before the first repetition of all sections with this name. */
  before(name: PlanSection['name'], step: number): Promise<void>;
  /** Called behind a section's repetition that ends with them. @param name of the section */
  among(name: PlanSection['name'], exchanges: readonly RankExchange[], step: number): Promise<void>;
  /** Milliseconds that the exchange of the last step took, on several ranks. */
  readonly milliseconds?: number;
  close(): void;
}

/** A rank without others. */
export const alone: StepExchange = {
  share: ({ repeat }) => ({ first: 0, end: repeat }),
  before: async () => {},
  among: async () => {},
  close: () => {},
};

/** Gradients go through the host in pieces of so many bytes, which bounds its memory. */
export const bucketBytes = 25_000_000;

/** A range of a plan's memory as a slot, for its bits alone. */
function rangeOf(name: string, { buffer, offset }: BufferRange, from: number, bytes: number): Slot {
  return { name, buffer, offset: offset + from, dtype: 'f32', shape: [bytes / 4] };
}

/** Bits of arrays one behind the other. */
function joined(arrays: readonly ArrayBufferView[]): Float32Array {
  const bytes = arrays.map(bytesOf);
  const all = new Uint8Array(bytes.reduce((n, { length }) => n + length, 0));
  let at = 0;
  for (const part of bytes) {
    all.set(part, at);
    at += part.length;
  }
  return new Float32Array(all.buffer);
}

/** In double precision, in the order of ranks. */
function meanOf(ranks: readonly Float32Array[]): Float32Array {
  return ranks[0]!.map((_, i) => ranks.reduce((sum, own) => sum + own[i]!, 0) / ranks.length);
}

/** The exchange of a plan in chunks, over `group`. */
export class DeviceExchange implements StepExchange {
  readonly #group: Collective;
  readonly #session: Session;
  readonly #reduction: Reduction;
  readonly #gradients: Plan['buffers'][number];
  #milliseconds = 0;

  private constructor(group: Collective, session: Session, reduction: Reduction) {
    this.#group = group;
    this.#session = session;
    this.#reduction = reduction;
    this.#gradients = gradientsOf(session.plan);
  }

  /** @param session with a training plan in chunks, whose repetitions the ranks divide */
  static async open(
    group: Collective,
    device: Pick<Device, 'open' | 'profile'>,
    session: Session,
    wire?: Wire,
  ): Promise<DeviceExchange> {
    const most = Math.min(gradientsOf(session.plan).bytes, bucketBytes) / 4;
    return new DeviceExchange(group, session, await openReduction(group, device, most, wire));
  }

  get milliseconds(): number {
    return this.#milliseconds;
  }

  share({ repeat }: PlanSection): { first: number; end: number } {
    if (repeat === 1) return { first: 0, end: 1 };
    const own = repeat / this.#group.size;
    return { first: this.#group.rank * own, end: (this.#group.rank + 1) * own };
  }

  async before(name: PlanSection['name'], step: number): Promise<void> {
    const began = performance.now();
    if (name === 'encode') this.#milliseconds = 0;
    else if (name === 'loss') await this.#gather(`the features of step ${step}`);
    else {
      const sections = this.#session.plan.sections!;
      const previous = sections[sections.findIndex((s) => s.name === name) - 1]!;
      // Every rank has the gradients of what stands behind the features: they count once.
      if (previous.name === 'loss' && this.#group.rank > 0) this.#session.clear(this.#gradients.id);
      if (name === 'update') await this.#reduce(`the gradients of step ${step}`);
    }
    this.#milliseconds += performance.now() - began;
  }

  async among(name: PlanSection['name'], exchanges: readonly RankExchange[], step: number): Promise<void> {
    const began = performance.now();
    const { rank, size } = this.#group;
    const what = `the ${name === 'loss' ? 'loss' : 'statistics'} of step ${step}`;
    // Of a mean a rank has all numbers, of what is gathered its part.
    const parts = exchanges.map((e) => {
      const bytes = e.kind === 'mean' ? e.bytes : e.bytes / size;
      return rangeOf(what, e, e.kind === 'mean' ? 0 : rank * bytes, bytes);
    });
    const own = joined(await Promise.all(parts.map((part) => this.#session.readSlot(part))));
    const all = new Float32Array(own.length * size);
    await this.#group.allGather(what, bytesOf(own), bytesOf(all));
    let at = 0;
    for (const [i, exchange] of exchanges.entries()) {
      const [length] = parts[i]!.shape as [number];
      const ofRanks = Array.from({ length: size }, (_, r) =>
        all.subarray(r * own.length + at, r * own.length + at + length),
      );
      const values = exchange.kind === 'mean' ? meanOf(ofRanks) : joined(ofRanks);
      this.#session.writeSlot(rangeOf(what, exchange, 0, exchange.bytes), values);
      at += length;
    }
    this.#milliseconds += performance.now() - began;
  }

  close(): void {
    this.#reduction.close();
  }

  /** Every rank gets the features of all chunks. */
  async #gather(what: string): Promise<void> {
    const { rank, size } = this.#group;
    const encode = this.#session.plan.sections!.findLast((s) => s.name === 'encode')!;
    for (const { to, bytes } of encode.after) {
      const own = (bytes * encode.repeat) / size;
      const mine = await this.#session.readSlot(rangeOf(what, to, rank * own, own));
      const all = new Float32Array((own / 4) * size);
      await this.#group.allGather(what, bytesOf(mine), bytesOf(all));
      this.#session.writeSlot(rangeOf(what, to, 0, own * size), all);
    }
  }

  /** Adds the gradients of all ranks up, piece by piece. */
  async #reduce(what: string): Promise<void> {
    const { id, bytes } = this.#gradients;
    const piece = 4 * this.#reduction.piece;
    for (let at = 0; at < bytes; at += piece) {
      const range = rangeOf(what, { buffer: id, offset: 0 }, at, Math.min(piece, bytes - at));
      await this.#reduction.add(this.#session, range, what);
    }
  }
}

function gradientsOf(plan: Plan): Plan['buffers'][number] {
  return plan.buffers.find((b) => b.role === 'gradients')!;
}
