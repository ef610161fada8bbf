/**
 * Which rule lowers which op: the tables of all kernel families in one. Leaves and views have none.
 */
import type { Node } from '../graph/types.ts';
import type { OpName } from '../ops/attributes.ts';
import { attentionLowerings } from './attention.ts';
import { contractLowerings } from './contract.ts';
import { convolutionLowerings } from './convolution.ts';
import { embeddingLowerings } from './embedding.ts';
import type { LowerContext } from './kernel.ts';
import { mapLowerings } from './map.ts';
import { momentLowerings } from './moments.ts';
import { moveLowerings } from './move.ts';
import { normalisedLowerings } from './normalised.ts';
import { normalizeLowerings } from './normalize.ts';
import { poolLowerings } from './pool.ts';
import { reduceLowerings } from './reduce.ts';
import { softmaxLowerings } from './softmax.ts';

export type AnyLower = (ctx: LowerContext, node: Node) => void;

export const lowerings: Partial<Record<OpName, unknown>> = {
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
