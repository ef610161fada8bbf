/**
 * Features of all chunks of all ranks, [B, E] -> [N, E]. In the graph of one chunk on one device it is the identity:
 * the chunked and the distributed plans cut the graph here.
 */
import { free } from './costs.ts';
import { defineOp } from './op.ts';
import { accept, refuseRank } from './shapes.ts';

export const allGather = defineOp<'all_gather'>({
  name: 'all_gather',
  arity: 1,
  shape: (inputs) => refuseRank('gather', inputs, 0, '[B, E]') ?? accept(inputs[0]!),
  gradient: (_b, _node, dy, wanted) => [wanted[0] ? dy : null],
  reference: ([x], _attrs, shape) => ({ shape, data: x!.data }),
  family: 'view',
  cost: free,
  tolerance: { rtol: 0, atol: 0 },
});
