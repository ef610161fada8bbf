/**
 * Adds a piece of gradients up over ranks: each sums its part of it on its device, in the order of ranks, and hands
 * the sum to the others, so all have the same bits.
 */
import { compileGraph } from '../../compiler/compile.ts';
import type { Builder } from '../../compiler/graph/builder.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import type { DType } from '../../compiler/graph/types.ts';
import type { Recipe } from '../../compiler/model/types.ts';
import { Expressions } from '../../compiler/ops/expressions.ts';
import type { Slot } from '../../compiler/plan/types.ts';
import type { Device, HostArray, Session } from '../types.ts';
import { bytesOf, type Collective } from './collective.ts';

export type Wire = NonNullable<Recipe['wire']>;

/**
 * Adds pieces up in steps, so that one may be read while another travels. Each step submits what it asks of the device
 * at once, so that pieces may follow each other before a promise is settled.
 */
export interface Reduction {
  /** Elements of a piece at most: a part for each rank. */
  readonly piece: number;
  /**
   * Reads a piece as it crosses.
   * @param range f32 [n] of a session's memory, as long on every rank
   */
  take(session: Session, range: Slot): Promise<HostArray>;
  /** Hands a piece out, and adds up this rank's part of it. @returns the sum, on its way to the host */
  sum(taken: HostArray, what: string): Promise<{ readonly sum: Promise<HostArray> }>;
  /** Overwrites the range with the sums of all ranks. */
  share(sum: HostArray, session: Session, range: Slot, what: string): Promise<void>;
  /** In place of both: overwrites this rank's part of the range alone; the others are nothing any more. */
  keep(taken: HostArray, session: Session, range: Slot, what: string): Promise<void>;
  close(): void;
}

type Opener = Pick<Device, 'open' | 'profile'>;

/** @param part elements of a rank's part of a piece, a multiple of `leastPart` */
export async function openReduction(
  group: Collective,
  device: Opener,
  part: number,
  wire?: Wire,
): Promise<Reduction> {
  const shape = [group.size, part] as const;
  return wire === 'f16'
    ? HalfReduction.open(group, device, shape)
    : new FloatReduction(group, shape, await openSum(device, shape));
}

/** Rows by rank, and the elements of a part. */
type Parts = readonly [ranks: number, elements: number];

/** A session with one input. @param results nodes by the names of outputs */
function openLittle(
  device: Opener,
  input: { readonly name: string; readonly dtype: DType; readonly shape: readonly number[] },
  results: (b: Builder, input: number) => Readonly<Record<string, number>>,
): Promise<Session> {
  const b = createBuilder();
  const outputs = Object.entries(results(b, b.add('input', [], input)));
  const graph = b.finish(outputs.map(([name, node]) => ({ name, node })));
  const { profile } = device;
  return device.open(
    compileGraph(graph, { model: 'ranks', entry: input.name, batch: 1, mode: 'eval', profile }),
  );
}

function openSum(device: Opener, shape: Parts): Promise<Session> {
  return openLittle(device, { name: 'parts', dtype: 'f32', shape }, (b, parts) => ({
    sum: new Expressions(b).sum(parts, [0]),
  }));
}

/** A rank's part of a range of a piece; undefined where the range ends before it. */
function ownOf(range: Slot, rank: number, part: number): Slot | undefined {
  const start = rank * part;
  const elements = Math.min(part, range.shape[0]! - start);
  return elements <= 0 ? undefined : { ...range, offset: range.offset + 4 * start, shape: [elements] };
}

/** Copies the beginning of an output. @param to undefined: nothing */
function copyOutput(from: Session, name: string, session: Session, to: Slot | undefined): void {
  if (to === undefined) return;
  const output = from.plan.outputs.find((o) => o.name === name)!;
  session.copyFrom(from, { ...output, shape: to.shape }, to);
}

class FloatReduction implements Reduction {
  readonly piece: number;
  readonly #group: Collective;
  readonly #sum: Session;

  constructor(group: Collective, [ranks, elements]: Parts, sum: Session) {
    this.piece = ranks * elements;
    this.#group = group;
    this.#sum = sum;
  }

  async take(session: Session, range: Slot): Promise<Float32Array> {
    const sent = new Float32Array(this.piece);
    sent.set(await session.readSlot(range));
    return sent;
  }

  async sum(taken: HostArray, what: string): Promise<{ sum: Promise<HostArray> }> {
    await this.#scatter(taken, what);
    return { sum: this.#sum.read('sum') };
  }

  async share(sum: HostArray, session: Session, range: Slot, what: string): Promise<void> {
    const all = new Float32Array(this.piece);
    await this.#group.allGather(what, bytesOf(sum), bytesOf(all));
    session.writeSlot(range, all.subarray(0, range.shape[0]));
  }

  async keep(taken: HostArray, session: Session, range: Slot, what: string): Promise<void> {
    await this.#scatter(taken, what);
    const { rank, size } = this.#group;
    copyOutput(this.#sum, 'sum', session, ownOf(range, rank, this.piece / size));
  }

  /** Leaves the sum of this rank's part in the session's output. */
  async #scatter(taken: HostArray, what: string): Promise<void> {
    const parts = new Float32Array(this.piece);
    await this.#group.allToAll(what, bytesOf(taken), bytesOf(parts));
    this.#sum.writeInput('parts', parts);
    this.#sum.run();
  }

  close(): void {
    this.#sum.close();
  }
}

/** Rows of f32 as scaled halves. */
function pack(b: Builder, rows: number): number {
  const e = new Expressions(b);
  const extreme = (op: 'max' | 'min') => b.add(op, [rows], { axes: [1], keep: true });
  return b.add('pack_halves', [rows, e.binary('maximum', extreme('max'), e.neg(extreme('min')))], {});
}

/**
 * Packed on the device, so that half the bytes go through the host as well. A sum that is handed out is rounded before
 * anybody has it, its maker included.
 */
class HalfReduction implements Reduction {
  readonly piece: number;
  readonly #group: Collective;
  readonly #pack: Session;
  /** What came: its numbers, their sum over the ranks, and the same in halves again. */
  readonly #unpack: Session;

  private constructor(group: Collective, [ranks, elements]: Parts, pack: Session, unpack: Session) {
    this.piece = ranks * elements;
    this.#group = group;
    this.#pack = pack;
    this.#unpack = unpack;
  }

  static async open(group: Collective, device: Opener, shape: Parts): Promise<HalfReduction> {
    const own = { name: 'own', dtype: 'f32', shape } as const;
    const words = { name: 'words', dtype: 'i32', shape: [shape[0], shape[1] / 2 + 1] } as const;
    return new HalfReduction(
      group,
      shape,
      await openLittle(device, own, (b, rows) => ({ packed: pack(b, rows) })),
      await openLittle(device, words, (b, came) => {
        const numbers = b.add('unpack_halves', [came], {});
        const total = new Expressions(b).sum(numbers, [0], true);
        return { numbers, total, sum: pack(b, total) };
      }),
    );
  }

  take(session: Session, range: Slot): Promise<HostArray> {
    const { shape } = range;
    const [own] = this.#pack.plan.inputs;
    // What is left of a longer piece would count in the scale.
    if (shape[0]! < this.piece) this.#pack.clear(own!.buffer);
    this.#pack.copyFrom(session, range, { ...own!, shape });
    this.#pack.run();
    return this.#pack.read('packed');
  }

  async sum(taken: HostArray, what: string): Promise<{ sum: Promise<HostArray> }> {
    await this.#scatter(taken, what);
    return { sum: this.#unpack.read('sum') };
  }

  async share(sum: HostArray, session: Session, range: Slot, what: string): Promise<void> {
    const words = new Int32Array(sum.length * this.#group.size);
    await this.#group.allGather(what, bytesOf(sum), bytesOf(words));
    this.#unpack.writeInput('words', words);
    this.#unpack.run();
    copyOutput(this.#unpack, 'numbers', session, range);
  }

  async keep(taken: HostArray, session: Session, range: Slot, what: string): Promise<void> {
    await this.#scatter(taken, what);
    const { rank, size } = this.#group;
    copyOutput(this.#unpack, 'total', session, ownOf(range, rank, this.piece / size));
  }

  /** Leaves the sum of this rank's part in the session's outputs. */
  async #scatter(taken: HostArray, what: string): Promise<void> {
    const words = new Int32Array(taken.length);
    await this.#group.allToAll(what, bytesOf(taken), bytesOf(words));
    this.#unpack.writeInput('words', words);
    this.#unpack.run();
  }

  close(): void {
    this.#pack.close();
    this.#unpack.close();
  }
}
