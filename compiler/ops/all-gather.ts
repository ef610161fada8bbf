/**
 * Values of all chunks of all ranks, [B, ...] -> [N, ...]. In the graph of one chunk on one device it is the
 * identity: the chunked and the distributed plans cut the graph here.
 */

import { free } from './costs.ts';
import { floats, integers } from './examples.ts';
import { axesBut } from './language.ts';
import { defineOp } from './op.ts';
import { accept, refuse } from './shapes.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /**
     * Values of all chunks and ranks, [B, ...] -> [N, ...]. With one chunk on one device the identity with N =
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
  shape([x]) {
    if (x!.shape.length > 0) return accept(x!);
    return refuse('gather needs a value of the batch [B, ...], got []', {
      code: 'Z302',
      blame: [{ input: 0 }],
    });
  },
  gradient: (_b, _node, dy, wanted) => [wanted[0] ? dy : null],
  reference: ([x], _attrs, shape) => ({ shape, data: x.data }),
  traits: {
    role: 'view',
    strips: (cut, { inputs }) => cut.b.add('all_gather', [cut.strip(inputs[0], cut.axis)], {}),
  },
  language: {
    word: {
      name: 'gather',
      about: 'values of all chunks and ranks',
      shapes: '[B, ...] -> [N, ...]',
      gradient: 'to the chunk it came from',
      source: 'torch.distributed.nn.all_gather',
      operands: ['x'],
      settings: {},
      sources: ([x]) => axesBut(x!),
    },
  },
  examples: [
    { name: 'one chunk', inputs: [floats([3, 5])], attrs: {} },
    { name: 'ids of one chunk', inputs: [integers([3, 5, 2], 9)], attrs: {} },
  ],
  cost: free,
  tolerance: { rtol: 0, atol: 0 },
});
