/**
 * Models in the language against what is published about them: weights in order, graphs, variants, names of
 * others.
 */
import { describe, expect, it } from 'vitest';
import { formatShape, nodeAt } from '../../../compiler/graph/types.ts';
import {
  blocksOf,
  checkFile,
  mapWeights,
  nameRules,
  resolveModel,
  resolveRecipe,
  type TextOverride,
  traceEntry,
} from '../../../compiler/model/index.ts';
import type { BlockNode, Model, ParameterValue, Result } from '../../../compiler/model/types.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import type { Span } from '../../../grammar/source.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { memoryHost } from '../../errors/report.ts';
import { samplePrograms } from '../../fixtures/fuzz.ts';
import { publishedStateDicts, stateLine } from '../../support/golden/state-dicts.ts';

const host = nodeHost();
const tiny = 'test/fixtures/models/tiny.zoo';

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(renderDiagnostics(result.diagnostics));
  return result.value;
}

function model(reference: string, settings: readonly TextOverride[] = []): Model {
  return unwrap(resolveModel(host, reference, settings));
}

/** What a span covers. */
function textAt({ file, start, end }: Span): string {
  return file.text.slice(start, end);
}

describe('state dicts', () => {
  const published = publishedStateDicts();

  it('are known of nine published models', () => {
    expect(published.size).toBe(9);
  });

  it.each([...published])('%s: every weight, in order', (name, { parameters, weights }) => {
    const found = model(name);
    expect(found.weights.map(stateLine)).toEqual(weights);
    expect(found.parameters).toBe(parameters);
  });
});

describe('what a model says about itself', () => {
  it('sizes, configuration and entries', () => {
    const m = model('ViT-B/32');
    expect([m.resolution, m.context, m.vocab, m.embed]).toEqual([224, 77, 49408, 512]);
    expect(m.config.get('vision.heads')).toBe(12);
    expect(m.config.get('text.act')).toBe('quick_gelu');
    expect(m.entries.map((e) => e.name)).toEqual([
      'encode_image',
      'encode_text',
      'logits',
      'penultimate_patches',
      'forward',
      'loss',
    ]);
    expect(model('RN50').entries.map((e) => e.name)).toEqual([
      'encode_image',
      'encode_text',
      'logits',
      'forward',
      'loss',
    ]);
    expect(m.entries.find((e) => e.name === 'loss')).toEqual({
      name: 'loss',
      inputs: [
        { name: 'images', shape: '[B, 3, 224, 224]', dtype: 'f32', sizes: [3, 224, 224] },
        { name: 'tokens', shape: '[B, 77]', dtype: 'i32', sizes: [77], ids: { min: 0, max: 49407 } },
      ],
      outputs: [
        { name: 'image_features', shape: '[B, 512]' },
        { name: 'text_features', shape: '[B, 512]' },
        { name: 'logits_per_image', shape: '[B, B]' },
        { name: 'loss', shape: '[]' },
      ],
    });
  });

  it('its blocks as a tree, with paths, places, parameters and weights', () => {
    const m = model('ViT-B/32');
    const blocks = [...blocksOf(m.root)];
    const counts: Record<string, number> = {};
    for (const { definition, kind } of blocks) {
      const name = definition?.name ?? kind;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    expect(counts).toEqual({
      CLIP: 1,
      VisionTransformer: 1,
      TextTransformer: 1,
      Conv2d: 1,
      Embedding: 1,
      Transformer: 2,
      ResidualAttentionBlock: 24,
      MultiheadAttention: 24,
      LayerNorm: 2 * 24 + 3,
      Linear: 3 * 24,
      Bias: 3 * 24,
      seq: 24,
      quick_gelu: 24,
    });
    expect(blocks.flatMap((b) => b.weights)).toHaveLength(m.weights.length);
    expect(new Set(blocks.flatMap((b) => b.weights))).toEqual(new Set(m.weights));

    const vision = blocks.find((b) => b.parameter === 'vision')!;
    expect([vision.name, vision.path]).toEqual(['visual', 'visual']);
    expect(vision.definition).toMatchObject({ kind: 'block', name: 'VisionTransformer', origin: 'clip' });
    expect(textAt(vision.definition!.span!)).toBe('VisionTransformer');
    expect(vision.parameters.get('layers')).toBe(12);
    expect(vision.parameters.get('act')).toMatchObject({ kind: 'fn', name: 'quick_gelu', origin: 'nn' });
    expect(vision.weights.map((w) => [w.name, w.shape])).toEqual([
      ['visual.class_embedding', [768]],
      ['visual.positional_embedding', [50, 768]],
      ['visual.proj', [768, 512]],
    ]);
    const [layer] = vision.children.find((b) => b.name === 'transformer')!.children;
    expect([layer!.name, layer!.path]).toEqual(['resblocks[0]', 'visual.transformer.resblocks.0']);
    expect(textAt(layer!.span)).toMatch(/^ResidualAttentionBlock\(width, heads,/);
  });

  it('a tree whose arrays, sequences and absent children are as the text has them', () => {
    const text = `
import nn { Linear, LayerNorm }
block Tower(width: int, deep: bool, layers: int) {
  extra: Linear(width, width) when deep
  body[i in 0..layers]: seq {
    norm: LayerNorm(width)
    act: quick_gelu
  }
  start: Scaled(normal(0.5))
  forward(image: [B, 3, 8, 8]) -> [B, width] { return image |> rearrange([b, c, h, w] -> [b, (c h w)]) |> body |> start }
}
block Scaled(from: fn) {
  param weight: [] = from
  forward(x: [B, W]) -> [B, W] { return x * weight }
}
model wide = Tower(width = 192, deep = false, layers = 2)
`;
    const found = resolveModel(memoryHost({ 'wide.zoo': text }), 'wide.zoo#wide');
    const names = (node: BlockNode): unknown => [node.name, ...node.children.map(names)];
    const { root } = unwrap(found);
    expect(names(root)).toEqual([
      'wide',
      ['body[0]', ['norm'], ['act']],
      ['body[1]', ['norm'], ['act']],
      ['start'],
    ]);
    expect(root.parameters).toEqual(
      new Map<string, ParameterValue>([
        ['width', 192],
        ['deep', false],
        ['layers', 2],
      ]),
    );
    expect(root.children.at(-1)!.parameters.get('from')).toEqual({ kind: 'normal', std: 0.5 });
  });

  it('a copy of a model can be traced', () => {
    const copy = { ...model(`${tiny}#tiny_vit2`), name: 'copy' };
    expect(traceEntry(copy, 'encode_image').ok).toBe(true);
  });

  it('weights start as OpenAI starts them', () => {
    const start = new Map(model(`${tiny}#tiny_vit2`).weights.map((w) => [w.name, w.init]));
    const [width, layers] = [128, 2];
    expect(start.get('token_embedding.weight')).toEqual({ kind: 'normal', std: 0.02 });
    expect(start.get('positional_embedding')).toEqual({ kind: 'normal', std: 0.01 });
    expect(start.get('logit_scale')).toEqual({ kind: 'const', value: Math.log(1 / 0.07) });
    const block = 'transformer.resblocks.0';
    const close = (name: string, std: number) => {
      const init = start.get(name);
      expect(init?.kind).toBe('normal');
      expect(init?.kind === 'normal' ? init.std : 0).toBeCloseTo(std, 12);
    };
    close(`${block}.attn.in_proj_weight`, width ** -0.5);
    close(`${block}.attn.out_proj.weight`, width ** -0.5 * (2 * layers) ** -0.5);
    close(`${block}.mlp.c_fc.weight`, (2 * width) ** -0.5);
    close(`${block}.mlp.c_proj.weight`, width ** -0.5 * (2 * layers) ** -0.5);
    expect(start.get(`visual.${block}.attn.in_proj_weight`)).toEqual({
      kind: 'uniform',
      bound: Math.sqrt(6 / (4 * width)),
    });
    expect(start.get(`visual.${block}.mlp.c_fc.bias`)).toEqual({ kind: 'uniform', bound: width ** -0.5 });
    expect(start.get('visual.ln_pre.weight')).toEqual({ kind: 'const', value: 1 });
  });
});

describe('variants', () => {
  const base = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m"(side: int = 32) = CLIP(
  vision = VisionTransformer(resolution = side, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
model "large" = "m" with side = 64, vision.layers = 3
model "larger" = "large" with vision.layers = 4
model wide = "m" with vision.width = 128`;
  const files = memoryHost({ 'm.zoo': base });
  const at = (name: string, settings: readonly TextOverride[] = []) =>
    unwrap(resolveModel(files, `m.zoo#${name}`, settings));

  it('by parameter and by path, later ones over earlier ones', () => {
    expect([at('large').resolution, at('large').config.get('vision.layers')]).toEqual([64, 3]);
    expect([at('larger').resolution, at('larger').config.get('vision.layers')]).toEqual([64, 4]);
    expect(at('larger', [{ path: 'side', value: '16' }]).resolution).toBe(16);
    expect(at('larger', [{ path: 'vision.layers', value: '1' }]).config.get('vision.layers')).toBe(1);
  });

  it('defaults see what was overridden', () => {
    expect(at('wide').config.get('vision.heads')).toBe(2);
    expect(at('m', [{ path: 'text.act', value: 'gelu' }]).config.get('text.act')).toBe('gelu');
  });
});

describe('graphs', () => {
  it('have numbers with a batch and B without', () => {
    const m = model(`${tiny}#tiny_vit`);
    const open = unwrap(traceEntry(m, 'loss'));
    const four = unwrap(traceEntry(m, 'loss', { batch: 4 }));
    const typeOf = (graph: typeof open, name: string) => {
      const output = graph.outputs.find((o) => o.name === name);
      return formatShape(nodeAt(graph, output!.node).type.shape);
    };
    expect(typeOf(open, 'logits_per_image')).toBe('[B, B]');
    expect(typeOf(four, 'logits_per_image')).toBe('[4, 4]');
    expect(four.outputs.map((o) => o.name)).toEqual([
      'image_features',
      'text_features',
      'logits_per_image',
      'loss',
    ]);
  });

  it('of one tower hold nothing of the other', () => {
    const m = model(`${tiny}#tiny_vit`);
    const inputs = (entry: 'encode_image' | 'encode_text') =>
      unwrap(traceEntry(m, entry, { batch: 2 })).nodes.flatMap((n) =>
        n.op === 'input' ? [n.attrs.name] : [],
      );
    expect(inputs('encode_image')).toEqual(['images']);
    expect(inputs('encode_text')).toEqual(['tokens']);
  });

  it('read every weight, transposed ones in place', () => {
    const m = model(`${tiny}#tiny_vit`);
    const { nodes } = unwrap(traceEntry(m, 'loss', { batch: 2 }));
    const read = nodes.flatMap((n) => (n.op === 'param' ? [n.attrs.name] : []));
    expect(read.sort()).toEqual(m.weights.map((w) => w.name).sort());
    const copies = nodes.filter((n) => n.op === 'transpose' && nodes[n.inputs[0]]!.op === 'param');
    expect(copies).toEqual([]);
  });

  it('say where each node comes from', () => {
    const { nodes } = unwrap(traceEntry(model(`${tiny}#tiny_vit`), 'encode_image', { batch: 2 }));
    const attention = nodes.find((n) => n.op === 'attention');
    expect(attention?.origin.path).toBe('visual.transformer.resblocks.0.attn');
    expect(attention?.origin.span?.file.path).toBe('zooc:nn');
  });

  it('use a kernel for a body of a user only if it computes the same', () => {
    const program = (eps: string) => `
block Norm(width: int, eps: float = 1e-5) {
  param weight: [width] = ones
  param bias: [width] = zeros
  forward(y: [..., width]) -> [..., width] fuses layer_norm {
    let m = y - mean(y, axis = -1, keep = true)
    return m * rsqrt(mean(m * m, axis = -1, keep = true) + ${eps}) * weight + bias
  }
}
block Enc {
  norm: Norm(8)
  forward(image: [B, 3, 8, 8]) -> [B, 3, 8, 8] = norm(image)
}
model "m" = Enc()`;
    const ops = (text: string) => {
      const m = unwrap(resolveModel(memoryHost({ 'm.zoo': text }), 'm.zoo'));
      return unwrap(traceEntry(m, 'encode_image', { batch: 2 })).nodes.map((n) => n.op);
    };
    expect(ops(program('eps'))).toContain('layer_norm');
    expect(ops(program('2 * eps'))).not.toContain('layer_norm');
  });
});

describe('names of other formats', () => {
  it.each(['ViT-L/14@336px', 'RN50x64'])('open_clip names every weight of %s, each once', (name) => {
    const map = unwrap(nameRules(host, 'clip', 'open_clip'));
    const { mapped, unmapped } = mapWeights(map, model(name));
    expect(unmapped).toEqual([]);
    for (const { ours, theirs, transforms } of mapped) {
      expect(theirs).toEqual([/^(visual\.|logit_scale$)/.test(ours) ? ours : `text.${ours}`]);
      expect(transforms).toEqual([]);
    }
  });

  it('hf names every weight of a transformer, each once', () => {
    const map = unwrap(nameRules(host, 'ViT-B/32', 'hf'));
    const { mapped, unmapped } = mapWeights(map, model('ViT-B/32'));
    expect(unmapped).toEqual([]);
    const theirs = mapped.flatMap((m) => m.theirs);
    // 24 in_proj weights and as many biases become three tensors each.
    expect(theirs).toHaveLength(302 + 2 * 48);
    expect(new Set(theirs).size).toBe(theirs.length);
    expect(mapped.find((m) => m.ours === 'visual.transformer.resblocks.3.attn.in_proj_weight')).toEqual({
      ours: 'visual.transformer.resblocks.3.attn.in_proj_weight',
      theirs: ['q', 'k', 'v'].map((p) => `vision_model.encoder.layers.3.self_attn.${p}_proj.weight`),
      transforms: [{ kind: 'split', axis: 0 }],
    });
    expect(mapped.find((m) => m.ours === 'visual.proj')).toEqual({
      ours: 'visual.proj',
      theirs: ['visual_projection.weight'],
      transforms: [{ kind: 'transpose' }],
    });
  });
});

describe('the sample programs of the language page', () => {
  const encoder = `
import clip { VisionTransformer }
block MyEncoder(width: int, embed: int) {
  tower: VisionTransformer(resolution = 64, patch = 16, width = width, layers = 2, embed = embed)
  forward(image: [B, 3, 64, 64]) -> [B, embed] = tower(image)
}`;
  for (const [name, text] of samplePrograms()) {
    it(`${name} has no errors`, () => {
      const files = memoryHost({ [name]: text, 'my_encoder.zoo': encoder });
      const { diagnostics } = checkFile(files, name);
      expect(renderDiagnostics(diagnostics.filter((d) => d.severity === 'error'))).toBe('');
    });
  }

  it('the large recipe, whole', () => {
    const files = memoryHost({
      'r.zoo': samplePrograms().get('recipes-sample.zoo')!,
      'my_encoder.zoo': encoder,
    });
    const recipe = unwrap(resolveRecipe(files, 'r.zoo#b32-cc12m', [{ path: 'optimizer.lr', value: '1e-3' }]));
    const { model: trained, source: _, data, evaluate, ...rest } = recipe;
    expect(trained.name).toBe('ViT-B/32');
    expect(data).toMatchObject({ name: 'webdataset', named: { image: 'jpg', text: 'txt', shuffle: 10000 } });
    expect(evaluate).toMatchObject([{ what: { name: 'zeroshot' }, every: { value: 1, unit: 'epochs' } }]);
    expect(rest).toEqual({
      name: 'b32-cc12m',
      objective: { name: 'contrastive' },
      inputs: [
        { name: 'images', dtype: 'f32', sizes: [3, 224, 224] },
        { name: 'tokens', dtype: 'i32', sizes: [77], ids: { min: 0, max: 49407 } },
      ],
      tables: [],
      batch: 32768,
      chunk: 256,
      optimizer: {
        kind: 'adamw',
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.98,
        eps: 1e-6,
        weightDecay: 0.2,
        decayMinDims: 2,
      },
      schedule: {
        kind: 'cosine',
        warmup: { value: 2000, unit: 'steps' },
        total: { value: 32, unit: 'epochs' },
        floor: 0,
      },
      precision: { kind: 'mixed', lossScale: 'dynamic' },
      gradClip: 1,
      seed: 0,
      clamps: [{ weight: 'logit_scale', min: 0, max: Math.log(100) }],
      remat: ['**.resblocks.*'],
      freeze: [],
      rates: [],
      init: [],
      checkpoint: { every: { value: 1000, unit: 'steps' }, keep: 3 },
    });
  });

  it('the recipe that only lacks data', () => {
    const files = memoryHost({
      'r.zoo': samplePrograms().get('recipes-sample.zoo')!,
      'my_encoder.zoo': encoder,
    });
    const settings = [
      { path: 'data', value: 'csv("pairs.csv")' },
      { path: 'batch', value: '64' },
    ];
    const recipe = unwrap(resolveRecipe(files, 'r.zoo#l14-336', settings));
    expect(recipe).toMatchObject({
      from: { kind: 'model', model: { name: 'ViT-L/14' } },
      batch: 64,
      freeze: ['transformer.**', 'token_embedding.*'],
      init: [{ weight: 'visual.positional_embedding', how: { kind: 'resize_grid', method: 'bicubic' } }],
    });
  });

  it('another file of its data, in place of the one without a name, with the other options', () => {
    const data = (text: string, settings: readonly string[]) => {
      const source = `train "r" of "ViT-B/32" {\n  data = ${text}\n  batch = 2\n}`;
      const overrides = settings.map((value) => ({ path: 'data.file', value }));
      return unwrap(resolveRecipe(memoryHost({ 'r.zoo': source }), 'r.zoo', overrides)).data;
    };
    const options = { args: [], named: { file: 'b.csv', text: 'name' } };
    expect(data('csv("a.csv", text = "name")', ['"b.csv"'])).toMatchObject({ name: 'csv', ...options });
    expect(data('csv("a.csv", text = "name")', ['"c.csv"', '"b.csv"'])).toMatchObject(options);
    expect(data('tensors("a")', ['"b"'])).toMatchObject({ name: 'tensors', args: [], named: { file: 'b' } });
  });
});
