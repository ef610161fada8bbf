/**
 * Checks everything later stages rely on. A failure is a defect of the compiler, never the user's: it names
 * the node and the block it came from.
 *
 * Checked: ids are indices and inputs come first; arities; shapes are numbers; each type is what the op's
 * shape rule gives; inputs and weights have one node per name; outputs exist under different names. Rules
 * compute in f32: any float result but a leaf may be stored as f16, and rules do not see that their inputs
 * are. Views are of one type with what they show.
 */
import { opOf } from '../ops/index.ts';
import {
  type Dim,
  formatType,
  type Graph,
  type Node,
  nodeAt,
  sameShape,
  type TensorType,
  type VerifiedGraph,
} from './types.ts';
import { viewOps } from './views.ts';

export function verify(graph: Graph): VerifiedGraph {
  const fed = new Set<string>();
  for (const [index, node] of graph.nodes.entries()) {
    const fault = nodeFault(graph, node, index) ?? nameFault(node, fed);
    if (fault !== undefined)
      throw new Error(`graph node %${index} (${node.op}${where(node)}) is broken: ${fault}`);
  }
  const names = new Set<string>();
  for (const { name, node } of graph.outputs) {
    if (graph.nodes[node] === undefined)
      throw new Error(`graph output ${name} names %${node}, which does not exist`);
    if (names.has(name)) throw new Error(`graph output ${name} is named twice`);
    names.add(name);
  }
  return graph as VerifiedGraph;
}

function where(node: Node): string {
  return node.origin.path === '' ? '' : ` at ${node.origin.path}`;
}

function nodeFault(graph: Graph, node: Node, index: number): string | undefined {
  if (node.id !== index) return `its id is ${node.id}`;
  const late = node.inputs.find((i) => !Number.isInteger(i) || i < 0 || i >= index);
  if (late !== undefined) return `its input %${late} does not come before it`;
  const { arity } = opOf(node.op);
  if (typeof arity === 'number' && arity !== node.inputs.length)
    return `it has ${node.inputs.length} inputs, not ${arity}`;
  const bad = node.type.shape.find((d: Dim) => typeof d !== 'number' || !Number.isInteger(d) || d < 1);
  if (bad !== undefined) return `${formatType(node.type)} is not a numeric shape`;
  const result = opOf(node.op).shape(
    node.inputs.map((i) => computed(nodeAt(graph, i).type)),
    node.attrs as never,
  );
  if (!result.ok) return result.error.message;
  const stored = node.inputs.length === 0 ? node.type : computed(node.type);
  const given = node.inputs.length === 0 ? result.type : computed(result.type);
  if (given.dtype !== stored.dtype || !sameShape(given.shape, stored.shape))
    return `its type is ${formatType(node.type)}, its shape rule gives ${formatType(result.type)}`;
  const from = viewOps.has(node.op) ? nodeAt(graph, node.inputs[0]).type : undefined;
  if (from && from.dtype !== node.type.dtype) return `it is a view of ${from.dtype} as ${node.type.dtype}`;
  return undefined;
}

/** What arithmetic makes of a stored type. */
function computed(type: TensorType): TensorType {
  return type.dtype === 'f16' ? { ...type, dtype: 'f32' } : type;
}

/** Feeds go by name, so a name must mean one node. */
function nameFault(node: Node, fed: Set<string>): string | undefined {
  if (node.op !== 'input' && node.op !== 'param') return undefined;
  const key = `${node.op} ${node.attrs.name}`;
  if (fed.has(key)) return `there is another ${key}`;
  fed.add(key);
  return undefined;
}
