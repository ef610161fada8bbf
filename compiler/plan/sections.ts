/**
 * The sections of a chunked training step: which steps repeat for every chunk, and which copies carry
 * features across.
 */
import type { Assembled } from './assemble.ts';
import { touches } from './ready.ts';
import type { BufferRange, ChunkCopy, PlanSection, RankExchange } from './types.ts';

/** A lowered part of the step. */
export interface ChunkedPart {
  readonly name: 'encode' | 'loss' | 'backward';
  /** Of its texts, where there are several of the name. */
  readonly length?: number;
  readonly steps: number;
}

/** One feature at the cut, by the names of its tensors: of a chunk and of the batch. */
export interface CutTensor {
  readonly feature: string;
  readonly gathered: string;
  /** Of one chunk. */
  readonly bytes: number;
  /** The gradients of the batch and of a chunk, where trained weights stand behind the feature. */
  readonly backward?: { readonly gradient: string; readonly seed: string };
}

const once = { repeat: 1, clears: [], before: [], after: [] } as const;

/** step (of the length that its texts have), update. @param parts the steps of each length */
export function lengthSections(
  parts: readonly { readonly length: number; readonly steps: number }[],
): (assembled: Assembled) => PlanSection[] {
  return ({ steps }) => {
    let end = 0;
    const sections = parts.map(({ length, steps: count }): PlanSection => {
      const first = end;
      end += count;
      return { name: 'step', length, first, end, ...once };
    });
    return [...sections, { name: 'update', first: end, end: steps.length, ...once }];
  };
}

/**
 * encode (each chunk): inputs to features, put beside those of the other chunks. loss (once): gradients start
 * from zero. backward (each chunk): its features' gradients to those of the weights. update (once).
 */
export function chunkSections(
  parts: readonly ChunkedPart[],
  tensors: readonly CutTensor[],
  repeat: number,
): (assembled: Assembled) => PlanSection[] {
  return (assembled) => {
    const { locate, buffers, steps, parts: handed } = assembled;
    const io = (name: string): BufferRange => locate('io', name);
    const features = (name: string): BufferRange => locate('features', name);
    const copies = {
      after: tensors.map(
        (t): ChunkCopy => ({
          from: io(`output ${t.feature}`),
          to: features(t.gathered),
          bytes: t.bytes,
          advances: 'to',
        }),
      ),
      before: tensors.flatMap(({ backward, bytes }): ChunkCopy[] => {
        if (backward === undefined) return [];
        const { gradient, seed } = backward;
        return [{ from: features(gradient), to: io(`input ${seed}`), bytes, advances: 'from' }];
      }),
    };
    let end = 0;
    const sections = parts.flatMap(({ name, length, steps: count }): PlanSection[] => {
      const first = end;
      end += count;
      const gradients = buffers.filter((b) => b.role === 'gradients').map((b) => b.id);
      const whole: PlanSection = {
        name,
        ...(length === undefined ? {} : { length }),
        first,
        end,
        repeat: name === 'loss' ? 1 : repeat,
        clears: name === 'loss' ? gradients : [],
        before: name === 'backward' ? copies.before : [],
        after: name === 'encode' ? copies.after : [],
      };
      return cutAtExchanges(whole, assembled);
    });
    const update: PlanSection = { name: 'update', first: end, end: steps.length, ...once };
    return [...sections, ...(handed.size === 0 ? [update] : cutAtParts(update, handed))];
  };
}

/** A section in parts, each of which ends where ranks hand each other something. */
function cutAtParts(whole: PlanSection, handed: Assembled['parts']): PlanSection[] {
  let first = whole.first;
  return [...handed].map(([end, parts]) => {
    const section = { ...whole, first, end, parts };
    first = end;
    return section;
  });
}

/**
 * A section in parts, each of which but the last ends where ranks exchange something. What kernels one behind the other
 * make is exchanged at once, as long as none of them reads what another one gives.
 */
function cutAtExchanges(whole: PlanSection, { exchanges, steps }: Assembled): PlanSection[] {
  const groups: { end: number; readonly exchanges: RankExchange[] }[] = [];
  for (const [step, exchange] of exchanges) {
    if (step < whole.first || step >= whole.end) continue;
    const last = groups.at(-1);
    const reads = (e: RankExchange) => touches(steps[step]!, e);
    if (last?.end === step && last.exchanges[0]!.kind === exchange.kind && !last.exchanges.some(reads)) {
      last.exchanges.push(exchange);
      last.end = step + 1;
    } else groups.push({ end: step + 1, exchanges: [exchange] });
  }
  const ends = [...groups.map(({ end }) => end), whole.end];
  return ends.map((end, i) => ({
    ...whole,
    first: i === 0 ? whole.first : ends[i - 1]!,
    end,
    clears: i === 0 ? whole.clears : [],
    before: i === 0 ? whole.before : [],
    after: i === groups.length ? whole.after : [],
    ...(i === groups.length ? {} : { exchanges: groups[i]!.exchanges }),
  }));
}
