/** Files of a model as it was before `with ... as` replaced layers of it, and what becomes of the new weights. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { resolveModel, resolveRecipe } from '../../../compiler/model/index.ts';
import type { Model, Result, Weight } from '../../../compiler/model/types.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { exportForeign, exportPackage } from '../../../zoo/export/index.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { writeSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { initialWeight } from '../../../zoo/weights/initial-weights.ts';
import { openStart } from '../../../zoo/weights/start-weights.ts';
import { openWeights, weightsToWrite } from '../../../zoo/weights/weights.ts';
import { memoryHost } from '../../errors/report.ts';

const folder = mkdtempSync(join(tmpdir(), 'zooc-replaced-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(renderDiagnostics(result.diagnostics));
  return result.value;
}

const source = `
import nn { Linear, Bias }
import clip { CLIP, VisionTransformer, TextTransformer }
block LoRALinear(inputs: int, outputs: int, rank: int = 2) {
  param weight: [outputs, inputs]
  param bias: [outputs]
  param lora_a: [rank, inputs] = normal(0.02)
  param lora_b: [outputs, rank] = zeros
  forward(x: [..., inputs]) -> [..., outputs] = x @ weight.T + bias + x @ lora_a.T @ lora_b.T
}
block Bare(inputs: int, outputs: int) {
  param weight: [outputs, inputs]
  forward(x: [..., inputs]) -> [..., outputs] = x @ weight.T
}
model "base" = CLIP(
  vision = VisionTransformer(resolution = 16, patch = 8, width = 64, layers = 2, heads = 1, embed = 16),
  text = TextTransformer(context = 8, vocab = 520, width = 64, layers = 1, heads = 1, embed = 16)
)
model "lora" = "base" with "visual.**.c_fc" as LoRALinear
model "both" = "lora" with "transformer.**.c_fc" as LoRALinear(rank = 1)
model "bare" = "base" with "visual.**.c_proj" as Bare
train "t" of "lora" { data = tensors("d") batch = 2 seed = 7 }
train "f" of "both" from "lora" { data = tensors("d") batch = 2 }
`;
const host = memoryHost({ 'main.zoo': source });
const model = (name: string): Model => unwrap(resolveModel(host, `main.zoo#${name}`));

const baseWeight = (name: string): Weight => model('base').weights.find((w) => w.name === name)!;

/** Writes the weights of a model under our names. */
async function save(name: string, seed = 1): Promise<string> {
  const made = model(name);
  const file = path(`${name}.safetensors`);
  await writeSafetensors(file, weightsToWrite(made, await openWeights(made, `init:${seed}`)));
  return file;
}

const refused = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    return (error as Error & { diagnostics?: readonly { message: string; notes?: readonly string[] }[] })
      .diagnostics!.flatMap((d) => [d.message, ...(d.notes ?? [])])
      .join('\n');
  }
  throw new Error('it was not refused');
};

describe('a file from before', () => {
  it('gives what both layers have; the rest starts fresh, with a word', async () => {
    const lora = model('lora');
    const weights = await openWeights(lora, await save('base'));
    const base = await openWeights(model('base'), 'init:1');
    for (const weight of lora.weights) {
      const fresh = weight.name.includes('lora_');
      const expected = fresh
        ? initialWeight(0, weight.name, weight.shape, weight.init)
        : await base.read(baseWeight(weight.name));
      expect(await weights.read(weight), weight.name).toEqual(expected);
    }
    expect(weights.copyable).toBeUndefined();
    expect(weights.remarks).toEqual([
      `${path('base.safetensors')} has no weights for what is new in replaced layers; they start fresh: visual.transformer.resblocks.0.mlp.c_fc.lora_a, visual.transformer.resblocks.0.mlp.c_fc.lora_b, visual.transformer.resblocks.1.mlp.c_fc.lora_a, and 1 more`,
    ]);
    await weights.close();
  });

  it('under the names of other projects too', async () => {
    await exportForeign({ source: await save('base'), model: model('base'), out: path('hf') }, 'hf');
    const weights = await openWeights(model('lora'), path('hf'));
    expect(weights.naming).toBe('hf');
    const base = await openWeights(model('base'), 'init:1');
    const weight = model('lora').weights.find(
      (w) => w.name === 'visual.transformer.resblocks.1.mlp.c_fc.weight',
    )!;
    expect(await weights.read(weight)).toEqual(await base.read(baseWeight(weight.name)));
    await weights.close();
  });

  it('leaves what only the old layers had, with a word', async () => {
    const weights = await openWeights(model('bare'), await save('base'));
    expect(weights.remarks).toEqual([
      `of ${path('base.safetensors')}, weights of replaced layers are left out: visual.transformer.resblocks.0.mlp.c_proj.bias, visual.transformer.resblocks.1.mlp.c_proj.bias`,
    ]);
    await weights.close();
  });

  it('may have some of the layers already', async () => {
    const weights = await openWeights(model('both'), await save('lora'));
    expect(weights.remarks.join()).toContain(
      ': transformer.resblocks.0.mlp.c_fc.lora_a, transformer.resblocks.0.mlp.c_fc.lora_b',
    );
    await weights.close();
  });
});

describe('a file that fits neither', () => {
  it('is refused: a part of what is new', async () => {
    const lora = model('lora');
    const tensors = weightsToWrite(lora, await openWeights(lora, 'init:1'));
    const file = path('part.safetensors');
    await writeSafetensors(
      file,
      tensors.filter((t) => !t.name.endsWith('0.mlp.c_fc.lora_b')),
    );
    const message = await refused(openWeights(lora, file));
    expect(message).toContain('weights do not fit lora');
    expect(message).toContain('not in the file: visual.transformer.resblocks.0.mlp.c_fc.lora_b [256, 2]');
  });

  it('is refused: a kept weight is missing, or the model has no such layers', async () => {
    const base = model('base');
    const tensors = weightsToWrite(base, await openWeights(base, 'init:1'));
    const file = path('less.safetensors');
    await writeSafetensors(
      file,
      tensors.filter((t) => !t.name.endsWith('visual.transformer.resblocks.0.mlp.c_fc.bias')),
    );
    expect(await refused(openWeights(model('lora'), file))).toContain(
      'not in the file: visual.transformer.resblocks.0.mlp.c_fc.bias [256]',
    );
    expect(await refused(openWeights(base, await save('lora')))).toContain(
      'not in the model: visual.transformer.resblocks.0.mlp.c_fc.lora_a [2, 64]',
    );
  });
});

describe('training', () => {
  const recipe = (name: string) => unwrap(resolveRecipe(host, `main.zoo#${name}`));

  it('starts what is new with its own seed', async () => {
    const start = await openStart(recipe('t'), await save('base'));
    const weight = model('lora').weights.find((w) => w.name.endsWith('0.mlp.c_fc.lora_a'))!;
    expect(await start.read(weight)).toEqual(initialWeight(7, weight.name, weight.shape, weight.init));
    expect(start.remarks).toHaveLength(1);
    await start.close();
  });

  it('starts from the weights of the model before', async () => {
    const start = await openStart(recipe('f'), await save('lora', 3));
    const lora = await openWeights(model('lora'), 'init:3');
    const kept = model('lora').weights.find((w) => w.name.endsWith('1.mlp.c_fc.lora_a'))!;
    expect(await start.read(kept)).toEqual(await lora.read(kept));
    expect(start.remarks.join()).toContain('lora has no weights for what is new in replaced layers');
    await start.close();
  });
});

describe('exports', () => {
  it('of our own say the replacement and come back', async () => {
    const lora = model('lora');
    const main = path('lora.zoo');
    writeFileSync(main, source);
    const loaded = unwrap(resolveModel(nodeHost(), `${main}#lora`));
    await exportPackage({
      source: await save('lora'),
      model: loaded,
      out: path('zoo'),
      reference: `${main}#lora`,
    });
    expect(readFileSync(path('zoo/lora.zoo'), 'utf8')).toContain(
      'model "lora" = "base" with "visual.**.c_fc" as LoRALinear',
    );
    const again = unwrap(resolveModel(nodeHost(), `${path('zoo/model.zoo')}#lora`));
    expect(again.weights.map((w) => w.name)).toEqual(lora.weights.map((w) => w.name));
    const weights = await openWeights(again, path('zoo'));
    expect(weights.remarks).toEqual([]);
    await weights.close();
  });

  it.each(['openai', 'open_clip', 'hf'] as const)('of other projects refuse: %s', async (format) => {
    const message = await refused(
      exportForeign({ source: 'init:1', model: model('lora'), out: path(format) }, format),
    );
    expect(message).toContain(
      `lora cannot be exported as ${format}: visual.transformer.resblocks.0.mlp.c_fc (and 1 more) is LoRALinear of main.zoo, which \`with ... as\` put there`,
    );
  });
});
