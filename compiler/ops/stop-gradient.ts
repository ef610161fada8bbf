/** A value as a constant of differentiation: the loss does not know what it was computed from. */
import { free } from './costs.ts';
import { floats } from './examples.ts';
import { axesBut } from './language.ts';
import { defineOp } from './op.ts';
import { accept } from './shapes.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    stop_gradient: None;
  }
  interface OpArities {
    stop_gradient: 1;
  }
}

export const stopGradient = defineOp<'stop_gradient', 'view'>({
  name: 'stop_gradient',
  arity: 1,
  shape: ([x]) => accept(x!),
  gradient: () => [null],
  reference: ([x], _attrs, shape) => ({ shape, data: x!.data }),
  traits: {
    role: 'view',
    strips: (cut, { inputs }) => cut.b.add('stop_gradient', [cut.strip(inputs[0]!, cut.axis)], {}),
  },
  language: {
    word: {
      about: 'the value of x, of which no gradient is taken',
      shapes: '[...]',
      gradient: 'none',
      source: 'torch.Tensor.detach',
      operands: ['x'],
      settings: {},
      sources: ([x]) => axesBut(x!),
    },
  },
  examples: [{ name: 'three axes', inputs: [floats([2, 3, 5])], attrs: {} }],
  cost: free,
  tolerance: { rtol: 0, atol: 0 },
});
