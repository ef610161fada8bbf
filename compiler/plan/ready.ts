/**
 * Where in the last pass back gradients are complete, so that ranks exchange them while the device computes the rest:
 * the section is cut behind the last step that touches each piece of their arena.
 */
import type { Assembled } from './assemble.ts';
import type { GradientPiece, PlanSection, RankExchange } from './types.ts';

/** @param piece bytes of a piece of the arena; the last one may be shorter */
export function cutAtReady(
  sections: readonly PlanSection[],
  assembled: Pick<Assembled, 'buffers' | 'steps'>,
  piece: number,
): PlanSection[] {
  const lengths = new Set(sections.flatMap((s) => (s.name === 'backward' ? [s.length] : [])));
  return [...lengths].reduce((cut, length) => cutBackward(cut, length, assembled, piece), [...sections]);
}

function cutBackward(
  sections: readonly PlanSection[],
  length: number | undefined,
  { buffers, steps }: Pick<Assembled, 'buffers' | 'steps'>,
  piece: number,
): PlanSection[] {
  const isOwn = (s: PlanSection) => s.name === 'backward' && s.length === length;
  const backward = sections.filter(isOwn);
  const first = backward[0]?.first ?? 0;
  const end = backward.at(-1)?.end ?? 0;
  if (first === end) return [...sections];
  const { id: buffer, bytes } = buffers.find((b) => b.role === 'gradients')!;
  const ready = new Map<number, GradientPiece[]>();
  for (let offset = 0; offset < bytes; offset += piece) {
    const own = { buffer, offset, bytes: Math.min(piece, bytes - offset) };
    const last = steps.slice(first, end).findLastIndex((step) => touches(step, own));
    // What stands behind the features alone is complete before, and waits for a step as well.
    const behind = first + Math.max(last, 0) + 1;
    ready.set(behind, [...(ready.get(behind) ?? []), own]);
  }
  return sections.flatMap((s) => (isOwn(s) ? cut(s, ready) : [s]));
}

export function touches(
  { bindings }: { readonly bindings: Assembled['steps'][number]['bindings'] },
  { buffer, offset, bytes }: GradientPiece | RankExchange,
): boolean {
  return bindings.some((b) => b.buffer === buffer && b.offset < offset + bytes && offset < b.offset + b.size);
}

/** A section in parts, each of which ends where pieces are complete; what comes behind it comes behind the last. */
function cut(
  { clears, before, after, exchanges, ...whole }: PlanSection,
  ready: ReadonlyMap<number, readonly GradientPiece[]>,
): PlanSection[] {
  const inside = [...ready.keys()].filter((end) => end > whole.first && end < whole.end);
  const ends = [...inside.sort((a, b) => a - b), whole.end];
  return ends.map((end, i) => {
    const last = i === ends.length - 1;
    return {
      ...whole,
      first: i === 0 ? whole.first : ends[i - 1]!,
      end,
      clears: i === 0 ? clears : [],
      before: i === 0 ? before : [],
      after: last ? after : [],
      ...(last && exchanges !== undefined ? { exchanges } : {}),
      ...(ready.has(end) ? { ready: ready.get(end)! } : {}),
    };
  });
}
