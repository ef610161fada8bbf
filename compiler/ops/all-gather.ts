/**
 * Features of all chunks of all ranks, [B, E] -> [N, E]. In the graph of one chunk on one device it is the
 * identity: the chunked and the distributed plans cut the graph here.
 */

import { free } from './costs.ts';
import { floats } from './examples.ts';
import { axesBut } from './language.ts';
import { defineOp } from './op.ts';
import { accept, refuseRank } from './shapes.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /**
     * Features of all chunks and ranks, [B, E] -> [N, E]. With one chunk on one device the identity with N =
     * B.
     */
    all_gather: None;
  }
  interface OpArities {
    all_gather: 1;
  }
}

export const allGather = defineOp<'all_gather', 'view'>({
  name: 'all_gather',
  arity: 1,
  shape: (inputs) => refuseRank('gather', inputs, 0, '[B, E]') ?? accept(inputs[0]!),
  gradient: (_b, _node, dy, wanted) => [wanted[0] ? dy : null],
  reference: ([x], _attrs, shape) => ({ shape, data: x.data }),
  traits: {
    role: 'view',
    strips: (cut, { inputs }) => cut.b.add('all_gather', [cut.strip(inputs[0], cut.axis)], {}),
  },
  language: {
    word: {
      name: 'gather',
      about: 'features of all chunks and ranks',
      operands: ['x'],
      settings: {},
      sources: ([x]) => axesBut(x!),
    },
  },
  examples: [{ name: 'one chunk', inputs: [floats([3, 5])], attrs: {} }],
  cost: free,
  tolerance: { rtol: 0, atol: 0 },
});
