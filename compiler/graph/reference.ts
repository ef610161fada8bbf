/**
 * The reference executor: evaluates a graph in f64 with each op's own reference rule, one node after another.
 *
 * Slow and plain on purpose: it is the oracle for kernels, passes and gradients. Values are dropped behind
 * their last use, so memory is that of the live set. Values that are stored as f16 are rounded to it.
 */
import type { InputsOf } from '../ops/attributes.ts';
import { opOf } from '../ops/index.ts';
import type { RefTensor } from '../ops/op.ts';
import { roundToHalf } from './half.ts';
import {
  formatShape,
  type Graph,
  type Node,
  type NodeOf,
  numericShape,
  sizeOf,
  type TensorType,
} from './types.ts';

export interface Feeds {
  readonly inputs: ReadonlyMap<string, RefTensor>;
  /** Weights and buffers by state_dict name. */
  readonly params: ReadonlyMap<string, RefTensor>;
}

/** Values of all outputs by name. Throws an `Error` on a missing feed or one of another size. */
export function executeReference(graph: Graph, feeds: Feeds): Map<string, RefTensor> {
  const evaluation = evaluate(graph, feeds);
  let at = evaluation.next();
  while (!at.done) at = evaluation.next(at.value);
  return at.value;
}

/** The same on one of several ranks. @param gather what `rank_gather` makes of a value */
export async function executeAmong(
  graph: Graph,
  feeds: Feeds,
  gather: (own: RefTensor) => Promise<RefTensor>,
): Promise<Map<string, RefTensor>> {
  const evaluation = evaluate(graph, feeds);
  let at = evaluation.next();
  while (!at.done) at = evaluation.next(await gather(at.value));
  return at.value;
}

/** Yields what `rank_gather` is given, and goes on with what it is answered. */
function* evaluate(graph: Graph, feeds: Feeds): Generator<RefTensor, Map<string, RefTensor>, RefTensor> {
  const lastUse = lastUses(graph);
  const values: (RefTensor | undefined)[] = [];
  const outputs = new Map<string, RefTensor>();
  for (const node of graph.nodes) {
    const value = evaluateNode(
      node,
      node.inputs.map((i) => values[i]!),
      feeds,
    );
    values[node.id] = node.op === 'rank_gather' ? yield value : value;
    for (const { name, node: id } of graph.outputs) if (id === node.id) outputs.set(name, values[id]!);
    for (const i of node.inputs) if (lastUse[i] === node.id) values[i] = undefined;
  }
  return outputs;
}

/** For each node the id of the last node that reads it. */
function lastUses(graph: Graph): number[] {
  const last = graph.nodes.map((n) => n.id);
  for (const node of graph.nodes) for (const i of node.inputs) last[i] = node.id;
  return last;
}

/** The value of one node from those of its inputs. */
export function evaluateNode(node: Node, inputs: readonly RefTensor[], feeds: Feeds): RefTensor {
  const shape = numericShape(node.type);
  if (node.op === 'input') return fed(feeds.inputs, 'input', node.attrs.name, shape);
  if (node.op === 'param') return fed(feeds.params, 'weight', node.attrs.name, shape);
  // As many as the node has inputs.
  return apply(node, inputs as InputsOf<typeof node.op, RefTensor>, shape);
}

function apply<K extends Node['op']>(
  node: NodeOf<K>,
  inputs: InputsOf<K, RefTensor>,
  shape: number[],
): RefTensor {
  return asStored(node.type, opOf(node.op).reference(inputs, node.attrs, shape, node.type.dtype));
}

/** A value as memory of a type holds it. */
export function asStored({ dtype }: TensorType, { shape, data }: RefTensor): RefTensor {
  return { shape, data: dtype === 'f16' ? data.map(roundToHalf) : data };
}

function fed(
  feeds: ReadonlyMap<string, RefTensor>,
  kind: string,
  name: string,
  shape: readonly number[],
): RefTensor {
  const value = feeds.get(name);
  if (value === undefined) throw new Error(`${kind} ${name} was not fed`);
  if (value.data.length !== sizeOf(shape))
    throw new Error(`${kind} ${name} is ${formatShape(value.shape)}, the graph wants ${formatShape(shape)}`);
  return { shape, data: value.data };
}
