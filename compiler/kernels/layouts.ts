/**
 * Layouts that readers ask of makers, found by looking ahead in the graph.
 *
 * Filters that are computed (scaled by a batch norm) are written in the order in which products read them. A concatenation
 * needs no copy where every part is made by a kernel that can write any layout and is read by nothing else: the parts
 * are made in their places, as the gradients of query, key and value are.
 */
import type { Graph, Node, NodeOf } from '../graph/types.ts';
import { numericShape } from '../graph/types.ts';
import type { OpName } from '../ops/attributes.ts';
import { binaryMapOps, unaryMapOps } from '../ops/map-program.ts';
import { denseStrides } from './view.ts';

const maps = new Set<OpName>([...unaryMapOps, ...binaryMapOps, 'map']);

/** Ops whose kernels write any layout. */
const writesAnyLayout = new Set<OpName>([
  ...maps,
  'attention_grad_q',
  'attention_grad_k',
  'attention_grad_v',
]);

/** The place of a part in a concatenation. */
export interface Joined {
  readonly concat: number;
  /** Strides of the whole, and of the part's own axes in it. */
  readonly whole: readonly number[];
  readonly strides: readonly number[];
  /** Elements from the beginning of the whole. */
  readonly offset: number;
}

/** The place of every node that is made inside a concatenation. */
export function joinedParts(graph: Graph, consumers: readonly (readonly number[])[]): Map<number, Joined> {
  const outputs = new Set(graph.outputs.map((o) => o.node));
  const only = (id: number) => consumers[id]!.length === 1 && !outputs.has(id);
  const places = new Map<number, Joined>();
  for (const node of graph.nodes) {
    if (node.op !== 'concat' || outputs.has(node.id) || new Set(node.inputs).size < node.inputs.length)
      continue;
    const makers = node.inputs.map((id) => (only(id) ? makerOf(graph, id, only) : undefined));
    if (!makers.every((maker) => maker !== undefined)) continue;
    const whole = stridesOf(graph, node, consumers[node.id]!);
    let start = 0;
    node.inputs.forEach((id, i) => {
      const shape = numericShape(graph.nodes[id]!.type);
      const { node: maker, axes } = makers[i]!;
      const offset = start * whole[node.attrs.axis]!;
      places.set(maker, { concat: node.id, whole, strides: axes.map((axis) => whole[axis]!), offset });
      start += shape[node.attrs.axis]!;
    });
  }
  return places;
}

/** The node that makes a part: itself, or what it reshapes by inserting axes of 1; `axes` are the part's that remain. */
function makerOf(
  graph: Graph,
  id: number,
  only: (id: number) => boolean,
): { readonly node: number; readonly axes: readonly number[] } | undefined {
  const part = graph.nodes[id]!;
  if (writesAnyLayout.has(part.op)) return { node: id, axes: part.type.shape.map((_, axis) => axis) };
  if (part.op !== 'reshape') return undefined;
  const from = graph.nodes[part.inputs[0]!]!;
  const kept = part.type.shape.map((n, axis) => ({ n, axis })).filter(({ n }) => n !== 1);
  const own = from.type.shape;
  const inserted = own.length === kept.length && own.every((n, i) => n === kept[i]!.n);
  return inserted && only(from.id) && writesAnyLayout.has(from.op)
    ? { node: from.id, axes: kept.map(({ axis }) => axis) }
    : undefined;
}

/** Dense strides of a concatenation, in the order in which its only reader, a transpose, wants its axes. */
function stridesOf(graph: Graph, node: NodeOf<'concat'>, users: readonly number[]): readonly number[] {
  const shape = numericShape(node.type);
  const user: Node | undefined = users.length === 1 ? graph.nodes[users[0]!] : undefined;
  if (user?.op !== 'transpose') return denseStrides(shape);
  const { perm } = user.attrs;
  const dense = denseStrides(perm.map((axis) => shape[axis]!));
  const strides = new Array<number>(shape.length);
  perm.forEach((axis, i) => {
    strides[axis] = dense[i]!;
  });
  return strides;
}

/** Maps (filters scaled by a batch norm) that feed nothing but convolutions, as their filters. */
export function filtersOnly(graph: Graph): Set<number> {
  const filters = new Set<number>();
  const others = new Set(graph.outputs.map((o) => o.node));
  for (const node of graph.nodes)
    for (const [i, id] of node.inputs.entries()) {
      const asFilter = i === 1 && node.op === 'conv2d' && node.attrs.groups === 1;
      (asFilter && maps.has(graph.nodes[id]!.op) ? filters : others).add(id);
    }
  return new Set([...filters].filter((id) => !others.has(id)));
}
