/** `from { "PATTERN" = "FILE" }`: a start from several files. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveModel, resolveRecipe } from '../../../compiler/model/index.ts';
import type { Model, Recipe, Result } from '../../../compiler/model/types.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { bundleRecipe } from '../../../zoo/export/index.ts';
import { pathIn } from '../../../zoo/weights/adapter-file.ts';
import { writeSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { initialWeight } from '../../../zoo/weights/initial-weights.ts';
import { openStart } from '../../../zoo/weights/start-weights.ts';
import { openWeights, weightsToWrite } from '../../../zoo/weights/weights.ts';
import { memoryHost } from '../../errors/report.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-start-'));
afterAll(() => rmSync(folder, { recursive: true }));

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(renderDiagnostics(result.diagnostics));
  return result.value;
}

const source = (from: string) => `
import nn { Linear }
import clip { CLIP, VisionTransformer, TextTransformer }
block Student() {
  visual: Linear(48, 16)
  head: Linear(16, 16)
  teacher: VisionTransformer(resolution = 16, patch = 8, width = 64, layers = 1, heads = 1, embed = 16)
  forward(image: [B, 3, 16, 16]) {
    let small = image[:, :, 0:4, 0:4]
    return {
      student = head(visual(rearrange(small, [b, c, h, w] -> [b, (c h w)]))),
      teacher = teacher(image)
    }
  }
}
objective imitate(out: { student: [B, E], teacher: [B, E] }) -> [] = mean(gather((out.student - out.teacher) ^ 2))
block Outer() {
  teacher: CLIP(
    vision = VisionTransformer(resolution = 16, patch = 8, width = 64, layers = 1, heads = 1, embed = 16),
    text = TextTransformer(context = 8, vocab = 520, width = 64, layers = 1, heads = 1, embed = 16)
  )
  fc: Linear(16, 16)
  forward(image: [B, 3, 16, 16], tokens: i32[B, 8]) {
    let both = teacher(image, tokens)
    return { student = fc(stop_gradient(both.image)), teacher = both.text }
  }
}
model "clip" = CLIP(
  vision = VisionTransformer(resolution = 16, patch = 8, width = 64, layers = 1, heads = 1, embed = 16),
  text = TextTransformer(context = 8, vocab = 520, width = 64, layers = 1, heads = 1, embed = 16)
)
model "student" = Student()
model "outer" = Outer()
train "t" of "student" { data = tensors("d")  batch = 2  seed = 7  objective = imitate  ${from} }
train "o" of "outer" { data = tensors("d")  batch = 2  objective = imitate  from { "teacher.**" = "clip.safetensors" } }
`;
const hostOf = (from: string) => memoryHost({ [join(folder, 'main.zoo')]: source(from) });
const load = (name: string, from = ''): Recipe =>
  unwrap(resolveRecipe(hostOf(from), `${join(folder, 'main.zoo')}#${name}`));
const model = (name: string): Model =>
  unwrap(resolveModel(hostOf(''), `${join(folder, 'main.zoo')}#${name}`));

beforeAll(async () => {
  for (const [name, seed] of [
    ['clip', 1],
    ['student', 2],
  ] as const) {
    const made = model(name);
    const tensors = weightsToWrite(made, await openWeights(made, `init:${seed}`));
    await writeSafetensors(join(folder, `${name}.safetensors`), tensors);
  }
});

/** What a recipe starts from, by weight. */
async function start(recipe: Recipe) {
  const opened = await openStart(recipe, undefined);
  const read = new Map<string, Float32Array>();
  for (const weight of recipe.model.weights) read.set(weight.name, await opened.read(weight));
  await opened.close();
  return { read, remarks: opened.remarks };
}

/** What a model's own initialisers give a weight. */
function made(of: Model, name: string, seed: number): Float32Array {
  const weight = of.weights.find((w) => w.name === name)!;
  return initialWeight(seed, name, weight.shape, weight.init);
}

describe('a start from files by pattern', () => {
  it('takes weights under the names of the model below what the pattern begins with', async () => {
    const recipe = load('t', 'from { "teacher.**" = "clip.safetensors", "**" = "student.safetensors" }');
    await expect(start(recipe)).rejects.toThrow(
      'positional_embedding is [8, 64] in the file, [5, 64] in the model',
    );
    const { read, remarks } = await start(load('o'));
    expect(read.get('teacher.visual.proj')).toEqual(made(model('clip'), 'visual.proj', 1));
    expect(read.get('teacher.token_embedding.weight')).toEqual(
      made(model('clip'), 'token_embedding.weight', 1),
    );
    expect(read.get('fc.weight')).toEqual(made(model('outer'), 'fc.weight', 0));
    expect(remarks).toEqual(['weights that no pattern of `from` fits start fresh: fc.weight, fc.bias']);
  });

  it("takes weights under the model's own names, the first pattern that fits deciding", async () => {
    const from = 'from { "head.*" = "student.safetensors", "visual.**" = "student.safetensors" }';
    const recipe = load('t', from);
    const { read } = await start(recipe);
    for (const name of ['head.weight', 'visual.weight'])
      expect(read.get(name)).toEqual(made(recipe.model, name, 2));
    expect(read.get('teacher.proj')).toEqual(made(recipe.model, 'teacher.proj', 7));
    const mixed = 'from { "head.*" = "student.safetensors", "**" = "clip.safetensors" }';
    await expect(start(load('t', mixed))).rejects.toThrow('Z401');
  });

  it('stands in the texts of a run', () => {
    const from = 'from { "head.*" = "student.safetensors", "**" = "other.pt" }';
    const recipe = load('t', from);
    expect(recipe.from).toEqual({
      kind: 'files',
      files: [
        { pattern: 'head.*', path: 'student.safetensors' },
        { pattern: '**', path: 'other.pt' },
      ],
    });
    expect(bundleRecipe(hostOf(from), recipe, []).get('recipe.zoo')).toContain(from);
  });

  it.each([
    ['fits nothing', 'from { "heads.*" = "a.pt" }', '"heads.*" matches no weight of student'],
    ['is a block', 'from { "head" = "a.pt" }', '"head.**" = "a.pt"'],
    [
      'comes too late',
      'from { "**" = "a.pt", "head.*" = "b.pt" }',
      'all weights that "head.*" matches are those of "**"',
    ],
    ['stands there twice', 'from { "**" = "a.pt", "**" = "b.pt" }', '"**" stands there twice'],
  ])('refuses a pattern that %s', (_, from, message) => {
    expect(() => load('t', from)).toThrow(message);
  });

  it('is given once', () => {
    expect(() => load('t', 'from { "**" = "a.pt" }  from { "head.*" = "b.pt" }')).toThrow(
      '`from` is given twice',
    );
  });
});

describe('a path that is recorded', () => {
  it('is never taken for a rule of that name', () => {
    expect(pathIn('.', './hash')).toBe('./hash');
    expect(pathIn('runs', '../init:0')).toBe('./init:0');
    expect(pathIn('runs', './hash')).toBe(join('runs', 'hash'));
    expect(pathIn('runs', 'hash')).toBe('hash');
  });
});
