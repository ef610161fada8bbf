/** The same elements, in row-major order, under another shape. */

import { sameElements } from '../graph/dims.ts';
import { type Dim, formatShape, type NodeOf, numericShape, sameShape, sizeOf } from '../graph/types.ts';
import { free } from './costs.ts';
import { floats } from './examples.ts';
import { Expressions } from './expressions.ts';
import { axisNames } from './language.ts';
import { defineOp } from './op.ts';
import { accept, refuse } from './shapes.ts';
import type { Cut } from './strips.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** Same elements in row-major order. */
    reshape: { readonly shape: readonly Dim[] };
  }
  interface OpArities {
    reshape: 1;
  }
}

/** Where an axis stays as it is, behind as many elements as before. */
function reshapeStrips(cut: Cut, node: NodeOf<'reshape'>): number | undefined {
  const from = cut.shape(node.inputs[0]);
  const to = numericShape(node.type);
  const before = sizeOf(to.slice(0, cut.axis));
  const own = from.findIndex((n, axis) => n === to[cut.axis] && sizeOf(from.slice(0, axis)) === before);
  if (own < 0) return undefined;
  const shape = to.map((n, axis) => (axis === cut.axis ? cut.length : n));
  return cut.b.add('reshape', [cut.strip(node.inputs[0], own)], { shape });
}

export const reshape = defineOp<'reshape', 'view'>({
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
    return [wanted[0] ? e.reshape(dy, e.shape(node.inputs[0])) : null];
  },
  reference: ([x], _attrs, shape) => ({ shape, data: x.data }),
  traits: { role: 'view', strips: reshapeStrips },
  language: {
    // The leading axes of the input are merged into one.
    written: ([x], { shape }, [from]) => {
      const names = axisNames(from!.shape.length);
      const merged = from!.shape.length - shape.length + 1;
      if (merged < 1 || !sameShape(from!.shape.slice(merged), shape.slice(1))) return undefined;
      const pattern = [`(${names.slice(0, merged).join(' ')})`, ...names.slice(merged)];
      return `rearrange(${x}, [${names.join(', ')}] -> [${pattern.join(', ')}])`;
    },
  },
  examples: [
    { name: 'merged axes', inputs: [floats([2, 3, 5])], attrs: { shape: [6, 5] } },
    { name: 'another grid', inputs: [floats([2, 3, 4])], attrs: { shape: [4, 6] } },
  ],
  cost: free,
  tolerance: { rtol: 0, atol: 0 },
});
