/**
 * Cases of words over tensors with what PyTorch makes of them (test/fixtures/tensor_words.json): each as a graph
 * whose `loss` is the sum of y * r.
 */
import { readFileSync } from 'node:fs';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { formatShape, type Graph } from '../../compiler/graph/types.ts';
import { resolveModel, traceEntry } from '../../compiler/model/index.ts';
import type { Result } from '../../compiler/model/types.ts';
import { axisNames } from '../../compiler/ops/language.ts';
import { renderDiagnostics } from '../../grammar/render.ts';
import { memoryHost } from '../errors/report.ts';

interface Values {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

export interface WordCase {
  /** Over weights `w0`, `w1`, ... */
  readonly expression: string;
  readonly weights: readonly Values[];
  readonly y: Values;
  /** Where y is not of integers. */
  readonly r?: readonly number[];
  readonly gradients?: readonly (readonly number[])[];
}

const file = new URL('../fixtures/tensor_words.json', import.meta.url);
export const wordCases = JSON.parse(readFileSync(file, 'utf8')) as readonly WordCase[];

/** `w0`, `w1`, ... */
export const weightNames = ({ weights }: WordCase) => weights.map((_, i) => `w${i}`);

/** The values of a case by name: weights and `r`. */
export function feedsOf(c: WordCase): Map<string, Float64Array> {
  const weights = c.weights.map(({ data }, i) => [`w${i}`, Float64Array.from(data)] as const);
  return new Map([...weights, ['r', Float64Array.from(c.r ?? c.y.data.map(() => 1))]]);
}

function unwrap<T>(result: Result<T>, program: string): T {
  if (!result.ok) throw new Error(`${program}\n${renderDiagnostics(result.diagnostics)}`);
  return result.value;
}

/** A text encoder whose features are the flat elements of the expression. */
function programOf({ expression, weights, y, r }: WordCase): string {
  const axes = axisNames(y.shape.length);
  const value = r === undefined ? `float(${expression})` : expression;
  return `
block Words {
${weights.map(({ shape }, i) => `  param w${i}: ${formatShape(shape)} = zeros`).join('\n')}

  forward(tokens: i32[B, 2]) -> [B, E] {
    let y = ${value}
    return float(tokens)[:, 0:1] * 0 + rearrange(y, [${axes.join(', ')}] -> [(${axes.join(' ')})])
  }
}
model "words" = Words()
`;
}

/** Outputs `y` [1, elements] and `loss`, over the weights and inputs `tokens` [1, 2] and `r` [1, elements]. */
export function graphOf(c: WordCase): Graph {
  const program = programOf(c);
  const model = unwrap(resolveModel(memoryHost({ 'words.zoo': program }), 'words.zoo#words'), program);
  const traced = unwrap(traceEntry(model, 'encode_text', { batch: 1 }), program);
  const b = createBuilder();
  const ids: number[] = [];
  for (const node of traced.nodes) {
    const inputs = node.inputs.map((id) => ids[id]!);
    ids.push(b.withOrigin(node.origin, () => b.add(node.op, inputs, node.attrs)));
  }
  const y = ids[traced.outputs[0]!.node]!;
  const r = b.add('input', [], { name: 'r', dtype: 'f32', shape: [1, c.y.data.length] });
  const loss = b.add('sum', [b.add('mul', [y, r], {})], { axes: [0, 1], keep: false });
  return b.finish([
    { name: 'y', node: y },
    { name: 'loss', node: loss },
  ]);
}
