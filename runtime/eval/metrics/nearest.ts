/** Classification by the nearest neighbours of known class. */
import type { Visit } from './blocks.ts';

export interface Neighbour {
  readonly index: number;
  readonly similarity: number;
}

/**
 * The `k` most similar candidates of each query, best first; of equal ones the first stands first.
 * @param queries how many there are
 */
export async function nearest(visit: Visit, queries: number, k: number): Promise<Neighbour[][]> {
  const found = Array.from({ length: queries }, (): Neighbour[] => []);
  await visit(({ scores, firstQuery, firstCandidate, queries: rows, candidates }) => {
    for (let q = 0; q < rows; q++) {
      const best = found[firstQuery + q]!;
      for (let c = 0; c < candidates; c++) {
        const similarity = scores[q * candidates + c]!;
        if (best.length < k || similarity > best[k - 1]!.similarity)
          insert(best, { index: firstCandidate + c, similarity }, k);
      }
    }
  });
  return found;
}

/** Behind those that are as good. */
function insert(best: Neighbour[], candidate: Neighbour, k: number): void {
  let low = 0;
  let high = best.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (best[middle]!.similarity >= candidate.similarity) low = middle + 1;
    else high = middle;
  }
  best.splice(low, 0, candidate);
  if (best.length > k) best.pop();
}

/**
 * The class with most votes of the neighbours, the smallest of equal ones.
 * @param temperature votes count exp(similarity / temperature); without it all count the same
 */
export function vote(
  neighbours: readonly Neighbour[],
  labels: ArrayLike<number>,
  temperature?: number,
): number {
  const votes = new Map<number, number>();
  const best = neighbours[0]!.similarity;
  for (const { index, similarity } of neighbours) {
    // Relative to the best, so that no exponential overflows.
    const weight = temperature === undefined ? 1 : Math.exp((similarity - best) / temperature);
    const label = labels[index]!;
    votes.set(label, (votes.get(label) ?? 0) + weight);
  }
  let winner: readonly [number, number] | undefined;
  for (const [label, count] of votes) {
    if (winner === undefined || count > winner[1] || (count === winner[1] && label < winner[0]))
      winner = [label, count];
  }
  return winner![0];
}
