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
import type { Device, Session } from '../types.ts';
import { bytesOf, type Collective } from './collective.ts';

export type Wire = NonNullable<Recipe['wire']>;

export interface Reduction {
  /** Elements of a piece at most: a part for each rank. */
  readonly piece: number;
  /**
   * Overwrites a range of a session's memory with its sum over all ranks.
   * @param range f32 [n], as long on every rank
   */
  add(session: Session, range: Slot, what: string): Promise<void>;
  close(): void;
}

/** Elements of a rank's part of a piece: a multiple of these. */
const partOf = 64;

type Opener = Pick<Device, 'open' | 'profile'>;

/** @param most elements that a piece should have at most, and need not have more */
export async function openReduction(
  group: Collective,
  device: Opener,
  most: number,
  wire?: Wire,
): Promise<Reduction> {
  const shape = [group.size, Math.ceil(most / group.size / partOf) * partOf] as const;
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

class FloatReduction implements Reduction {
  readonly piece: number;
  readonly #group: Collective;
  readonly #sum: Session;

  constructor(group: Collective, [ranks, elements]: Parts, sum: Session) {
    this.piece = ranks * elements;
    this.#group = group;
    this.#sum = sum;
  }

  async add(session: Session, range: Slot, what: string): Promise<void> {
    const own = await session.readSlot(range);
    const sent = new Float32Array(this.piece);
    sent.set(own);
    const parts = new Float32Array(this.piece);
    await this.#group.allToAll(what, bytesOf(sent), bytesOf(parts));
    this.#sum.writeInput('parts', parts);
    this.#sum.run();
    const sum = await this.#sum.read('sum');
    await this.#group.allGather(what, bytesOf(sum), bytesOf(parts));
    session.writeSlot(range, parts.subarray(0, own.length));
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
 * Packed on the device, so that half the bytes go through the host as well. The sum is rounded before anybody has it,
 * its maker included.
 */
class HalfReduction implements Reduction {
  readonly piece: number;
  readonly #group: Collective;
  readonly #pack: Session;
  /** What came: its numbers, and their sum over the ranks in halves again. */
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
        return { numbers, sum: pack(b, new Expressions(b).sum(numbers, [0], true)) };
      }),
    );
  }

  async add(session: Session, range: Slot, what: string): Promise<void> {
    const { shape } = range;
    const [own] = this.#pack.plan.inputs;
    // What is left of a longer piece would count in the scale.
    if (shape[0]! < this.piece) this.#pack.clear(own!.buffer);
    this.#pack.copyFrom(session, range, { ...own!, shape });
    this.#pack.run();
    const sent = await this.#pack.read('packed');
    const words = new Int32Array(sent.length);
    await this.#group.allToAll(what, bytesOf(sent), bytesOf(words));
    this.#unpack.writeInput('words', words);
    this.#unpack.run();
    const sum = await this.#unpack.read('sum');
    await this.#group.allGather(what, bytesOf(sum), bytesOf(words));
    this.#unpack.writeInput('words', words);
    this.#unpack.run();
    const numbers = this.#unpack.plan.outputs.find(({ name }) => name === 'numbers');
    session.copyFrom(this.#unpack, { ...numbers!, shape }, range);
  }

  close(): void {
    this.#pack.close();
    this.#unpack.close();
  }
}
