/**
 * Says an op's example in the language: a small program whose text encoder is that one expression over
 * weights, traced and evaluated by the reference.
 */
import { expect } from 'vitest';
import { executeReference } from '../../../compiler/graph/reference.ts';
import { formatShape } from '../../../compiler/graph/types.ts';
import { resolveModel, traceEntry } from '../../../compiler/model/index.ts';
import type { Result } from '../../../compiler/model/types.ts';
import type { OpAttributes, OpName } from '../../../compiler/ops/attributes.ts';
import { type AnySetting, axisNames, type Language } from '../../../compiler/ops/language.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import type { OpCase } from '../../../runtime/selftest/op-cases.ts';
import { memoryHost } from '../../errors/report.ts';

type Attributes = OpAttributes[OpName];
type WordOf = Extract<Language<Attributes>, { word: unknown }>['word'];

/** `take(v0, v1, axis = 2)`: every setting by name. */
function callOf(op: OpName, word: WordOf, operands: readonly string[], attrs: Attributes): string {
  const settings = Object.entries(word.settings as Readonly<Record<string, AnySetting>>);
  const named = settings.map(([attribute, { as }]) => {
    const value = (attrs as Readonly<Record<string, unknown>>)[attribute];
    return `${as ?? attribute} = ${Array.isArray(value) ? `[${value.join(', ')}]` : value}`;
  });
  return `${word.name ?? op}(${[...operands, ...named].join(', ')})`;
}

/**
 * The expression of an example over the names of its operands; undefined where its attributes cannot be said.
 */
function expressionOf({ op, definition, example, operands }: OpCase, names: string[]): string | undefined {
  const { language } = definition;
  if (language === 'none' || 'fuses' in language) return undefined;
  return 'word' in language
    ? callOf(op, language.word, names, example.attrs)
    : language.written(names, example.attrs, operands);
}

/** Integers as positions of the largest entry of a row, since weights are f32: `values + [below]`. */
function asRows({ shape, data }: RefTensor): RefTensor {
  const below = Math.max(...data) + 1;
  const rows = new Float64Array(data.length * below);
  data.forEach((value, i) => {
    rows[i * below + value] = 1;
  });
  return { shape: [...shape, below], data: rows };
}

/** A text encoder whose features are the flat elements of the expression. */
function programOf(c: OpCase, expression: string, weights: readonly RefTensor[]): string {
  const axes = axisNames(c.type.shape.length);
  const integers = c.operands.flatMap(({ dtype }, i) =>
    dtype === 'i32' ? [`    let v${i} = argmax(w${i}, axis = -1)`] : [],
  );
  const value = c.type.dtype === 'i32' ? 'float(y)' : 'y';
  const flat =
    axes.length === 0 ? value : `rearrange(${value}, [${axes.join(', ')}] -> [(${axes.join(' ')})])`;
  return `
block Said {
${weights.map(({ shape }, i) => `  param w${i}: ${formatShape(shape)} = zeros`).join('\n')}

  forward(tokens: i32[B, 2]) -> [B, E] {
${integers.join('\n')}
    let y = ${expression}
    return float(tokens)[:, 0:1] * 0 + ${flat}
  }
}
model "said" = Said()
`;
}

function unwrap<T>(result: Result<T>, program: string): T {
  if (!result.ok) throw new Error(`${program}\n${renderDiagnostics(result.diagnostics)}`);
  return result.value;
}

/**
 * Checks that the example's expression gives the node that it shows, with the reference's values.
 * @returns false where its attributes cannot be said
 */
export function sayOp(c: OpCase): boolean {
  const names = c.operands.map(({ dtype }, i) => (dtype === 'i32' ? `v${i}` : `w${i}`));
  const expression = expressionOf(c, names);
  if (expression === undefined) return false;
  const weights = c.operands.map((x) => (x.dtype === 'i32' ? asRows(x) : x));
  const program = programOf(c, expression, weights);
  const model = unwrap(resolveModel(memoryHost({ 'said.zoo': program }), 'said.zoo#said'), program);
  const graph = unwrap(traceEntry(model, 'encode_text', { batch: 1 }), program);
  const made = graph.nodes.filter(({ op }) => op === c.op);
  expect(
    made.map(({ attrs }) => attrs),
    program,
  ).toContainEqual(c.example.attrs);
  const results = executeReference(graph, {
    inputs: new Map([['tokens', { shape: [1, 2], data: new Float64Array(2) }]]),
    params: new Map(weights.map((w, i) => [`w${i}`, w])),
  });
  const { data } = c.definition.reference(
    c.operands,
    c.example.attrs,
    c.type.shape as number[],
    c.type.dtype,
  );
  expect(graph.outputs.map(({ name }) => name)).toEqual(['text_features']);
  expect([...results.get('text_features')!.data], program).toEqual([...data]);
  return true;
}
