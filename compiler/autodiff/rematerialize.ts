/**
 * Rematerialisation (gradient checkpointing; Chen et al. 2016): activations of chosen regions are computed
 * again in the backward pass instead of being kept for it.
 *
 * A region's results, which nodes elsewhere read, stay stored; everything inside that the backward pass reads
 * is cloned from the region's inputs, node by node, each just before its first use. The order of nodes is the
 * order of kernels, so the originals die within the forward pass. Clones start from `recompute` views, which
 * keeps later passes from sharing them with the originals.
 *
 * Other kernels may make the clones, which round otherwise. So a stored result that the backward pass looks for
 * among what is computed again is computed again from that.
 */

import type { Builder } from '../graph/builder.ts';
import { createBuilder } from '../graph/create-builder.ts';
import type { Graph, Node } from '../graph/types.ts';
import { nodeAt } from '../graph/types.ts';
import { isExtreme } from '../ops/max.ts';

/** Names the region that a node of this block path belongs to, if any. */
export type RegionOf = (path: string) => string | undefined;

/**
 * The same graph with regions computed again where the backward pass reads them.
 * @param graph a differentiated graph
 * @param forward how many of its first nodes are the forward pass
 */
export function rematerialize(graph: Graph, forward: number, regionOf: RegionOf): Graph {
  const inner = interior(graph, forward, regionOf);
  const dependsOnData = dataDependent(graph);
  const b = createBuilder();
  const renamed: number[] = [];
  const clones = new Map<number, number>();

  const clone = (id: number): number => {
    const known = clones.get(id);
    if (known !== undefined) return known;
    const node = nodeAt(graph, id);
    const inputs = node.inputs.map((input) => {
      if (inner[input]) return clone(input);
      if (!dependsOnData[input]) return renamed[input]!;
      return b.add('recompute', [renamed[input]!], {}, nodeAt(graph, input).origin);
    });
    const made = addAgain(b, node, inputs);
    clones.set(id, made);
    return made;
  };

  const cloned = (id: number) => {
    const node = nodeAt(graph, id);
    return inner[id] || (id < forward && isExtreme(node) && inner[node.inputs[0]]);
  };

  for (const node of graph.nodes) {
    const backward = node.id >= forward;
    const inputs = node.inputs.map((id) => (backward && cloned(id) ? clone(id) : renamed[id]!));
    renamed.push(b.add(node.op, inputs, node.attrs, node.origin));
  }
  return b.finish(graph.outputs.map(({ name, node }) => ({ name, node: renamed[node]! })));
}

function addAgain(b: Builder, node: Node, inputs: readonly number[]): number {
  return b.add(node.op, inputs, node.attrs, { ...node.origin, path: `${node.origin.path} (again)` });
}

/**
 * Nodes of the forward pass that only their own region reads there, and that depend on data: those not to
 * keep.
 */
function interior(graph: Graph, forward: number, regionOf: RegionOf): boolean[] {
  const dependsOnData = dataDependent(graph);
  const region = graph.nodes.map((n) => (n.id < forward ? regionOf(n.origin.path) : undefined));
  const inner = graph.nodes.map(
    (n) => region[n.id] !== undefined && dependsOnData[n.id]! && n.inputs.length > 0,
  );
  for (const node of graph.nodes.slice(0, forward))
    for (const id of node.inputs) if (region[id] !== region[node.id]) inner[id] = false;
  for (const { node } of graph.outputs) inner[node] = false;
  return inner;
}

/** Which nodes depend on an input; the others follow from weights and constants, and are small or shared. */
function dataDependent(graph: Graph): boolean[] {
  const depends: boolean[] = [];
  for (const { op, inputs } of graph.nodes) depends.push(op === 'input' || inputs.some((id) => depends[id]));
  return depends;
}
