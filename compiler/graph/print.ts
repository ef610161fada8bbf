/**
 * The text form of a graph: one line a node, outputs at the end, stable for goldens.
 *
 *     %12 = matmul %3, %5 {transposeB = true} : f32[8, 50, 768]  # visual.transformer.resblocks.0.attn
 *     output loss = %40
 *
 * Attributes that the type already says (shape, dtype) and flags that are false are left out.
 */
import type { MapInstruction, MapProgram } from '../ops/map-program.ts';
import { type Dim, formatDim, formatType, type Graph, type Node, type Range } from './types.ts';

export function printGraph(graph: Graph): string {
  const lines = graph.nodes.map(printNode);
  for (const { name, node } of graph.outputs) lines.push(`output ${name} = %${node}`);
  return `${lines.join('\n')}\n`;
}

function printNode(node: Node): string {
  const inputs = node.inputs.map((i) => ` %${i}`).join(',');
  const attrs = printAttributes(node);
  const origin = node.origin.path === '' ? '' : `  # ${node.origin.path}`;
  return `%${node.id} = ${node.op}${inputs}${attrs} : ${formatType(node.type)}${origin}`;
}

const impliedByType = new Set(['shape', 'dtype', 'to', 'length']);

function printAttributes(node: Node): string {
  const shown = Object.entries(node.attrs).filter(
    ([key, value]) => value !== undefined && value !== false && !impliedByType.has(key),
  );
  if (shown.length === 0) return '';
  return ` {${shown.map(([key, value]) => `${key} = ${printValue(value)}`).join(', ')}}`;
}

function printValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printValue).join(', ')}]`;
  if (isProgram(value)) return printProgram(value);
  if (isRange(value)) return `${value.min}..${value.max}`;
  if (typeof value === 'object' && value !== null) return formatDim(value as Dim);
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

function isRange(value: unknown): value is Range {
  return typeof value === 'object' && value !== null && 'min' in value;
}

function isProgram(value: unknown): value is MapProgram {
  return typeof value === 'object' && value !== null && 'instructions' in value;
}

/** `(v0 = mul x0 x1; v1 = tanh v0)`: inputs are x0, x1, ..., results v0, v1, ... */
function printProgram(program: MapProgram): string {
  const name = (value: number) => (value < program.inputs ? `x${value}` : `v${value - program.inputs}`);
  const line = (step: MapInstruction, at: number) => {
    const operands = step.op === 'constant' ? [String(step.value)] : step.args.map(name);
    return `v${at} = ${step.op} ${operands.join(' ')}`;
  };
  return `(${program.instructions.map(line).join('; ')})`;
}
