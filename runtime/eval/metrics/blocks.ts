/** Similarities of every query with every candidate, a block at a time: all of them need never be in memory. */

export interface Block {
  /** [queries, candidates]. */
  readonly scores: Float32Array | Float64Array;
  readonly firstQuery: number;
  readonly firstCandidate: number;
  readonly queries: number;
  readonly candidates: number;
}

/**
 * Hands out all blocks, the same values whenever it is called; those of one query by rising candidate. A block's array
 * is the visitor's only during its call.
 */
export type Visit = (each: (block: Block) => void) => Promise<void>;

/** On the host, in double precision. @param queries [n, width] and `candidates` [m, width] */
export function hostBlocks(queries: Float32Array, candidates: Float32Array, width: number): Visit {
  const m = candidates.length / width;
  return async (each) => {
    const scores = new Float64Array(m);
    for (let query = 0; query < queries.length / width; query++) {
      for (let c = 0; c < m; c++) {
        let sum = 0;
        for (let i = 0; i < width; i++) sum += queries[query * width + i]! * candidates[c * width + i]!;
        scores[c] = sum;
      }
      each({ scores, firstQuery: query, firstCandidate: 0, queries: 1, candidates: m });
    }
  };
}

/** Scores that are there already. @param scores [queries, candidates] */
export function givenBlocks(scores: Float32Array, candidates: number): Visit {
  return async (each) =>
    each({ scores, firstQuery: 0, firstCandidate: 0, queries: scores.length / candidates, candidates });
}
