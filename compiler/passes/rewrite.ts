/** Rebuilds a graph node by node: what most passes are. */
import type { Builder } from '../graph/builder.ts';
import { createBuilder } from '../graph/create-builder.ts';
import type { Graph, Node } from '../graph/types.ts';

/**
 * Answers the node that replaces `node`, built with `b` from `inputs` (the already rewritten ids of its
 * inputs), or undefined to keep it as it is.
 */
type Rule = (b: Builder, node: Node, inputs: readonly number[]) => number | undefined;

/** Applies a rule to every node in order; nodes that nothing needs any more are dropped. */
export function rewrite(graph: Graph, rule: Rule): Graph {
  const b = createBuilder();
  const renamed: number[] = [];
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((id) => renamed[id]!);
    const id = b.withOrigin(node.origin, () => rule(b, node, inputs) ?? b.add(node.op, inputs, node.attrs));
    renamed.push(id);
  }
  return b.finish(graph.outputs.map(({ name, node }) => ({ name, node: renamed[node]! })));
}
