/** Which ids the inputs of a graph may hold: as declared, or from the tables that they index. */
import { anyId, idRange, indexFaults } from '../../graph/index-ranges.ts';
import type { Graph, Node, Range } from '../../graph/types.ts';
import type { Trace } from './inputs.ts';

/**
 * The graph with the ids that each input of integers may hold said at the input, where anything bounds them.
 * Reports indices that may leave their tables all the same: a GPU would read something else without a word.
 */
export function boundGraph(graph: Graph, { root, env }: Trace): Graph {
  const ranges = rangesOf(graph);
  const given = new Map([...ranges].map(([name, range]) => [name, range ?? anyId]));
  for (const { node, range, size } of indexFaults(graph, given)) {
    const [what, where] =
      node.op === 'embedding' ? ['ids', 'the table has rows'] : ['index', 'the axis has positions'];
    const last = size - 1;
    env.session.report(
      'Z313',
      node.origin.span ?? root.span,
      `the ${what} of ${node.op} can be ${range.min} to ${range.max}, ${where} 0 to ${last}`,
      { help: `keep the ${what} inside: max(min(${what}, ${last}), 0), or ${what} % ${size}` },
    );
  }
  const nodes = graph.nodes.map((node): Node => {
    const ids = node.op === 'input' ? ranges.get(node.attrs.name) : undefined;
    return node.op === 'input' && ids !== undefined ? { ...node, attrs: { ...node.attrs, ids } } : node;
  });
  return { ...graph, nodes };
}

/** By input of integers. */
function rangesOf(graph: Graph): Map<string, Range | undefined> {
  return new Map(
    graph.nodes.flatMap(({ op, attrs, type }) =>
      op === 'input' && type.dtype === 'i32'
        ? [[attrs.name, attrs.ids ?? idRange(graph, attrs.name)] as const]
        : [],
    ),
  );
}
