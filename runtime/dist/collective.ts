/**
 * What ranks do together. A rank is one process (or, in tests, one of several in a process) with a device of
 * its own; all ranks call the same operations in the same order.
 *
 * Everything moves as bytes, and nothing is added up on the way: sums are ours, in the order of ranks, so they do
 * not depend on the library that carries the bytes.
 */

/** The ranks of a run. Arrays belong to the call until its promise is settled. */
export interface Collective {
  /** From 0; rank 0 writes the run's files. */
  readonly rank: number;
  readonly size: number;
  /**
   * Puts what each rank sends one behind the other, by rank.
   * @param what names the operation, for whoever waits: "the features of step 3"
   * @param receive `size` times as long as `send`
   */
  allGather(what: string, send: Uint8Array, receive: Uint8Array): Promise<void>;
  /**
   * Sends part s of `send` to rank s, and puts what comes one behind the other, by rank.
   * @param send `size` parts of equal length; `receive` is as long
   */
  allToAll(what: string, send: Uint8Array, receive: Uint8Array): Promise<void>;
  /** Overwrites `data` with that of rank 0. */
  broadcast(what: string, data: Uint8Array): Promise<void>;
  /** Leaves the group, when all are done. */
  close(): Promise<void>;
  /** Ends the processes of all ranks; the caller has said why. */
  abort(): void;
}

/** A group of one. */
export const single: Collective = {
  rank: 0,
  size: 1,
  async allGather(_what, send, receive) {
    receive.set(send);
  },
  async allToAll(_what, send, receive) {
    receive.set(send);
  },
  async broadcast() {},
  async close() {},
  abort() {},
};

/** An array of numbers as its bytes. */
export function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The numbers of every rank, by rank. @param own as many on every rank */
export async function allNumbers(
  group: Collective,
  what: string,
  own: readonly number[],
): Promise<readonly (readonly number[])[]> {
  const all = new Float64Array(group.size * own.length);
  await group.allGather(what, bytesOf(Float64Array.from(own)), bytesOf(all));
  return Array.from({ length: group.size }, (_, rank) => [
    ...all.subarray(rank * own.length, (rank + 1) * own.length),
  ]);
}

/** A text of every rank, by rank. */
export async function allTexts(group: Collective, what: string, own: string): Promise<string[]> {
  const bytes = new TextEncoder().encode(own);
  const lengths = (await allNumbers(group, what, [bytes.length])).map(([length]) => length!);
  const longest = Math.max(...lengths);
  const padded = new Uint8Array(longest);
  padded.set(bytes);
  const all = new Uint8Array(group.size * longest);
  await group.allGather(what, padded, all);
  return lengths.map((length, rank) =>
    new TextDecoder().decode(all.subarray(rank * longest, rank * longest + length)),
  );
}

/** The text of rank 0; the other ranks give none. */
export async function textOfFirst(group: Collective, what: string, own?: string): Promise<string> {
  const bytes = new TextEncoder().encode(own ?? '');
  const length = Float64Array.of(bytes.length);
  await group.broadcast(what, bytesOf(length));
  const text = group.rank === 0 ? bytes : new Uint8Array(length[0]!);
  await group.broadcast(what, text);
  return new TextDecoder().decode(text);
}
