/**
 * Which traced nodes a node stands for, through gradients, passes and lowering. They travel in the origins; a graph that was not
 * numbered has none, and costs nothing.
 */
import type { Graph, Node, Origin, Source } from './types.ts';

/** The traced graph, each node with itself as its source. */
export function withSources(graph: Graph): Graph {
  const nodes = graph.nodes.map(
    (node): Node => ({ ...node, origin: { ...node.origin, sources: [{ node: node.id }] } }),
  );
  return { ...graph, nodes };
}

/** The sources of several origins, each once. */
export function sourcesOf(origins: readonly Origin[]): Source[] {
  const found = new Map<string, Source>();
  for (const { sources = [] } of origins)
    for (const source of sources) found.set(`${source.node} ${source.backward ?? false}`, source);
  return [...found.values()];
}

/** The first origin, of a node that does the work of all. */
export function mergedOrigin(first: Origin, others: readonly Origin[]): Origin {
  const sources = sourcesOf([first, ...others]);
  return sources.length === 0 ? first : { ...first, sources };
}

/** The origin of a node of the gradient. */
export function backwardOrigin(origin: Origin, path: string): Origin {
  const { sources } = origin;
  if (sources === undefined) return { ...origin, path };
  return { ...origin, path, sources: sources.map(({ node }) => ({ node, backward: true })) };
}
