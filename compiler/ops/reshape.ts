/** The same elements, in row-major order, under another shape. */
import { sameElements } from '../graph/dims.ts';
import { formatShape } from '../graph/types.ts';
import { free } from './costs.ts';
import { Expressions } from './expressions.ts';
import { defineOp } from './op.ts';
import { accept, refuse } from './shapes.ts';

export const reshape = defineOp<'reshape'>({
  name: 'reshape',
  arity: 1,
  shape([x], { shape }) {
    if (sameElements(x!.shape, shape)) return accept({ dtype: x!.dtype, shape });
    return refuse(
      `cannot reshape ${formatShape(x!.shape)} to ${formatShape(shape)}: numbers of elements differ`,
      {
        blame: [{ input: 0 }],
      },
    );
  },
  gradient(b, node, dy, wanted) {
    const e = new Expressions(b);
    return [wanted[0] ? e.reshape(dy, e.shape(node.inputs[0]!)) : null];
  },
  reference: ([x], _attrs, shape) => ({ shape, data: x!.data }),
  family: 'view',
  cost: free,
  tolerance: { rtol: 0, atol: 0 },
});
