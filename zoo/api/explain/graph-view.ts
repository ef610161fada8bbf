/** A graph of tensors as plain data: nodes, edges, and the part of it that a block computes. */

import { nodeFlops } from '../../../compiler/flops.ts';
import { type Graph, type Node, nodeAt } from '../../../compiler/graph/types.ts';
import type { Model } from '../../../compiler/model/types.ts';
import type { Span } from '../../../grammar/source.ts';
import { Blocks, type Place } from './places.ts';
import { shapeOf, type TensorShape } from './tree.ts';

/** One operation with its one result. */
export interface GraphNode extends TensorShape {
  /** Its place in the graph's `nodes`; inputs have smaller ones. */
  readonly id: number;
  /** `matmul`, `layer_norm`, …; `input`, `param` and `constant` are fed. */
  readonly op: string;
  /** What the operation is told beside its inputs. */
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Ids of the nodes that it reads, in the operation's order. */
  readonly inputs: readonly number[];
  /** As `CostedBlock.flops` counts. */
  readonly flops: number;
  /** Number of the block (`TreeBlock.id`) whose body it stands in; 0 for what no block makes. */
  readonly block: number;
  readonly path: string;
  /** Where it is written, in the text or a bundled package (`zooc:nn`). */
  readonly span?: Span;
  /** What of the traced graph it does, in parts or as a whole; itself, in the traced graph. Empty for what only gradients need. */
  readonly origins: readonly NodeOrigin[];
}

/** A node of the traced graph behind something that was made of it. */
export interface NodeOrigin {
  /** Its id in the traced graph. */
  readonly node: number;
  readonly op: string;
  readonly block: number;
  readonly path: string;
  readonly span?: Span;
  /** What was made of it is of its gradient. */
  readonly backward: boolean;
}

/** One node's result as an input of another. */
export interface GraphEdge {
  readonly from: number;
  readonly to: number;
  /** Which input of `to`, from 0. */
  readonly input: number;
}

/** A part of a graph. */
export interface SubGraph {
  readonly nodes: readonly GraphNode[];
  /** Between these nodes. */
  readonly edges: readonly GraphEdge[];
  /** Nodes outside that nodes inside read. */
  readonly inputs: readonly GraphNode[];
  /** Those of `nodes` that nodes outside read, or that the graph gives. */
  readonly outputs: readonly GraphNode[];
}

/** A graph of one entry, with the batch as a number. */
export class GraphView {
  readonly nodes: readonly GraphNode[];
  /** What it gives, by name. */
  readonly outputs: readonly { readonly name: string; readonly node: number }[];
  readonly #blocks: Blocks;

  /**
   * @param traced what nodes of `graph` name as their sources; the graph itself by default
   * @internal
   */
  constructor(model: Model, graph: Graph, traced: Graph = graph) {
    this.nodes = graph.nodes.map((node) => viewOf(graph, node, originsOf(traced, node)));
    this.outputs = graph.outputs;
    this.#blocks = new Blocks(model.root);
  }

  /** Ids of the nodes that a place means: of an optimized graph those which do a part of it, forward or backward. */
  at(place: Place): number[] {
    const matches = this.#blocks.matcher(
      place,
      this.nodes.flatMap(({ origins }) => origins),
    );
    return this.nodes.flatMap(({ id, origins }) => (origins.some(matches) ? [id] : []));
  }

  /** What a place computes as a graph of its own; all of it without a place. */
  within(place: Place = { path: '' }): SubGraph {
    const inside = new Set(this.at(place));
    const outer = new Set<number>();
    const given = new Set(this.outputs.map(({ node }) => node));
    const edges: GraphEdge[] = [];
    for (const { id: to, inputs } of this.nodes)
      for (const [input, from] of inputs.entries()) {
        if (inside.has(from) && inside.has(to)) edges.push({ from, to, input });
        else if (inside.has(to)) outer.add(from);
        else if (inside.has(from)) given.add(from);
      }
    const pick = (ids: ReadonlySet<number>) => this.nodes.filter(({ id }) => ids.has(id));
    const nodes = pick(inside);
    return { nodes, edges, inputs: pick(outer), outputs: nodes.filter(({ id }) => given.has(id)) };
  }
}

/** @internal */
export function originsOf(traced: Graph, { origin }: Pick<Node, 'origin'>): NodeOrigin[] {
  return (origin.sources ?? []).map(({ node, backward = false }) => {
    const { op, origin: own } = nodeAt(traced, node);
    return { node, op, ...placeOf(own), backward };
  });
}

function placeOf({ block = 0, path, span }: Node['origin']): Pick<NodeOrigin, 'block' | 'path' | 'span'> {
  return { block, path, ...(span === undefined ? {} : { span }) };
}

function viewOf(graph: Graph, node: Node, origins: readonly NodeOrigin[]): GraphNode {
  const { id, op, attrs, inputs, type } = node;
  return {
    id,
    op,
    attributes: attrs as unknown as Readonly<Record<string, unknown>>,
    inputs,
    ...shapeOf(type),
    flops: nodeFlops(graph, node),
    ...placeOf(node.origin),
    origins,
  };
}
