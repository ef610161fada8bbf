/**
 * The builder: types each node by its op's shape rule and shares structurally equal nodes.
 *
 * `builderFrom` starts with the nodes of a graph under their own ids, so that gradients and passes can append
 * to it. Negative axes in attributes count from the end of the first input and are resolved here.
 */
import type { InputsOf, OpAttributes, OpName } from '../ops/attributes.ts';
import { opOf } from '../ops/index.ts';
import { type Builder, ShapeMismatch } from './builder.ts';
import { mergedOrigin } from './sources.ts';
import {
  type Graph,
  isNumber,
  movedPrefix,
  type Node,
  type NodeOf,
  type Origin,
  type Output,
  type TensorType,
} from './types.ts';

const nowhere: Origin = { path: '' };

/** An empty builder. */
export function createBuilder(): Builder {
  return new GraphBuilder([]);
}

/** A builder that already holds the nodes of `graph`, with the same ids. */
export function builderFrom(graph: Graph): Builder {
  return new GraphBuilder(graph.nodes);
}

/** What a training step computes of a loss: numbers, and buffers that move. */
export function stepOf(graph: Graph): Graph {
  const kept = (o: Output) => isNumber(graph, o) || o.name.startsWith(movedPrefix);
  return builderFrom(graph).finish(graph.outputs.filter(kept));
}

class GraphBuilder implements Builder {
  private readonly nodes: Node[];
  private readonly ids = new Map<string, number>();
  private current: Origin = nowhere;

  constructor(nodes: readonly Node[]) {
    this.nodes = [...nodes];
    for (const node of nodes) {
      const key = structuralKey(node.op, node.inputs, node.attrs);
      if (!this.ids.has(key)) this.ids.set(key, node.id);
    }
  }

  get origin(): Origin {
    return this.current;
  }

  withOrigin<T>(origin: Origin, make: () => T): T {
    const outer = this.current;
    this.current = origin;
    try {
      return make();
    } finally {
      this.current = outer;
    }
  }

  node(id: number): Node {
    const node = this.nodes[id];
    if (node === undefined) throw new Error(`there is no node %${id}`);
    return node;
  }

  type(id: number): TensorType {
    return this.node(id).type;
  }

  add<K extends OpName>(op: K, inputs: readonly number[], attrs: OpAttributes[K], origin?: Origin): number {
    const definition = opOf(op);
    const types = inputs.map((i) => this.type(i));
    if (typeof definition.arity === 'number' && definition.arity !== inputs.length)
      throw new Error(`${op} has ${definition.arity} inputs, not ${inputs.length}`);
    const resolved = resolveAxes(attrs, types[0]?.shape.length ?? 0);
    const key = structuralKey(op, inputs, resolved);
    const known = this.ids.get(key);
    if (known !== undefined) return this.shared(known, origin ?? this.current);
    const result = definition.shape(types, resolved);
    if (!result.ok) throw new ShapeMismatch(result.error);
    const id = this.nodes.length;
    const made: NodeOf<K> = {
      id,
      op,
      // As many as the op has: checked above, or by its shape rule.
      inputs: [...inputs] as readonly number[] as InputsOf<K, number>,
      attrs: resolved,
      type: result.type,
      origin: origin ?? this.current,
    };
    this.nodes.push(made as Node);
    this.ids.set(key, id);
    return id;
  }

  /** A node that is made again, which now stands for what the other one would have. */
  private shared(id: number, { sources }: Origin): number {
    const forward = sources?.filter(({ backward }) => !backward) ?? [];
    const node = this.node(id);
    if (forward.length > 0)
      this.nodes[id] = { ...node, origin: mergedOrigin(node.origin, [{ path: '', sources: forward }]) };
    return id;
  }

  finish(outputs: readonly Output[]): Graph {
    return pruned(this.nodes, outputs);
  }
}

/** Axes from the end become axes from the front; reduced axes are sorted. */
function resolveAxes<K extends OpName>(attrs: OpAttributes[K], rank: number): OpAttributes[K] {
  const resolve = (axis: number) => (axis < 0 ? axis + rank : axis);
  let resolved: OpAttributes[K] = attrs;
  if ('axis' in attrs && attrs.axis < 0) resolved = { ...resolved, axis: resolve(attrs.axis) };
  if ('axes' in attrs) resolved = { ...resolved, axes: attrs.axes.map(resolve).sort((a, b) => a - b) };
  if ('perm' in attrs && attrs.perm.some((a) => a < 0))
    resolved = { ...resolved, perm: attrs.perm.map(resolve) };
  return resolved;
}

/**
 * Text that is equal for equal nodes only. Keys are sorted; numbers that JSON cannot write are spelled out.
 */
function structuralKey(op: OpName, inputs: readonly number[], attrs: OpAttributes[OpName]): string {
  return `${op}(${inputs.join(',')})${stableText(attrs)}`;
}

function stableText(value: unknown): string {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  if (Array.isArray(value)) return `[${value.map(stableText).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = value as Readonly<Record<string, unknown>>;
    let text = '';
    for (const key of Object.keys(fields).sort())
      if (fields[key] !== undefined) text += `${text === '' ? '' : ','}${key}:${stableText(fields[key])}`;
    return `{${text}}`;
  }
  return JSON.stringify(value) ?? 'undefined';
}

/** What the outputs need, renumbered in the order of the old ids (which is topological). */
function pruned(nodes: readonly Node[], outputs: readonly Output[]): Graph {
  const needed = new Array<boolean>(nodes.length).fill(false);
  for (const { name, node } of outputs) {
    if (nodes[node] === undefined) throw new Error(`output ${name} names %${node}, which does not exist`);
    needed[node] = true;
  }
  for (let id = nodes.length - 1; id >= 0; id--) {
    if (needed[id]) for (const i of nodes[id]!.inputs) needed[i] = true;
  }
  const renumbered = new Map<number, number>();
  const kept: Node[] = [];
  for (const node of nodes) {
    if (!needed[node.id]) continue;
    const id = kept.length;
    renumbered.set(node.id, id);
    kept.push({ ...node, id, inputs: node.inputs.map((i) => renumbered.get(i)!) } as Node);
  }
  return { nodes: kept, outputs: outputs.map(({ name, node }) => ({ name, node: renumbered.get(node)! })) };
}
