/** Which declaration a name means: models beside values, and a file's own beside the library's. */
import { describe, expect, it } from 'vitest';
import { printGraph } from '../../../compiler/graph/print.ts';
import { checkFile, resolveModel, resolveRecipe, traceEntry } from '../../../compiler/model/index.ts';
import type { Recipe, Result } from '../../../compiler/model/types.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { traceLoss } from '../../../runtime/train/plan.ts';
import { memoryHost } from '../../errors/report.ts';

const model = `import clip { CLIP, VisionTransformer, TextTransformer }
model "tiny" = CLIP(
  vision = VisionTransformer(resolution = 16, patch = 8, width = 32, layers = 1, heads = 2, embed = 16),
  text = TextTransformer(context = 8, vocab = 520, width = 32, layers = 1, heads = 2, embed = 16)
)
`;
const pair = '{ image: [B, E], text: [B, E], scale: [] }';
const own = `objective contrastive(out: ${pair}) -> [] = mean(out.image * out.text) * out.scale
fn logits(image: [N, E], text: [M, E], scale: []) -> [N, M] = 0 * (image @ text.T) * scale
`;
const recipe = (name: string, objective = '') =>
  `train "${name}" of "tiny" { data = tensors("b")  batch = 2 ${objective} }\n`;
const recipes = recipe('plain') + recipe('named', 'objective = contrastive');

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(renderDiagnostics(result.diagnostics));
  return result.value;
}

const messages = (text: string): string[] =>
  checkFile(memoryHost({ 'main.zoo': text }), 'main.zoo').diagnostics.map(
    (d) => `${d.severity} ${d.message}`,
  );

/**
 * The graph of the entry `loss`, and of what each recipe trains, as text without the places in the source.
 */
function losses(text: string): Record<'entry' | 'plain' | 'named', string> {
  const host = memoryHost({ 'main.zoo': text });
  const trained = (name: string): Recipe => unwrap(resolveRecipe(host, `main.zoo#${name}`));
  const tiny = unwrap(resolveModel(host, 'main.zoo#tiny'));
  return {
    entry: printGraph(unwrap(traceEntry(tiny, 'loss', { batch: 2 }))),
    plain: printGraph(traceLoss(trained('plain'))),
    named: printGraph(traceLoss(trained('named'))),
  };
}

describe('a name of the library', () => {
  const library = losses(model + recipes);
  const mixed = losses(model + own + recipes);

  it('keeps its meaning in entries and in recipes that name no objective', () => {
    expect(mixed.entry).toBe(library.entry);
    expect(mixed.plain).toBe(library.plain);
  });

  it("means the file's own declaration where the file names it", () => {
    expect(library.named).toBe(library.plain);
    expect(mixed.named).not.toBe(mixed.plain);
  });

  it('is not hidden without a word', () => {
    expect(messages(`${model + own}fn softmax(x: [B, E]) -> [B, E] = x\n`)).toEqual([
      'warning `contrastive` hides the objective of package losses in this file',
      'warning `logits` hides the function of package losses in this file',
      'warning `softmax` hides the built-in function in this file',
    ]);
  });

  it('cannot be declared beside its import', () => {
    expect(messages(`import losses { contrastive }\n${model + own}`)).toContain(
      'error `contrastive` is already declared here',
    );
  });
});

describe('a model', () => {
  it('may have the name of an objective, a function, a block or a recipe', () => {
    const text = `${model}
objective tiny(out: ${pair}) -> [] = mean(out.image * out.text) * out.scale
block Head { forward(x: [B, 4]) -> [B, 4] = x }
model "Head" = "tiny" with vision.layers = 2
model "deep" = "Head" with text.layers = 2
train "tiny" of "tiny" { data = tensors("b")  batch = 2  objective = tiny }
`;
    expect(messages(text)).toEqual([]);
    const deep = unwrap(resolveModel(memoryHost({ 'main.zoo': text }), 'main.zoo#deep'));
    expect([deep.config.get('vision.layers'), deep.config.get('text.layers')]).toEqual([2, 2]);
  });

  it('hides no word, no size and no function of the library', () => {
    const names = ['mean', 'N', 'training', 'sqrt', 'cross_entropy', 'contrastive'];
    const models = names.map((name) => `model "${name}" = "tiny"\n`).join('');
    const objective = `objective own(out: ${pair}) -> [] =
  contrastive(out) + (if training then mean(out.image) else sqrt(out.scale)) / (N - 1)
`;
    const trained = 'train "t" of "contrastive" { data = tensors("b")  batch = 2  objective = own }\n';
    expect(messages(model + models + objective + trained)).toEqual([]);
  });

  it('is named in quotes where something else has its name', () => {
    const text = `${model}objective tiny(out: ${pair}) -> [] = mean(out.image) * out.scale\n`;
    expect(messages(`${text}train "t" of tiny { data = tensors("b")  batch = 2 }\n`)).toEqual([
      'error `tiny` is a function here; the model is "tiny", in quotes',
    ]);
  });

  it('is imported by its quoted name, whatever else the file declares', () => {
    const library = `${model}objective tiny(out: ${pair}) -> [] = mean(out.image * out.text) * out.scale\n`;
    const main = `import "./lib.zoo" { "tiny", tiny }
train "t" of "tiny" { data = tensors("b")  batch = 2  objective = tiny }
`;
    const host = memoryHost({ 'lib.zoo': library, 'main.zoo': main });
    expect(checkFile(host, 'main.zoo').diagnostics).toEqual([]);
    expect(unwrap(resolveModel(host, 'main.zoo')).name).toBe('tiny');
  });

  it('is imported from a file that imports it, as the text of an export does', () => {
    const files = { 'base.zoo': model, 'export.zoo': 'import "./base.zoo" { "tiny" }\n' };
    const main = (name: string) => `import "./export.zoo" { "${name}" }\nmodel "new" = "${name}"\n`;
    const resolved = resolveModel(memoryHost({ ...files, 'main.zoo': main('tiny') }), 'main.zoo#new');
    expect(unwrap(resolved).name).toBe('new');
    const { diagnostics } = checkFile(memoryHost({ ...files, 'main.zoo': main('tyny') }), 'main.zoo');
    expect(diagnostics.map((d) => d.message)).toEqual(['export.zoo exports no `tyny`; did you mean `tiny`?']);
  });

  it('is declared once, and nothing else is taken for one', () => {
    expect(messages(`${model}model "tiny" = "RN50"\n`)).toEqual(['error `tiny` is declared twice']);
    const text = `${model}objective odd(out: ${pair}) -> [] = mean(out.image)\nmodel "a" = "odd"\nmodel "b" = "gelu"\n`;
    expect(messages(text)).toEqual([
      'error `odd` is an objective, not a model',
      'error `gelu` is a function, not a model',
    ]);
  });
});
