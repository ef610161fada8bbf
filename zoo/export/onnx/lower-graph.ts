/** A traced graph, node by node, as nodes of ONNX. */
import type { Graph, NodeOf } from '../../../compiler/graph/types.ts';
import type { OpName } from '../../../compiler/ops/attributes.ts';
import { lowerings, type Place } from './lowerings.ts';
import type { OnnxGraph, Value } from './onnx-graph.ts';
import { type QuantizedWeight, quantizedNodes } from './quantize.ts';
import { lowerQuantized, type Quantizable } from './quantized-lowerings.ts';

function lowerNode<K extends OpName>(place: Place<K>): Value {
  const lowering = lowerings[place.node.op];
  if (typeof lowering === 'string') throw new Error(`${place.node.op} was let through`);
  return lowering(place);
}

/** Nodes that are read as they are: all but those that are weights of quantised nodes alone. */
function plainlyRead(
  { nodes, outputs }: Graph,
  quantized: ReadonlyMap<number, QuantizedWeight>,
): ReadonlySet<number> {
  const read = nodes.flatMap(({ id, inputs }) => inputs.filter((_, i) => i !== quantized.get(id)?.input));
  return new Set([...read, ...outputs.map(({ node }) => node)]);
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
  const quantized = onnx.quantizes ? quantizedNodes(graph) : new Map<number, QuantizedWeight>();
  const plain = plainlyRead(graph, quantized);
  const values: Value[] = [];
  for (const node of graph.nodes) {
    if (node.op === 'param' && !plain.has(node.id)) continue;
    onnx.from(node.origin.path);
    const inputs = node.inputs.map((i) => values[i]!);
    const types = node.inputs.map((i) => graph.nodes[i]!.type);
    const place = { onnx, node, inputs, types, batch, fed: inputOf } as Place<OpName>;
    const weight = quantized.get(node.id);
    values[node.id] =
      weight === undefined ? lowerNode(place) : lowerQuantized(place as Place<Quantizable>, weight);
  }
  onnx.from('');
  return graph.outputs.map(({ node }) => values[node]!);
}
