/**
 * Mixed precision: which values are stored as f16, and which operands products read as f16.
 *
 * Activations and their gradients, those with at least three axes (batch, tokens, width; batch, channels,
 * rows, columns), are stored as halves; kernels widen what they load and accumulate in f32. Weights stay f32:
 * a product reads a cast of them, one for each weight. All else stays f32: features and similarities, losses,
 * sums over the batch, statistics, log-sum-exps, masks, gradients of weights and all results (Micikevicius et
 * al. 2018, section 3).
 *
 * Throws `DiagnosticError` Z615 where the device has no half floats.
 */

import { fail } from '../../grammar/diagnostics.ts';
import type { Graph, Node, TensorType } from '../graph/types.ts';
import { nodeAt } from '../graph/types.ts';
import { rootOf, viewOps } from '../graph/views.ts';
import { halfOf } from '../ops/index.ts';
import type { Half } from '../ops/traits.ts';
import type { Pass } from './pass.ts';

/** Facts of ops whose results are activations or gradients of activations. */
const stored: readonly Half[] = ['activation', 'elementwise', 'product'];
/** Facts of ops that multiply their first two inputs. */
const multiplied: readonly Half[] = ['product', 'full product'];

/** The graph with f16 types where values are stored in half precision. */
export const storeHalves: Pass = (graph, profile, { precision }) => {
  if (precision === 'f32') return graph;
  if (!profile.features.includes('shader-f16'))
    fail(
      'Z615',
      `mixed precision needs half floats (shader-f16), which ${profile.name} does not offer`,
      'precision = f32',
    );
  return halve(graph);
};

function halve(graph: Graph): Graph {
  const halved = halvedNodes(graph);
  const nodes: Node[] = [];
  const renamed: number[] = [];
  const casts = new Map<number, number>();
  const add = (node: Node, inputs: readonly number[], half: boolean): number => {
    const id = nodes.length;
    const type = half ? { ...node.type, dtype: 'f16' as const } : node.type;
    nodes.push({ ...node, id, inputs, type } as Node);
    return id;
  };
  /**
   * A leaf, or views of one, as a half. All views of a weight share one cast of it, which is kept; an input
   * is cast below the reshapes of what is seen of it, so that the cast is also the copy that those need
   * (patches of a picture).
   */
  const asHalf = (id: number): number => {
    const known = casts.get(id);
    if (known !== undefined) return known;
    const node = nodeAt(graph, id);
    const ofWeight = nodeAt(graph, rootOf(graph, id)).op === 'param';
    const made =
      node.op === 'reshape' || (ofWeight && viewOps.has(node.op))
        ? add(node, [asHalf(node.inputs[0])], true)
        : add({ ...node, op: 'cast', attrs: { to: 'f16' } } as Node, [renamed[id]!], true);
    casts.set(id, made);
    return made;
  };
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((id) => renamed[id]!);
    if (multipliesHalves(graph, node, halved))
      for (const i of [0, 1]) if (!halved[node.inputs[i]!]) inputs[i] = asHalf(node.inputs[i]!);
    renamed.push(add(node, inputs, halved[node.id]!));
  }
  return { nodes, outputs: graph.outputs.map(({ name, node }) => ({ name, node: renamed[node]! })) };
}

/**
 * Whether both operands of a product are halves or leaves that may be read as such, and not both are weights.
 */
function multipliesHalves(graph: Graph, node: Node, halved: readonly boolean[]): boolean {
  if (!multiplied.includes(halfOf(node.op))) return false;
  const kinds = node.inputs
    .slice(0, 2)
    .map((id) => (halved[id] ? 'half' : nodeAt(graph, rootOf(graph, id)).op));
  return (
    kinds.every((k) => k === 'half' || k === 'param' || k === 'input') && kinds.some((k) => k !== 'param')
  );
}

function halvedNodes(graph: Graph): boolean[] {
  const full = fullNodes(graph);
  const deep = deepNodes(graph);
  const halved: boolean[] = [];
  for (const { id, op, inputs, type } of graph.nodes) {
    // What is computed from nothing, such as the gradient of a mean, is no activation.
    const activation = type.dtype === 'f32' && stored.includes(halfOf(op)) && inputs.length > 0;
    halved.push(viewOps.has(op) ? halved[inputs[0]]! : activation && deep[id]! && !full[id]);
  }
  return halved;
}

/**
 * Results, and what reaches them by arithmetic on elements alone: a gradient that is added up, a scaled
 * result.
 */
function fullNodes(graph: Graph): boolean[] {
  const full = new Array<boolean>(graph.nodes.length).fill(false);
  for (const { node } of graph.outputs) full[node] = true;
  for (const { id, op, inputs } of graph.nodes.toReversed())
    if (full[id] && (halfOf(op) === 'elementwise' || viewOps.has(op)))
      for (const input of inputs) full[input] = true;
  return full;
}

/** Three axes or more, two of them longer than 1. */
export function isDeep({ shape }: TensorType): boolean {
  return shape.length > 2 && shape.filter((n) => n !== 1).length > 1;
}

/**
 * Such values, and what is reshaped (not only repeated) to
 * such.
 */
function deepNodes(graph: Graph): boolean[] {
  const deep = graph.nodes.map(({ type }) => isDeep(type));
  for (const { id, op, inputs } of graph.nodes.toReversed())
    if (deep[id] && viewOps.has(op) && op !== 'expand') deep[inputs[0]] = true;
  return deep;
}
