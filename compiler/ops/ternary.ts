/**
 * Elementwise ops with three inputs that broadcast, each one entry of the table here and nothing anywhere
 * else, as in unary.ts and binary.ts.
 *
 * `where` chooses and does not multiply: what was not chosen, were it infinite, reaches neither the result
 * nor a gradient.
 */
import { formatType, type TensorType } from '../graph/types.ts';
import type { TernaryMapOp } from './attributes.ts';
import { perElement } from './costs.ts';
import { elementwiseTraits } from './elementwise.ts';
import { cases, floats, integers, mask } from './examples.ts';
import { Expressions } from './expressions.ts';
import { defineOp, type OpDefinition, type ShapeResult, type Tolerance } from './op.ts';
import { accept, broadcastShapes, isFloat, refuse, refuseMixed } from './shapes.ts';
import { broadcastTo } from './tensors.ts';
import type { Lane } from './wgsl.ts';

declare module './attributes.ts' {
  interface TernaryAttributes extends Record<keyof typeof table, None> {}
}

/** A node of the graph. */
type Id = number;

/** What makes one ternary op: a mask in front of two values of one element type, which the result has. */
interface TernaryRow {
  /** As a refusal says it: "cannot choose from [2] and [3]". */
  readonly verb: string;
  /** Floating-point operations for each element. */
  readonly flops: number;
  readonly tolerance: Tolerance;
  /** Reference in f64, and on integers. */
  readonly f64: (mask: number, a: number, b: number) => number;
  /** The expression in WGSL; operands are names or in parentheses, the mask is f32 whatever the values are. */
  readonly wgsl: (mask: string, a: string, b: string, lane: Lane) => string;
  /** Unsummed gradients of both values from (mask, dy); the mask has none. */
  readonly derivative: (e: Expressions, mask: Id, dy: Id) => readonly [a: () => Id, b: () => Id];
  readonly written: (mask: string, a: string, b: string) => string;
}

const table = {
  where: {
    verb: 'choose from',
    flops: 1,
    tolerance: { rtol: 0, atol: 0 },
    f64: (mask, a, b) => (mask !== 0 ? a : b),
    wgsl: (mask, a, b, { lanes }) =>
      `select(${b}, ${a}, ${mask} != ${lanes === 1 ? '0.0' : 'vec4<f32>(0.0)'})`,
    derivative: (e, mask, dy): readonly [() => Id, () => Id] => [
      () => e.where(mask, dy, e.scalar(dy, 0)),
      () => e.where(mask, e.scalar(dy, 0), dy),
    ],
    written: (mask, a, b) => `where(${mask}, ${a}, ${b})`,
  },
} satisfies Readonly<Record<string, TernaryRow>>;

/** The table by name. */
export const ternaryTable: Readonly<Record<TernaryMapOp, TernaryRow>> = table;
export const ternaryMapOps = Object.keys(table) as readonly TernaryMapOp[];

function refuseMask(verb: string, mask: TensorType): ShapeResult | undefined {
  if (isFloat(mask)) return undefined;
  return refuse(`cannot ${verb} values by ${formatType(mask)}: a mask holds f32`, {
    code: 'Z303',
    blame: [{ input: 0 }],
    help: 'compare it: x != 0',
  });
}

function ternary<K extends TernaryMapOp>(name: K): OpDefinition<K, 'kernel'> {
  const row = ternaryTable[name];
  const { verb, f64, flops, tolerance, derivative, written } = row;
  return defineOp<K>({
    name,
    arity: 3,
    shape(inputs) {
      const refusal = refuseMask(verb, inputs[0]!) ?? refuseMixed(verb, inputs.slice(1));
      if (refusal) return refusal;
      const result = broadcastShapes(verb, inputs);
      return 'refusal' in result ? result.refusal : accept({ dtype: inputs[1]!.dtype, shape: result.shape });
    },
    gradient(b, node, dy, wanted) {
      const e = new Expressions(b);
      const made = derivative(e, node.inputs[0]!, dy).map((make, i) =>
        wanted[i + 1] ? e.sumTo(make(), e.shape(node.inputs[i + 1]!)) : null,
      );
      return [null, ...made];
    },
    reference([m0, x, y], _attrs, shape) {
      const [m, a, b] = [m0!, x!, y!].map((operand) => broadcastTo(operand, shape).data);
      return { shape, data: m!.map((v, i) => f64(v, a![i]!, b![i]!)) };
    },
    cost: perElement(flops),
    tolerance,
    traits: elementwiseTraits,
    language: { written: ([mask, a, b]) => written(mask!, a!, b!) },
    examples: cases(
      {},
      {
        'equal shapes': [mask([2, 3, 7]), floats([2, 3, 7]), floats([2, 3, 7])],
        'a mask of rows': [mask([3, 1]), floats([2, 3, 5]), floats([])],
        integers: [mask([2, 3, 5]), integers([2, 3, 5], 9), integers([5], 4)],
      },
    ),
  });
}

export const ternaryOps = Object.fromEntries(
  ternaryMapOps.map((name) => [name, ternary(name)]),
) as unknown as {
  readonly [K in TernaryMapOp]: OpDefinition<K, 'kernel'>;
};
