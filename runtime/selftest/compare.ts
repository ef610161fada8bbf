/**
 * A graph on a device beside the same graph in double precision: how far each result and gradient is off.
 *
 * In f32 the reference evaluates the graph as it was traced (and differentiated), so passes are judged along with
 * kernels. In mixed precision it evaluates what the passes left, rounding where the plan stores halves.
 */
import { differentiate, type Variable } from '../../compiler/autodiff/differentiate.ts';
import { compileGraph, type Precision } from '../../compiler/compile.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { type Graph, gradientPrefix, numericShape, sizeOf } from '../../compiler/graph/types.ts';
import { verify } from '../../compiler/graph/verify.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import type { Plan } from '../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';
import type { Device, HostArray, OpenWatch } from '../types.ts';
import { fill } from './values.ts';

export interface CompareOptions {
  readonly gradients?: readonly Variable[];
  /** Integers of inputs that are made up are below this. */
  readonly integersBelow?: number;
  /** The scale of an output whose values are all smaller, as where they are exactly 0. */
  readonly least?: number;
  /**
   * The scale of a gradient is no less than this part of the largest one: one that is zero in exact arithmetic (of the keys'
   * bias: softmax does not see it) is rounding of what it is a sum of.
   */
  readonly leastOfGradients?: number;
  readonly precision?: Precision;
  /** Values of inputs and weights by name, in place of made up ones. */
  readonly feeds?: ReadonlyMap<string, ArrayLike<number>>;
}

/** The element of an output that is furthest off. */
export interface Worst {
  readonly element: number;
  readonly found: number;
  readonly expected: number;
}

export interface Comparison {
  readonly plan: Plan;
  /** What was lowered: the graph behind all passes. */
  readonly lowered: Graph;
  /** Largest |found - expected| / max|expected| of each output; NaN where a value is not finite. */
  readonly errors: ReadonlyMap<string, number>;
  readonly worst: ReadonlyMap<string, Worst>;
  readonly values: ReadonlyMap<string, HostArray>;
}

/**
 * What the reference makes of a graph in f32, by options: schedules in turn are compared with one evaluation.
 */
const references = new WeakMap<Graph, Map<string, ReadonlyMap<string, RefTensor>>>();

type Tensors = Map<string, RefTensor>;

/**
 * Software adapters compile a kernel when it first runs, for up to a second: a submit for each, since browsers take a submit that
 * lasts for a hang.
 */
export const inSmallSubmits: OpenWatch = { ran: () => {} };

/** Values for what a graph reads. */
function feedsOf(graph: Graph, { feeds, integersBelow = 8 }: CompareOptions) {
  const [inputs, params]: [Tensors, Tensors] = [new Map(), new Map()];
  for (const node of graph.nodes) {
    if (node.op !== 'input' && node.op !== 'param') continue;
    const shape = numericShape(node.type);
    const { name } = node.attrs;
    const given = feeds?.get(name);
    const drawn = () => {
      const data = fill(sizeOf(shape), node.id + 1);
      return node.type.dtype === 'i32' ? data.map((x) => Math.floor(((x + 1) / 2) * integersBelow)) : data;
    };
    const data = given === undefined ? drawn() : Float64Array.from(given);
    (node.op === 'input' ? inputs : params).set(name, { shape, data });
  }
  return { inputs, params };
}

/** @param on a device, or what runs plans by the text of their kernels */
export async function compareGraph(
  on: Pick<Device, 'open'>,
  profile: DeviceProfile,
  traced: Graph,
  options: CompareOptions = {},
): Promise<Comparison> {
  const { gradients = [], precision = 'f32' } = options;
  let last: Graph | undefined;
  const plan = compileGraph(traced, {
    model: 'check',
    entry: 'check',
    batch: 1,
    mode: 'eval',
    profile,
    precision,
    observe: (_pass, graph) => {
      last = graph;
    },
    gradients,
  });
  // In f32 passes are judged along; in mixed precision the reference has to round where the plan does.
  const defined = gradients.length > 0 ? differentiate(traced, { loss: 'loss', wrt: gradients }) : traced;
  const graph = precision === 'mixed' ? last! : defined;
  const { inputs, params } = feedsOf(graph, options);
  const variant = JSON.stringify([gradients, options.integersBelow]);
  const known = precision === 'f32' ? references.get(traced)?.get(variant) : undefined;
  const expected = known ?? executeReference(verify(graph), { inputs, params });
  if (precision === 'f32' && !known)
    references.set(traced, new Map([...(references.get(traced) ?? []), [variant, expected]]));
  const session = await on.open(plan, inSmallSubmits);
  try {
    for (const { name } of plan.weights) session.writeWeight(name, new Float32Array(params.get(name)!.data));
    for (const { name, dtype } of plan.inputs) {
      const { data } = inputs.get(name)!;
      session.writeInput(name, dtype === 'i32' ? new Int32Array(data) : new Float32Array(data));
    }
    session.run();
    const values = new Map<string, HostArray>();
    for (const { name } of plan.outputs) values.set(name, await session.read(name));
    return { plan, lowered: last!, values, ...judge(values, expected, options) };
  } finally {
    session.close();
  }
}

function largestOf(data: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < data.length; i++) most = Math.max(most, Math.abs(data[i]!));
  return most;
}

/** How far values are from what they should be, output by output. */
export function judge(
  values: ReadonlyMap<string, HostArray>,
  expected: ReadonlyMap<string, RefTensor>,
  { least = 1e-30, leastOfGradients = 0 }: CompareOptions,
): Pick<Comparison, 'errors' | 'worst'> {
  const isGradient = (name: string) => name.startsWith(gradientPrefix);
  const gradients = [...values.keys()].filter(isGradient).map((name) => largestOf(expected.get(name)!.data));
  const leastGradient = leastOfGradients * Math.max(0, ...gradients);
  const errors = new Map<string, number>();
  const worst = new Map<string, Worst>();
  for (const [name, found] of values) {
    const { data } = expected.get(name)!;
    const scale = Math.max(largestOf(data), least, isGradient(name) ? leastGradient : 0);
    let [most, element] = [-1, 0];
    for (let i = 0; i < data.length; i++) {
      const error = Math.abs(found[i]! - data[i]!) / scale;
      if (error <= most) continue;
      [most, element] = [error, i];
      // What is no number is as wrong as can be.
      if (!Number.isFinite(found[i])) {
        most = Number.NaN;
        break;
      }
    }
    errors.set(name, Math.max(0, most));
    worst.set(name, { element, found: found[element]!, expected: data[element]! });
  }
  return { errors, worst };
}
