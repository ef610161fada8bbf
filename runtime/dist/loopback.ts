/**
 * Several ranks within one process: for tests, and as the meaning of the operations.
 *
 * An operation is done when every rank has called it. Ranks that call different operations are a mistake, which a
 * real library would answer with a hang or with wrong numbers.
 */
import type { Collective } from './collective.ts';

interface Call {
  readonly kind: string;
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
  done(): void;
  failed(error: Error): void;
}

/** @returns the members of one group, by rank */
export function loopback(size: number): Collective[] {
  const waiting = new Map<number, Call>();
  const moves: Record<string, (calls: readonly Call[], rank: number) => void> = {
    gather: (calls, rank) => {
      const { length } = calls[0]!.send;
      calls.forEach(({ send }, from) => {
        calls[rank]!.receive.set(send, from * length);
      });
    },
    exchange: (calls, rank) => {
      const length = calls[rank]!.send.length / size;
      calls.forEach(({ send }, from) => {
        calls[rank]!.receive.set(send.subarray(rank * length, (rank + 1) * length), from * length);
      });
    },
    broadcast: (calls, rank) => {
      calls[rank]!.receive.set(calls[0]!.send);
    },
  };
  const call = (rank: number, move: string, what: string, send: Uint8Array, receive: Uint8Array) =>
    new Promise<void>((done, failed) => {
      const kind = `${move} of ${what}, ${receive.length} bytes`;
      waiting.set(rank, { kind, send: send.slice(), receive, done, failed });
      if (waiting.size < size) return;
      const calls = Array.from({ length: size }, (_, r) => waiting.get(r)!);
      waiting.clear();
      const other = calls.find((c) => c.kind !== kind);
      for (const [r, c] of calls.entries()) {
        if (other === undefined) {
          moves[move]!(calls, r);
          c.done();
        } else c.failed(new Error(`ranks do different things: ${kind}; ${other.kind}`));
      }
    });
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    size,
    allGather: (what, send, receive) => call(rank, 'gather', what, send, receive),
    allToAll: (what, send, receive) => call(rank, 'exchange', what, send, receive),
    broadcast: (what, data) => call(rank, 'broadcast', what, data, data),
    close: async () => {},
    abort: () => {
      for (const c of waiting.values()) c.failed(new Error(`rank ${rank} ended the group`));
    },
  }));
}
