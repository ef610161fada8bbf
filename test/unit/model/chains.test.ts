/** Chains, their parts, and lists: each form means what it would be written out. */
import { describe, expect, it } from 'vitest';
import { printGraph } from '../../../compiler/graph/print.ts';
import { resolveModel, traceEntry } from '../../../compiler/model/index.ts';
import type { Result } from '../../../compiler/model/types.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { memoryHost } from '../../errors/report.ts';

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(renderDiagnostics(result.diagnostics));
  return result.value;
}

/** The graph of a body over the members below, as text. */
function graph(body: string): string {
  const source = `
import nn { Linear, LayerNorm }
block Masked(width: int) {
  proj: Linear(width, width)
  forward(x: [B, width], mask: [width], scale: float = 1) -> [B, width] = proj(x) * mask * scale
}
block Step(width: int) {
  proj: Linear(width, width)
  forward(s: { x: [B, width], sum: [B, width] }) -> { x: [B, width], sum: [B, width] } {
    let y = proj(s.x)
    return { x = y, sum = s.sum + y }
  }
}
block Pick {
  forward(s: { x: [B, W], sum: [B, W] }) -> [B, W] = s.sum
}
fn twice(f: fn, x: [B, W]) -> [B, W] = f(f(x))
block Net(width: int = 6) {
  param mask: [width]
  layers[i in 0..5]: Linear(width, width)
  masked[i in 0..2]: Masked(width)
  steps[i in 0..3]: Step(width)
  mlp: seq { a: Linear(width, 12)  act: quick_gelu  b: Linear(12, width) }
  tail: seq { more[i in 0..2]: Step(width)  pick: Pick() }
  forward(image: [B, 6]) -> [B, width] {
    let x = image
    return ${body}
  }
}
model "net" = Net()
`;
  const model = unwrap(resolveModel(memoryHost({ 'main.zoo': source }), 'main.zoo#net'));
  return printGraph(unwrap(traceEntry(model, 'encode_image', { batch: 2, fuse: false })));
}

const same: readonly (readonly [string, string])[] = [
  ['layers[1..3](x)', 'layers[2](layers[1](x))'],
  ['layers[0..-1](x)', 'layers[3](layers[2](layers[1](layers[0](x))))'],
  ['layers[..2](x)', 'layers[1](layers[0](x))'],
  ['layers[3..](x)', 'layers[4](layers[3](x))'],
  ['layers[-2..](x)', 'layers[4](layers[3](x))'],
  ['layers[-1](x)', 'layers[4](x)'],
  ['layers[2..2](x)', 'x'],
  ['layers[1..][..2](x)', 'layers[2](layers[1](x))'],
  ['layers[1..-1][0](x)', 'layers[1](x)'],
  ['x |> layers[3..5] |> mlp', 'mlp(layers[4](layers[3](x)))'],
  ['layers[0..len(layers) - 3](x)', 'layers[1](layers[0](x))'],
  ['mlp[0..2](x) @ mlp.b.weight.T', 'quick_gelu(mlp.a(x)) @ mlp.b.weight.T'],
  ['mlp[-1](mlp[..-1](x))', 'mlp(x)'],
  ['twice(layers[0..2], x)', 'layers[1](layers[0](layers[1](layers[0](x))))'],
  ['masked(x, mask)', 'masked[1](masked[0](x, mask), mask)'],
  ['masked(x, scale = 2, mask = mask)', 'masked[1](masked[0](x, mask, 2), mask, 2)'],
  ['masked[1..](x, mask)', 'masked[1](x, mask)'],
  ['steps({ x = x, sum = x }).sum', 'steps[2](steps[1](steps[0]({ x = x, sum = x }))).sum'],
  ['tail({ x = x, sum = x })', 'tail.pick(tail.more[1](tail.more[0]({ x = x, sum = x })))'],
  ['sum([layers[i](x) for i in 0..3])', 'sum([layers[0](x), layers[1](x), layers[2](x)])'],
  ['[layers[i](x) * (i + 1) for i in 1..4][1]', 'layers[2](x) * 3'],
  [
    'concat([x[:, 2 * i : 2 * i + 2] for i in 0..4 - 1], axis = 1)',
    'concat(x[:, 0:2], x[:, 2:4], x[:, 4:6], axis = 1)',
  ],
  [
    'mean(stack([layers[i](x) for i in 0..2], axis = 0), axis = 0)',
    'mean(stack(layers[0](x), layers[1](x), axis = 0), axis = 0)',
  ],
  ['x * sum([i ^ 2 for i in 0..4])', 'x * 14'],
  ['x * len([[i * j for j in 0..i] for i in 0..4][3])', 'x * 3'],
  ['x * len([i for i in 2..2]) + x', 'x * 0 + x'],
];

describe('a form and what it means', () => {
  it.each(same)('%s is %s', (form, meaning) => {
    expect(graph(form)).toBe(graph(meaning));
  });

  it('differs where the meaning does', () => {
    expect(graph('layers[1..3](x)')).not.toBe(graph('layers[0..2](x)'));
  });
});

describe('static numbers where floats meet', () => {
  it.each([
    ['x * (1 / 2)', 'x * 0.5'],
    ['x * (width / 4) ^ -0.5', 'x * 1.5 ^ -0.5'],
    ['x * (-width / 4)', 'x * -1.5'],
    ['x / (width / 4 * 2)', 'x / 3.0'],
    ['x ^ (1 / 2)', 'sqrt(x)'],
    ['(if width / 4 > 1 then x else 0 * x)', 'x'],
    ['layers[int(width / 4)](x)', 'layers[1](x)'],
    ['masked[0](x, mask, 1 / 4)', 'masked[0](x, mask, 0.25)'],
    ['layers[width / 3](x)', 'layers[2](x)'],
  ])('%s is %s', (form, meaning) => {
    expect(graph(form)).toBe(graph(meaning));
  });
});
