/**
 * Which rule lowers which op: the tables of all kernel families in one. An op whose role is `kernel` and that has no line here is
 * a compile error; leaves, views and what passes rewrite have none.
 */
import type { NodeOf } from '../graph/types.ts';
import type { KernelOp } from '../ops/index.ts';
import { attentionLowerings } from './attention.ts';
import { contractLowerings } from './contract.ts';
import { convolutionLowerings } from './convolution.ts';
import { embeddingLowerings } from './embedding.ts';
import type { Lower, LowerContext } from './kernel.ts';
import { mapLowerings } from './map.ts';
import { momentLowerings } from './moments.ts';
import { moveLowerings } from './move.ts';
import { normalisedLowerings } from './normalised.ts';
import { normalizeLowerings } from './normalize.ts';
import { poolLowerings } from './pool.ts';
import { reduceLowerings } from './reduce.ts';
import { softmaxLowerings } from './softmax.ts';

export const lowerings: { readonly [K in KernelOp]: Lower<K> } = {
  ...mapLowerings,
  ...contractLowerings,
  ...convolutionLowerings,
  ...poolLowerings,
  ...momentLowerings,
  ...reduceLowerings,
  ...softmaxLowerings,
  ...normalizeLowerings,
  ...normalisedLowerings,
  ...attentionLowerings,
  ...moveLowerings,
  ...embeddingLowerings,
};

/** Emits the kernels of a node and sets its result. */
export function lowerWith<K extends KernelOp>(ctx: LowerContext, node: NodeOf<K>): void {
  lowerings[node.op](ctx, node);
}
