/**
 * One training step on several ranks, as a device takes it: each rank encodes its own chunks of the batch, all have
 * the features of all, each computes its rows of the loss over them, where that can be shared, and goes back through its
 * own chunks; the gradients of all are added up, and every rank updates its own copy of the weights in the same way.
 * Where ranks divide what the optimizer keeps, a rank has the sums of its parts alone, updates these, and hands the
 * weights out.
 *
 * A plan in chunks already has these cuts. What lies between two of its sections is all that ranks add.
 */
import type {
  BufferRange,
  GradientPiece,
  Plan,
  PlanSection,
  RankExchange,
  RankParts,
  Slot,
} from '../../compiler/plan/types.ts';
import { bucketBytes, leastPart, partElements } from '../../compiler/shards.ts';
import { joinedFloats } from '../joined.ts';
import type { Device, Session } from '../types.ts';
import { allNumbers, bytesOf, type Collective } from './collective.ts';
import { PieceChain } from './pieces.ts';
import { openReduction, type Reduction, type Wire } from './reduction.ts';
import { ShardedState } from './shards.ts';

/** What happens between the sections of a step. */
export interface StepExchange {
  /** Repetitions of a section that this rank runs: `[first, end)`. */
  share(section: PlanSection): { readonly first: number; readonly end: number };
  /** The largest number of any rank, one by one; as many on each. */
  longest(own: readonly number[], step: number): Promise<readonly number[]>;
  /** Called before the first repetition of all sections with this name. */
  before(name: PlanSection['name'], step: number): Promise<void>;
  /** Called behind a section's repetition that ends with them. @param name of the section */
  among(name: PlanSection['name'], exchanges: readonly RankExchange[], step: number): Promise<void>;
  /** Called behind a section whose last repetition here leaves gradients complete; goes on behind the next ones. */
  ready(pieces: readonly GradientPiece[], step: number): Promise<void>;
  /** Called behind a section that ends with it. */
  hand(parts: RankParts, step: number): Promise<void>;
  /** What ranks divide of what the optimizer keeps. */
  readonly kept?: ShardedState;
  /** Milliseconds that the last step waited for its exchange with nothing left for the device to do, on several ranks. */
  readonly milliseconds?: number;
  close(): void;
}

/** A rank without others. */
export const alone: StepExchange = {
  share: ({ repeat }) => ({ first: 0, end: repeat }),
  longest: async (own) => own,
  before: async () => {},
  among: async () => {},
  ready: async () => {},
  hand: async () => {},
  close: () => {},
};

/** Bytes of parts that ranks hand each other in one message: whole turns, so that what is short goes in one. */
export function bytesAtOnce(part: number, ranks: number): number {
  const turn = part * ranks;
  return Math.max(1, Math.floor(bucketBytes / turn)) * turn;
}

/** A range of a plan's memory as a slot, for its bits alone. */
function rangeOf(name: string, { buffer, offset }: BufferRange, from: number, bytes: number): Slot {
  return { name, buffer, offset: offset + from, dtype: 'f32', shape: [bytes / 4] };
}

/** In double precision, in the order of ranks. */
function meanOf(ranks: readonly Float32Array[]): Float32Array {
  return ranks[0]!.map((_, i) => ranks.reduce((sum, own) => sum + own[i]!, 0) / ranks.length);
}

/** The exchange of a plan in chunks, over `group`. */
export class DeviceExchange implements StepExchange {
  readonly kept?: ShardedState;
  readonly #group: Collective;
  readonly #session: Session;
  readonly #reduction: Reduction;
  readonly #gradients: Plan['buffers'][number];
  readonly #pieces: PieceChain;
  #milliseconds = 0;

  private constructor(group: Collective, session: Session, reduction: Reduction) {
    this.#group = group;
    this.#session = session;
    this.#reduction = reduction;
    this.#gradients = gradientsOf(session.plan);
    if (session.plan.shard !== undefined) this.kept = new ShardedState(group, session);
    this.#pieces = new PieceChain(reduction, session, this.kept !== undefined);
  }

  /** @param session with a training plan in chunks, whose repetitions the ranks divide */
  static async open(
    group: Collective,
    device: Pick<Device, 'open' | 'profile'>,
    session: Session,
    wire?: Wire,
  ): Promise<DeviceExchange> {
    const { shard, sections = [] } = session.plan;
    const ready = sections.flatMap((s) => s.ready ?? []);
    const pieces = ready.length === 0 ? [gradientsOf(session.plan)] : ready;
    const longest = Math.max(...pieces.map(({ bytes }) => bytes));
    const part = shard?.part ?? partElements(longest / 4, group.size, leastPart);
    return new DeviceExchange(group, session, await openReduction(group, device, part, wire));
  }

  get milliseconds(): number {
    return this.#milliseconds;
  }

  share({ repeat }: PlanSection): { first: number; end: number } {
    if (repeat === 1) return { first: 0, end: 1 };
    const own = repeat / this.#group.size;
    return { first: this.#group.rank * own, end: (this.#group.rank + 1) * own };
  }

  async longest(own: readonly number[], step: number): Promise<readonly number[]> {
    const all = await allNumbers(this.#group, `the lengths of texts of step ${step}`, own);
    return own.map((_, i) => Math.max(...all.map((rank) => rank[i]!)));
  }

  async before(name: PlanSection['name'], step: number): Promise<void> {
    if (name === 'encode') this.#milliseconds = 0;
    else if (name === 'loss') await this.#waiting(this.#gather(`the features of step ${step}`));
    else {
      const sections = this.#session.plan.sections!;
      const previous = sections[sections.findIndex((s) => s.name === name) - 1]!;
      // Every rank has the gradients of what stands behind the features: they count once.
      if (previous.name === 'loss' && this.#group.rank > 0) this.#session.clear(this.#gradients.id);
      if (name === 'update') await this.#reduce(step);
    }
  }

  among(name: PlanSection['name'], exchanges: readonly RankExchange[], step: number): Promise<void> {
    return this.#waiting(this.#among(name, exchanges, step));
  }

  async ready(pieces: readonly GradientPiece[], step: number): Promise<void> {
    for (const { bytes, ...place } of pieces) {
      const what = gradientsAt(step);
      await this.#waiting(this.#pieces.begin(rangeOf(what, place, 0, bytes), what));
    }
  }

  hand(parts: RankParts, step: number): Promise<void> {
    return this.#waiting(this.#hand(parts, step));
  }

  close(): void {
    this.#reduction.close();
  }

  /** Counts the time of an exchange in which the device has nothing to do. */
  async #waiting(exchange: Promise<void>): Promise<void> {
    let idle: number | undefined;
    const seen = () => {
      idle = performance.now();
    };
    // Why it fails is told by the exchange, or by who waits next.
    this.#session.finish().then(seen, () => {});
    await exchange;
    if (idle !== undefined) this.#milliseconds += performance.now() - idle;
  }

  async #among(name: PlanSection['name'], exchanges: readonly RankExchange[], step: number): Promise<void> {
    // One exchange at a time, in the same order on all ranks.
    await this.#pieces.end(gradientsAt(step));
    const { rank, size } = this.#group;
    const what = `the ${name === 'loss' ? 'loss' : 'statistics'} of step ${step}`;
    // Of a mean a rank has all numbers, of what is gathered its part.
    const parts = exchanges.map((e) => {
      const bytes = e.kind === 'mean' ? e.bytes : e.bytes / size;
      return rangeOf(what, e, e.kind === 'mean' ? 0 : rank * bytes, bytes);
    });
    const own = joinedFloats(await Promise.all(parts.map((part) => this.#session.readSlot(part))));
    const all = new Float32Array(own.length * size);
    await this.#group.allGather(what, bytesOf(own), bytesOf(all));
    let at = 0;
    for (const [i, exchange] of exchanges.entries()) {
      const [length] = parts[i]!.shape as [number];
      const ofRanks = Array.from({ length: size }, (_, r) =>
        all.subarray(r * own.length + at, r * own.length + at + length),
      );
      const values = exchange.kind === 'mean' ? meanOf(ofRanks) : joinedFloats(ofRanks);
      this.#session.writeSlot(rangeOf(what, exchange, 0, exchange.bytes), values);
      at += length;
    }
  }

  async #hand({ buffer, offset, bytes, part }: RankParts, step: number): Promise<void> {
    const { rank, size } = this.#group;
    const what = `the weights of step ${step}`;
    const turn = size * part;
    const longest = bytesAtOnce(part, size);
    for (let at = 0; at < bytes; at += longest) {
      const held = Math.min(longest, bytes - at);
      const turns = Math.ceil(held / turn);
      const place = (from: number, end: number) =>
        rangeOf(what, { buffer, offset: offset + at }, from, end - from);
      const sent = new Float32Array((turns * part) / 4);
      const from = rank * part;
      const end = Math.min(held, (turns - 1) * turn + from + part);
      if (from < end) {
        const own = (await this.#session.readSlot(place(from, end))) as Float32Array;
        for (let t = 0; t < turns; t++)
          sent.set(own.subarray((t * turn) / 4, (t * turn + part) / 4), (t * part) / 4);
      }
      const all = new Float32Array(size * sent.length);
      await this.#group.allGather(what, bytesOf(sent), bytesOf(all));
      this.#session.writeSlot(place(0, held), byTurns(all, size, turns).subarray(0, held / 4));
    }
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

  /** All gradients of all ranks are added up, piece by piece: those that were begun with, or all. */
  async #reduce(step: number): Promise<void> {
    const { id: buffer, bytes } = this.#gradients;
    const piece = 4 * this.#reduction.piece;
    const early = this.#session.plan.sections!.some(({ ready }) => ready !== undefined);
    for (let offset = 0; offset < bytes && !early; offset += piece)
      await this.ready([{ buffer, offset, bytes: Math.min(piece, bytes - offset) }], step);
    await this.#waiting(this.#pieces.end(gradientsAt(step)));
  }
}

const gradientsAt = (step: number) => `the gradients of step ${step}`;

/** What lies by ranks, the turns of each one behind the other, as turns of all. */
function byTurns(all: Float32Array, ranks: number, turns: number): Float32Array {
  if (turns === 1) return all;
  const part = all.length / ranks / turns;
  const found = new Float32Array(all.length);
  for (let rank = 0; rank < ranks; rank++)
    for (let turn = 0; turn < turns; turn++) {
      const from = (rank * turns + turn) * part;
      found.set(all.subarray(from, from + part), (turn * ranks + rank) * part);
    }
  return found;
}

function gradientsOf(plan: Plan): Plan['buffers'][number] {
  return plan.buffers.find((b) => b.role === 'gradients')!;
}
