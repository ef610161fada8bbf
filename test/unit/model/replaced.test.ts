/** `with "pattern" as Block(...)`: what is replaced, what it is given, and what later changes see. */
import { describe, expect, it } from 'vitest';
import { printGraph } from '../../../compiler/graph/print.ts';
import { blocksOf, resolveModel, type TextOverride, traceEntry } from '../../../compiler/model/index.ts';
import type { Model, Result } from '../../../compiler/model/types.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { memoryHost } from '../../errors/report.ts';

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(renderDiagnostics(result.diagnostics));
  return result.value;
}

const library = `
import nn { Linear, Bias }
block LoRALinear(inputs: int, outputs: int, bias: bool = false, rank: int = 1, alpha: float = 2) {
  param weight: [outputs, inputs]
  inline offset: Bias(outputs, zeros) when bias
  param a: [rank, inputs] = normal(0.02)
  param b: [outputs, rank] = zeros
  forward(x: [..., inputs]) -> [..., outputs] =
    (x @ weight.T |> (offset ?: identity)) + x @ a.T @ b.T * (alpha / rank)
}
block Wrapped(inputs: int, outputs: int) {
  base: Linear(inputs, outputs)
  forward(x: [..., inputs]) -> [..., outputs] = base(x)
}
block Layer(width: int, linear: block = Linear) {
  mlp: seq { fc: linear(width, 2 * width)  act: quick_gelu  proj: Linear(2 * width, width) }
  forward(x: [B, width]) -> [B, width] = x + mlp(x)
}
block Tower(width: int = 4, layers: int = 2, linear: block = Linear) {
  blocks[i in 0..layers]: Layer(width, linear)
  forward(image: [B, width]) -> [B, width] = blocks(image)
}
block Head(width: int, tower: block) {
  visual: tower(width = width)
  out: Linear(width, 3, bias = false)
  forward(image: [B, width]) -> [B, 3] = out(visual(image))
}
block Pooled(width: int, scale: float = 1) {
  forward(x: [B, width]) -> [B, width] = x * scale
}
model "net" = Head(4, Tower)
`;

function load(change: string, settings: readonly TextOverride[] = [], more = ''): Model {
  const files = { 'main.zoo': `${library}${more}\nmodel "new" = ${change}\n` };
  return unwrap(resolveModel(memoryHost(files), 'main.zoo#new', settings));
}

const graph = (model: Model) => printGraph(unwrap(traceEntry(model, 'encode_image', { batch: 2 })));
const names = (model: Model, under = '') =>
  model.weights.filter((w) => w.name.startsWith(under)).map((w) => `${w.name} [${w.shape.join(', ')}]`);
const replaced = (model: Model) =>
  [...blocksOf(model.root)].flatMap(({ path, definition, replaces }) =>
    replaces === undefined ? [] : [`${path}: ${replaces.definition?.name} -> ${definition?.name}`],
  );

describe('a replaced block', () => {
  it('is the new block with the arguments of the old one and its own', () => {
    const byHand = load('Head(4, Tower(linear = LoRALinear(bias = true, rank = 3)))');
    const model = load('"net" with "**.mlp.fc" as LoRALinear(rank = 3)');
    expect(graph(model)).toBe(graph(byHand));
    expect(names(model)).toEqual(names(byHand));
    expect(replaced(model)).toEqual([
      'visual.blocks.0.mlp.fc: Linear -> LoRALinear',
      'visual.blocks.1.mlp.fc: Linear -> LoRALinear',
    ]);
  });

  it('keeps the paths of its weights', () => {
    expect(names(load('"net" with "out" as LoRALinear'), 'out')).toEqual([
      'out.weight [3, 4]',
      'out.a [1, 4]',
      'out.b [3, 1]',
    ]);
  });

  it('may have children, in which the same pattern finds nothing', () => {
    const model = load('"net" with "visual.**" as Wrapped(4, 4), "**.base" as LoRALinear');
    // The first replaces what is outermost; the second looks inside what the first put there.
    const layer = (i: number) =>
      ['weight [4, 4]', 'bias [4]', 'a [1, 4]', 'b [4, 1]'].map((w) => `visual.blocks.${i}.base.${w}`);
    expect(names(model)).toEqual([...layer(0), ...layer(1), 'out.weight [3, 4]']);
  });

  it('may be a function, a seq, or handed to a parameter', () => {
    const model = load(
      '"net" with "**.act" as gelu, "**.blocks.0.mlp" as Pooled(4), "visual" as Tower(layers = 1)',
    );
    expect(replaced(model)).toEqual(['visual: Tower -> Tower']);
    expect(names(model, 'visual')).toHaveLength(4);
    const inner = load('"net" with "**.act" as gelu, "**.blocks.0.mlp" as Pooled(4)');
    expect(replaced(inner)).toEqual([
      'visual.blocks.0.mlp: undefined -> Pooled',
      'visual.blocks.1.mlp.act: quick_gelu -> gelu',
    ]);
  });
});

describe('several changes', () => {
  const fc = (model: Model) => names(model, 'visual.blocks.0.mlp.fc');

  it('in one place work one after another', () => {
    const model = load(
      '"net" with "**.fc" as LoRALinear(rank = 3, alpha = 4), "visual.**.fc" as LoRALinear(alpha = 5)',
    );
    expect(fc(model)).toContain('visual.blocks.0.mlp.fc.a [3, 4]');
    expect(graph(model)).toBe(graph(load('"net" with "**.fc" as LoRALinear(rank = 3, alpha = 5)')));
    expect(replaced(model)[0]).toBe('visual.blocks.0.mlp.fc: Linear -> LoRALinear');
  });

  it('combine with overrides in any order, on the command line too', () => {
    for (const text of [
      '("net" with width = 6) with "**.fc" as LoRALinear',
      '("net" with "**.fc" as LoRALinear) with width = 6',
      '"net" with width = 6, "**.fc" as LoRALinear',
    ])
      expect(fc(load(text))[0]).toBe('visual.blocks.0.mlp.fc.weight [12, 6]');
    const set = load('"net" with "**.fc" as LoRALinear', [
      { path: 'width', value: '8' },
      { path: 'tower.layers', value: '1' },
    ]);
    expect(replaced(set)).toEqual(['visual.blocks.0.mlp.fc: Linear -> LoRALinear']);
    expect(fc(set)[0]).toBe('visual.blocks.0.mlp.fc.weight [16, 8]');
  });

  it('of a block look for places in it alone', () => {
    const model = load('Head(4, (Tower with "blocks.1.**.fc" as LoRALinear)) with "out" as LoRALinear');
    expect(replaced(model)).toEqual([
      'visual.blocks.1.mlp.fc: Linear -> LoRALinear',
      'out: Linear -> LoRALinear',
    ]);
  });

  it("take a model's parameters", () => {
    const more = 'model "lora"(rank: int = 2) = "net" with "**.fc" as LoRALinear(rank = rank)';
    expect(fc(load('"lora" with rank = 5', [], more))).toContain('visual.blocks.0.mlp.fc.a [5, 4]');
    expect(fc(load('"lora"', [], more))).toContain('visual.blocks.0.mlp.fc.a [2, 4]');
  });

  it('of a model of another file are evaluated where they stand', () => {
    const files = {
      'base.zoo': `${library}model "lora" = "net" with "**.fc" as LoRALinear(rank = 2)\n`,
      'main.zoo': 'import "./base.zoo" { "lora" }\nmodel "new" = "lora" with tower.layers = 1\n',
    };
    const model = unwrap(resolveModel(memoryHost(files), 'main.zoo#new'));
    expect(replaced(model)).toEqual(['visual.blocks.0.mlp.fc: Linear -> LoRALinear']);
  });
});
