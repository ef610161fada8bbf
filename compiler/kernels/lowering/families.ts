/**
 * Which rule lowers which op: the tables of all kernel families in one. An op whose role is `kernel` and that
 * has no line here is a compile error; leaves, views and what passes rewrite have none.
 */
import type { NodeOf } from '../../graph/types.ts';
import type { KernelOp } from '../../ops/index.ts';
import { attentionLowerings } from '../attention/attention.ts';
import { embeddingLowerings } from '../moves/embedding.ts';
import { mapLowerings } from '../moves/map.ts';
import { maxPoolLowerings } from '../moves/max-pool.ts';
import { moveLowerings } from '../moves/move.ts';
import { packedHalfLowerings } from '../moves/packed-halves.ts';
import { sortLowerings } from '../moves/sort.ts';
import { contractLowerings } from '../products/contract.ts';
import { convolutionLowerings } from '../products/convolution.ts';
import { normalisedLowerings } from '../products/normalised.ts';
import { poolLowerings } from '../products/pool.ts';
import { momentLowerings } from '../rows/moments.ts';
import { normalizeLowerings } from '../rows/normalize.ts';
import { reduceLowerings } from '../rows/reduce.ts';
import { scanLowerings } from '../rows/scan.ts';
import { softmaxLowerings } from '../rows/softmax.ts';
import type { Lower, LowerContext } from '../text/kernel.ts';

export const lowerings: { readonly [K in KernelOp]: Lower<K> } = {
  ...mapLowerings,
  ...contractLowerings,
  ...convolutionLowerings,
  ...poolLowerings,
  ...maxPoolLowerings,
  ...momentLowerings,
  ...reduceLowerings,
  ...scanLowerings,
  ...softmaxLowerings,
  ...normalizeLowerings,
  ...normalisedLowerings,
  ...attentionLowerings,
  ...moveLowerings,
  ...packedHalfLowerings,
  ...sortLowerings,
  ...embeddingLowerings,
};

/** Emits the kernels of a node and sets its result. */
export function lowerWith<K extends KernelOp>(ctx: LowerContext, node: NodeOf<K>): void {
  lowerings[node.op](ctx, node);
}
