/**
 * The causal mask of attention scores, for models that write attention out: entries a query must not see
 * become -3e38, which softmax turns into 0. Finite, because WGSL may assume that there are no infinities.
 */

import { formatShape } from '../graph/types.ts';
import { perElement } from './costs.ts';
import { floats } from './examples.ts';
import { Expressions } from './expressions.ts';
import { defineOp } from './op.ts';
import { accept, refuse, refuseIntegers } from './shapes.ts';
import { samplewise } from './slices.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /**
     * `[..., T, S]`: entries with j > i + (S - T) become -3e38, finite because WGSL may assume no infinities.
     */
    mask_future: None;
  }
  interface OpArities {
    mask_future: 1;
  }
}

/** As f32, so that kernels give the very number. */
export const masked = Math.fround(-3e38);

export const maskFuture = defineOp<'mask_future'>({
  name: 'mask_future',
  arity: 1,
  shape(inputs) {
    const x = inputs[0]!;
    if (x.shape.length < 2)
      return refuse(`mask_future needs at least 2 axes [..., T, S], got ${formatShape(x.shape)}`, {
        code: 'Z302',
        blame: [{ input: 0 }],
      });
    return refuseIntegers('mask', inputs) ?? accept(x);
  },
  gradient(b, node, dy, wanted) {
    if (!wanted[0]) return [null];
    // Masked scores are constants: their gradient is cut. Where the mask acts on zeros it leaves -3e38, elsewhere 0.
    const e = new Expressions(b);
    const zeros = b.add('constant', [], { value: 0, dtype: node.type.dtype, shape: node.type.shape });
    const mask = b.add('mask_future', [zeros], {});
    return [e.mul(dy, e.binary('equal', mask, e.scalar(dy, 0)))];
  },
  reference([x], _attrs, shape) {
    const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
    const seen = columns - rows;
    const data = x!.data.map((v, i) => {
      const column = i % columns;
      const row = Math.floor(i / columns) % rows;
      return column > row + seen ? masked : v;
    });
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: samplewise(),
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: {
    word: {
      about: '[..., T, S]: entries with j > i + (S - T) become very negative',
      shapes: '[..., T, S]',
      gradient: 'to what is not masked',
      source: "torch.triu_indices; CLIP's build_attention_mask",
      operands: ['x'],
      settings: {},
    },
  },
  examples: [
    { name: 'more keys than queries', inputs: [floats([2, 3, 5])], attrs: {} },
    { name: 'a square', inputs: [floats([4, 4])], attrs: {} },
  ],
  cost: perElement(1),
  tolerance: { rtol: 0, atol: 0 },
});
