/** A traced graph, node by node, as nodes of ONNX. */
import type { Graph, NodeOf } from '../../../compiler/graph/types.ts';
import type { OpName } from '../../../compiler/ops/attributes.ts';
import { lowerings, type Place } from './lowerings.ts';
import type { OnnxGraph, Value } from './onnx-graph.ts';

function lowerNode<K extends OpName>(place: Place<K>): Value {
  const lowering = lowerings[place.node.op];
  if (typeof lowering === 'string') throw new Error(`${place.node.op} was let through`);
  return lowering(place);
}

/**
 * Adds a graph of ops that all have a form.
 * @param fed the values of the graph's inputs, by their names; the first has the batch for its first axis
 * @returns its outputs, in order
 */
export function lowerGraph(onnx: OnnxGraph, graph: Graph, fed: ReadonlyMap<string, Value>): Value[] {
  const [first = ''] = fed.values();
  const batch = () => onnx.once(`rows of ${first}`, () => onnx.add('Shape', [first], { start: 0, end: 1 }));
  const inputOf = ({ attrs }: NodeOf<'input'>) => {
    const value = fed.get(attrs.name);
    if (value === undefined) throw new Error(`nothing is fed as ${attrs.name}`);
    return value;
  };
  const values: Value[] = [];
  for (const node of graph.nodes) {
    onnx.from(node.origin.path);
    const inputs = node.inputs.map((i) => values[i]!);
    const types = node.inputs.map((i) => graph.nodes[i]!.type);
    values.push(lowerNode({ onnx, node, inputs, types, batch, fed: inputOf } as Place<OpName>));
  }
  onnx.from('');
  return graph.outputs.map(({ node }) => values[node]!);
}
