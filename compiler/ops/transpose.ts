/** Permutes axes: result axis i is input axis perm[i]. */

import { denseStrides, formatShape } from '../graph/types.ts';
import { free } from './costs.ts';
import { floats } from './examples.ts';
import { Expressions } from './expressions.ts';
import { axisNames } from './language.ts';
import { defineOp } from './op.ts';
import { accept, refuse, refuseAxes } from './shapes.ts';
import { gatherView } from './tensors.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** Result axis i is input axis perm[i]. */
    transpose: { readonly perm: readonly number[] };
  }
  interface OpArities {
    transpose: 1;
  }
}

/** The permutation that undoes `perm`. */
function inversePermutation(perm: readonly number[]): number[] {
  const inverse = new Array<number>(perm.length);
  for (const [to, from] of perm.entries()) inverse[from] = to;
  return inverse;
}

export const transpose = defineOp<'transpose', 'view'>({
  name: 'transpose',
  arity: 1,
  shape([x], { perm }) {
    if (perm.length !== x!.shape.length)
      return refuse(
        `cannot transpose ${formatShape(x!.shape)} by [${perm.join(', ')}]: numbers of axes differ`,
        {
          code: 'Z302',
          blame: [{ input: 0 }],
        },
      );
    const refusal = refuseAxes('transpose', x!, perm);
    return refusal ?? accept({ dtype: x!.dtype, shape: perm.map((p) => x!.shape[p]!) });
  },
  gradient: (b, node, dy, wanted) => [
    wanted[0] ? new Expressions(b).transpose(dy, inversePermutation(node.attrs.perm)) : null,
  ],
  reference([x], { perm }, shape) {
    const strides = denseStrides(x.shape);
    return gatherView(
      x,
      shape,
      perm.map((p) => strides[p]!),
    );
  },
  traits: {
    role: 'view',
    strips: (cut, { inputs, attrs }) =>
      cut.b.add('transpose', [cut.strip(inputs[0], attrs.perm[cut.axis]!)], attrs),
  },
  language: {
    written: ([x], { perm }) => {
      const names = axisNames(perm.length);
      return `rearrange(${x}, [${names.join(', ')}] -> [${perm.map((axis) => names[axis]).join(', ')}])`;
    },
  },
  examples: [{ name: 'three axes', inputs: [floats([2, 3, 5])], attrs: { perm: [2, 0, 1] } }],
  cost: free,
  tolerance: { rtol: 0, atol: 0 },
});
