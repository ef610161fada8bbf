/**
 * The arithmetic of quantised files by our own ops, so that what it costs can be measured without a runtime of ONNX: weights as
 * their bytes stand for, and in front of every product and convolution the rounding to bytes, by the range of the whole tensor, as
 * `DynamicQuantizeLinear` has it. Sums of bytes are exact there; here they are sums of the same numbers in f32.
 */
import type { Builder } from '../../../compiler/graph/builder.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import type { Model, Weight } from '../../../compiler/model/types.ts';
import { Expressions } from '../../../compiler/ops/expressions.ts';
import { rewrite } from '../../../compiler/passes/rewrite.ts';
import type { WeightSource } from '../../weights/source.ts';
import { dequantized, type QuantizedWeight, quantizedNodes } from './quantize.ts';

/** A model whose entries, with `extend`, compute as its quantised files do. */
export interface Simulated {
  readonly model: Model;
  readonly weights: WeightSource;
  readonly extend: (graph: Graph) => Graph;
}

const largestByte = 255;

/** What bytes stand for in place of x: `DynamicQuantizeLinear`, and back. */
function rounded(b: Builder, x: number): number {
  const e = new Expressions(b);
  const axes = e.shape(x).map((_, axis) => axis);
  const zero = e.scalar(x, 0);
  const most = e.scalar(x, largestByte);
  const clamped = (value: number) => e.binary('minimum', e.binary('maximum', value, zero), most);
  const low = e.binary('minimum', b.add('min', [x], { axes, keep: false }), zero);
  const high = e.binary('maximum', b.add('max', [x], { axes, keep: false }), zero);
  const range = e.div(e.sub(high, low), most);
  const scale = e.where(range, range, e.scalar(x, 1));
  const zeroPoint = clamped(e.unary('round', e.div(e.neg(low), scale)));
  const byte = clamped(e.add(e.unary('round', e.div(x, scale)), zeroPoint));
  return e.mul(e.sub(byte, zeroPoint), scale);
}

/** A name that no weight of a model has. */
function nameOf({ name, axis }: QuantizedWeight): string {
  return `${name}/bytes of axis ${axis}`;
}

export function simulated(model: Model, weights: WeightSource, graphs: readonly Graph[]): Simulated {
  const quantized = new Map(
    graphs.flatMap((graph) => [...quantizedNodes(graph).values()]).map((weight) => [nameOf(weight), weight]),
  );
  const byName = new Map(model.weights.map((weight) => [weight.name, weight]));
  const origin = (weight: Weight) => byName.get(quantized.get(weight.name)?.name ?? weight.name)!;
  return {
    model: {
      ...model,
      weights: [
        ...model.weights,
        ...[...quantized].map(([name, of]): Weight => ({ ...byName.get(of.name)!, name })),
      ],
    },
    weights: {
      ...weights,
      storedShape: (weight) => weights.storedShape(origin(weight)),
      storedDtype: (weight) => weights.storedDtype(origin(weight)),
      async read(weight) {
        const values = await weights.read(origin(weight));
        const of = quantized.get(weight.name);
        return of === undefined ? values : dequantized(of, values);
      },
    },
    extend(graph) {
      const found = quantizedNodes(graph);
      return rewrite(graph, (b, node, inputs) => {
        const of = found.get(node.id);
        if (of === undefined) return undefined;
        const weight = b.add('param', [], { name: nameOf(of), shape: of.shape, role: 'param' });
        const fed = inputs.map((input, i) => (i === of.input ? weight : input));
        // Of a table rows are read, as many as there are ids.
        if (node.op !== 'embedding') fed[0] = rounded(b, inputs[0]!);
        return b.add(node.op, fed, node.attrs);
      });
    },
  };
}
