/**
 * Layouts that readers ask of makers, found by looking ahead in the graph.
 *
 * Filters that are computed (scaled by a batch norm) are written in the order in which products read them. A
 * concatenation needs no copy where every part is made by a kernel that can write any layout and is read by
 * nothing else: the parts are made in their places, as the gradients of query, key and value are. Nodes whose
 * operands or result a binding cannot hold are done in parts.
 */
import { alignUp } from '../graph/dims.ts';
import { readersOf } from '../graph/readers.ts';
import type { Graph, Node, NodeOf } from '../graph/types.ts';
import { denseStrides, nodeAt, numericShape, sizeOf } from '../graph/types.ts';
import { rootOf, viewOps } from '../graph/views.ts';
import { isLeaf, writesAnyLayout } from '../ops/index.ts';
import { isMap } from '../ops/map-program.ts';
import { operandCount } from '../ops/matmul.ts';
import { type DeviceProfile, elementsPerBinding } from '../profile.ts';

/** How the values of a graph lie in memory, and which nodes are done in parts. */
export interface Layouts {
  /** Strides of values that are written column by column. */
  readonly columns: ReadonlyMap<number, readonly number[]>;
  /** Nodes that only serve as filters, which products want in the order of taps. */
  readonly filters: ReadonlySet<number>;
  /** Places of nodes that are made inside a concatenation. */
  readonly inside: ReadonlyMap<number, Inside>;
  /** Nodes that are done slice by slice. */
  readonly parts: ReadonlySet<number>;
}

export function planLayouts(graph: Graph, profile: DeviceProfile): Layouts {
  const readers = readersOf(graph);
  const inside = insideConcats(graph, readers);
  return {
    columns: profile.kind === 'cpu' ? columnOperands(graph, readers) : new Map(),
    filters: filtersOnly(graph),
    inside,
    parts: nodesInParts(graph, inside, elementsPerBinding(profile)),
  };
}

/** Nodes of which an operand's memory or the result is more than a binding holds. */
function nodesInParts(graph: Graph, inside: ReadonlyMap<number, Inside>, most: number): Set<number> {
  /** Elements of the memory in which a value lies. */
  const memory: number[] = [];
  const parts = new Set<number>();
  for (const { id, op, inputs, type } of graph.nodes) {
    const own = sizeOf(numericShape(type));
    const place = inside.get(id);
    const whole = place === undefined ? own : sizeOf(numericShape(nodeAt(graph, place.concat).type));
    // A view's memory is that of what it shows, or a copy of its own.
    memory.push(viewOps.has(op) ? Math.max(own, memory[inputs[0]]!) : whole);
    if (viewOps.has(op) || isLeaf(op)) continue;
    if (own > most || inputs.some((input) => memory[input]! > most)) parts.add(id);
  }
  return parts;
}

/** The place of a part in a concatenation. */
export interface Inside {
  readonly concat: number;
  /** Strides of the whole, and of the part's own axes in it. */
  readonly whole: readonly number[];
  readonly strides: readonly number[];
  /** Elements from the beginning of the whole. */
  readonly offset: number;
}

/** The place of every node that is made inside a concatenation. */
function insideConcats(graph: Graph, consumers: readonly (readonly number[])[]): Map<number, Inside> {
  const outputs = new Set(graph.outputs.map((o) => o.node));
  const only = (id: number) => consumers[id]!.length === 1 && !outputs.has(id);
  const places = new Map<number, Inside>();
  for (const node of graph.nodes) {
    if (node.op !== 'concat' || outputs.has(node.id) || new Set(node.inputs).size < node.inputs.length)
      continue;
    const sameType = (id: number) => nodeAt(graph, id).type.dtype === node.type.dtype;
    const makers = node.inputs.map((id) => (only(id) && sameType(id) ? makerOf(graph, id, only) : undefined));
    if (!makers.every((maker) => maker !== undefined)) continue;
    const whole = stridesOf(graph, node, consumers[node.id]!);
    let start = 0;
    node.inputs.forEach((id, i) => {
      const shape = numericShape(nodeAt(graph, id).type);
      const { node: maker, axes } = makers[i]!;
      const offset = start * whole[node.attrs.axis]!;
      places.set(maker, { concat: node.id, whole, strides: axes.map((axis) => whole[axis]!), offset });
      start += shape[node.attrs.axis]!;
    });
  }
  return places;
}

/**
 * The node that makes a part: itself, or what it reshapes by inserting axes of 1; `axes` are the part's that
 * remain.
 */
function makerOf(
  graph: Graph,
  id: number,
  only: (id: number) => boolean,
): { readonly node: number; readonly axes: readonly number[] } | undefined {
  const part = nodeAt(graph, id);
  if (writesAnyLayout(part.op)) return { node: id, axes: part.type.shape.map((_, axis) => axis) };
  if (part.op !== 'reshape') return undefined;
  const from = nodeAt(graph, part.inputs[0]);
  const kept = part.type.shape.map((n, axis) => ({ n, axis })).filter(({ n }) => n !== 1);
  const own = from.type.shape;
  const inserted = own.length === kept.length && own.every((n, i) => n === kept[i]!.n);
  return inserted && only(from.id) && writesAnyLayout(from.op)
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

/** Maps (filters scaled by a batch norm) and casts that feed nothing but convolutions, as their filters. */
function filtersOnly(graph: Graph): Set<number> {
  const filters = new Set<number>();
  const others = new Set(graph.outputs.map((o) => o.node));
  for (const node of graph.nodes)
    for (const [i, id] of node.inputs.entries()) {
      const asFilter = i === 1 && node.op === 'conv2d' && node.attrs.groups === 1;
      const { op } = nodeAt(graph, id);
      (asFilter && (isMap(op) || op === 'cast') ? filters : others).add(id);
    }
  return new Set([...filters].filter((id) => !others.has(id)));
}

/**
 * Left operands that software adapters read four rows at a time, written so by their makers: strides by node.
 *
 * A product of such an adapter is fastest where the left operand is dense along its rows (see
 * contract-cpu.ts). The rows of a column are padded to whole vec4s. Only where nothing else reads the value:
 * other readers want rows.
 */
function columnOperands(
  graph: Graph,
  consumers: readonly (readonly number[])[],
): Map<number, readonly number[]> {
  const outputs = new Set(graph.outputs.map((o) => o.node));
  const found = new Map<number, readonly number[]>();
  const only = (id: number) =>
    outputs.has(id) || consumers[id]!.length !== 1 ? undefined : nodeAt(graph, consumers[id]![0]!);
  for (const node of graph.nodes) {
    const shape = numericShape(node.type);
    const last = shape.length - 1;
    if (node.op === 'attention') {
      const joined = only(node.id);
      if (joined?.op !== 'transpose' || joined.attrs.perm.join() !== '0,2,1,3') continue;
      const [batch, heads, rows, width] = shape as [number, number, number, number];
      if (!feedsProduct(joined, heads * width, only)) continue;
      const pitch = alignUp(batch * rows, 4);
      found.set(node.id, [rows, width * pitch, 1, pitch]);
    } else if (node.op === 'layer_norm' || node.op === 'matmul' || (node.op === 'reshape' && last === 1)) {
      if (node.op === 'matmul' && !isFlatProduct(graph, node)) continue;
      const readers = outputs.has(node.id) ? [] : consumers[node.id]!.map((id) => nodeAt(graph, id));
      if (!feedsProduct(node, shape[last]!, only) && !feedsNormalised(node, readers)) continue;
      const rows = denseStrides(shape.slice(0, -1));
      found.set(node.id, [...rows, alignUp(sizeOf(shape.slice(0, -1)), 4)]);
    }
  }
  return found;
}

/** One product over all rows, not one for each of a batch. */
export function isFlatProduct(graph: Graph, node: NodeOf<'matmul'>): boolean {
  const [a, b] = node.inputs.map((id) => nodeAt(graph, id).type.shape.length) as [number, number];
  return b === 2 && (a === 2 || !node.attrs.transposeA);
}

/**
 * Whether a value with `width` columns ends, through reshapes of its rows, as the left operand of a large
 * enough product.
 */
function feedsProduct(node: Node, width: number, only: (id: number) => Node | undefined): boolean {
  const user = only(node.id);
  if (user?.op === 'reshape' && user.type.shape.at(-1) === width) return feedsProduct(user, width, only);
  if (user === undefined || user.inputs.filter((id) => id === node.id).length > 1) return false;
  return isLeftOperand(node.id, user, 64);
}

/**
 * Whether all that reads a product is products that normalise its rows, their moments, and products that add
 * it to theirs.
 */
function feedsNormalised({ id }: Node, readers: readonly Node[]): boolean {
  const uses = readers.map((user) => {
    if (user.op === 'group_moments') return 'moments';
    if (user.op !== 'matmul' || user.inputs.filter((input) => input === id).length !== 1) return 'other';
    if (isLeftOperand(id, user, 64)) return user.attrs.normalise ? 'normalised' : 'other';
    return user.inputs.indexOf(id) >= operandCount(user.attrs) ? 'added' : 'other';
  });
  return uses.includes('normalised') && !uses.includes('other');
}

/**
 * Whether a product reads a value as its left operand so often that a copy column by column, beside the value
 * itself, pays.
 */
export function wantsColumnCopy(node: Node, readers: readonly Node[], profile: DeviceProfile): boolean {
  const shape = numericShape(node.type);
  return (
    profile.kind === 'cpu' &&
    sizeOf(shape.slice(0, -1)) % 4 === 0 &&
    sizeOf(shape) <= elementsPerBinding(profile) &&
    readers.some((user) => isLeftOperand(node.id, user, 512))
  );
}

/**
 * Whether a product of at least 16 rows and `columns` columns reads a value as its left operand, row by row.
 */
function isLeftOperand(id: number, user: Node, columns: number): boolean {
  if (user.op !== 'matmul' || user.attrs.transposeA || user.inputs[0] !== id) return false;
  const shape = numericShape(user.type);
  return sizeOf(shape.slice(0, -1)) >= 16 && shape.at(-1)! >= columns;
}

/**
 * Whether no kernel that reads a view reads anything else of the same memory: bindings of one dispatch must
 * not overlap.
 * @param kernelOf the nodes that the kernel of a node makes
 */
export function isReadAlone(
  graph: Graph,
  consumers: readonly (readonly number[])[],
  kernelOf: (id: number) => readonly number[],
  view: number,
): boolean {
  const root = rootOf(graph, view);
  const made = new Set(readersBehindViews(graph, consumers, view).flatMap(kernelOf));
  const others = [...made]
    .flatMap((id) => nodeAt(graph, id).inputs)
    .filter((id) => rootOf(graph, id) === root);
  return others.every((id) => comesThrough(graph, id, view));
}

/** Whether `id` is `view` or a view of it. */
function comesThrough(graph: Graph, id: number, view: number): boolean {
  if (id === view) return true;
  const { op, inputs } = nodeAt(graph, id);
  return viewOps.has(op) && comesThrough(graph, inputs[0], view);
}

/** The nodes that read a value, through views. */
function readersBehindViews(graph: Graph, consumers: readonly (readonly number[])[], id: number): number[] {
  return consumers[id]!.flatMap((user) =>
    viewOps.has(nodeAt(graph, user).op) ? readersBehindViews(graph, consumers, user) : [user],
  );
}
