/**
 * What a library has to offer to be measured; one file of this folder each, loaded only in its own process.
 */
import type { ProductRow, Row } from '../rows.ts';
import { modelWork, type productOperands, type Work } from '../work.ts';

/** A row ready to run. */
export interface Runner {
  /** One call: inputs go from the host to the device, the result comes back. */
  run(): Promise<Float32Array>;
  close(): Promise<void> | void;
}

/** What a library has to do in a row, with the operands at hand. */
export type Job =
  | { readonly kind: 'products'; readonly row: ProductRow; readonly length: number }
  | { readonly kind: 'tower'; readonly work: Work }
  | { readonly kind: 'training'; readonly work: Work };

export interface Contestant {
  /** A sentence when the library cannot do the job at all. */
  refuses?(job: Job): string | undefined;
  /** Reads operands into the library's own form on the host; not measured. */
  prepare(job: Job): Promise<Prepared>;
}

/** From here to the first result is what "first result" measures. */
export type Prepared = () => Promise<Runner>;

export const contestantNames = ['zooc', 'jax-js', 'onnxruntime', 'tfjs'] as const;
export type ContestantName = (typeof contestantNames)[number];

export function jobOf(row: Row, length: number): Job {
  if (row.kind === 'products') return { kind: 'products', row, length };
  const work = modelWork(row.test);
  return { kind: row.test.training ? 'training' : 'tower', work };
}

export type Operands = ReturnType<typeof productOperands>;

/** The chain of a products row through a library's own product. */
export function chain<T>(
  { a, b, c }: { readonly a: T; readonly b: T; readonly c: T },
  length: number,
  matmul: (x: T, y: T) => T,
): T {
  let x = a;
  for (let i = 0; i < length; i++) x = matmul(x, i % 2 === 0 ? b : c);
  return x;
}
