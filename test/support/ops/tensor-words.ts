/**
 * Words over tensors as graphs: an expression of the language over weights, whose `loss` is the sum of its
 * elements times numbers `r`; and the cases with what PyTorch makes of them (test/fixtures/tensor_words.json).
 */
import { readFileSync } from 'node:fs';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { formatShape, type Graph, numericShape, type Output } from '../../../compiler/graph/types.ts';
import { resolveModel, traceEntry } from '../../../compiler/model/index.ts';
import type { Result } from '../../../compiler/model/types.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { memoryHost } from '../../errors/report.ts';

/** An expression and the weights that it names; `rows` [B, 1, 1] in it differs from sample to sample. */
export interface Said {
  readonly expression: string;
  /** By name; those that begin with `s` are buffers. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** What `B` is; 1 by default. */
  readonly batch?: number;
  readonly training?: boolean;
}

interface Values {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface WordCase {
  /** Over weights `w0`, `w1`, ... */
  readonly expression: string;
  readonly weights: readonly Values[];
  readonly y: Values;
  /** Where y is not of integers. */
  readonly r?: readonly number[];
  readonly gradients?: readonly (readonly number[])[];
}

const file = new URL('../../fixtures/tensor_words.json', import.meta.url);
export const wordCases = JSON.parse(readFileSync(file, 'utf8')) as readonly WordCase[];

export function saidBy({ expression, weights }: WordCase): Said {
  return { expression, shapes: Object.fromEntries(weights.map(({ shape }, i) => [`w${i}`, shape])) };
}

/** The values of a case by name: weights and `r`. */
export function valuesOf(c: WordCase): Map<string, Float64Array> {
  const weights = c.weights.map(({ data }, i) => [`w${i}`, Float64Array.from(data)] as const);
  return new Map([...weights, ['r', Float64Array.from(c.r ?? c.y.data.map(() => 1))]]);
}

function unwrap<T>(result: Result<T>, program: string): T {
  if (!result.ok) throw new Error(`${program}\n${renderDiagnostics(result.diagnostics)}`);
  return result.value;
}

/** A text encoder whose features are the expression. */
function programOf({ expression, shapes }: Said): string {
  const weights = Object.entries(shapes).map(
    ([name, shape]) =>
      `  ${name.startsWith('s') ? 'buffer' : 'param'} ${name}: ${formatShape(shape)} = zeros`,
  );
  return `
block Words {
${weights.join('\n')}

  forward(tokens: i32[B, 2]) -> { text: [...] } {
    let rows = rearrange(float(tokens[:, 0]), [b] -> [b, 1, 1])
    return { text = float(${expression}) }
  }
}
model "words" = Words()
`;
}

/**
 * Outputs `y` and `loss` (and the statistics that training moves), over the weights and inputs `r`, of y's
 * shape, and `tokens` [B, 2] and random keys where the expression asks for them.
 * @param activations weights that are made activations, which mixed precision stores as f16, as it then does y
 * and gradients: they and y are turned round along the last axis, since weights and results of a plan are f32
 */
export function graphOf(said: Said, activations: readonly string[] = []): Graph {
  const program = programOf(said);
  const { batch = 1, training = false } = said;
  const model = unwrap(resolveModel(memoryHost({ 'words.zoo': program }), 'words.zoo#words'), program);
  const traced = unwrap(traceEntry(model, 'encode_text', { batch, training }), program);
  const b = createBuilder();
  const turned = (x: number) => b.add('flip', [x], { axis: -1 });
  const ids: number[] = [];
  for (const node of traced.nodes) {
    const inputs = node.inputs.map((id) => ids[id]!);
    const id = b.withOrigin(node.origin, () => b.add(node.op, inputs, node.attrs));
    ids.push(node.op === 'param' && activations.includes(node.attrs.name) ? turned(id) : id);
  }
  const [result, ...moved] = traced.outputs.map(({ name, node }): Output => ({ name, node: ids[node]! }));
  const shape = numericShape(b.type(result!.node));
  const y = activations.length > 0 && shape.length > 0 ? turned(result!.node) : result!.node;
  const r = b.add('input', [], { name: 'r', dtype: 'f32', shape });
  const axes = shape.map((_, axis) => axis);
  const loss = b.add('sum', [b.add('mul', [y, r], {})], { axes, keep: false });
  return b.finish([{ name: 'y', node: y }, ...moved, { name: 'loss', node: loss }]);
}
