/**
 * CLIP's loss as a graph, written by hand with the builder: the golden tests of ops and gradients lean on
 * nothing of the language, and a fault there cannot hide one here.
 *
 * Configurations are read from the metadata of the golden weights. Names are OpenAI's state_dict names.
 */
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { type Graph, numericShape } from '../../../compiler/graph/types.ts';
import { momentsOf } from '../../../compiler/ops/batch-norm.ts';
import { Expressions } from '../../../compiler/ops/expressions.ts';

export interface ClipConfig {
  readonly embed_dim: number;
  readonly image_resolution: number;
  readonly vision_layers: number | readonly number[];
  readonly vision_width: number;
  readonly vision_patch_size: number | null;
  readonly context_length: number;
  readonly vocab_size: number;
  readonly transformer_width: number;
  readonly transformer_heads: number;
  readonly transformer_layers: number;
}

/** Nodes of a model whose weights have the given shapes. */
class Clip {
  private readonly b = createBuilder();
  private readonly e = new Expressions(this.b);
  private readonly config: ClipConfig;
  private readonly shapes: ReadonlyMap<string, readonly number[]>;
  private readonly training: boolean;

  constructor(config: ClipConfig, shapes: ReadonlyMap<string, readonly number[]>, training: boolean) {
    this.config = config;
    this.shapes = shapes;
    this.training = training;
  }

  private weight(name: string): number {
    const shape = this.shapes.get(name);
    if (shape === undefined) throw new Error(`the golden weights have no ${name}`);
    const role = /running_(mean|var)$/.test(name) ? 'buffer' : 'param';
    return this.b.add('param', [], { name, shape, role });
  }

  private shape(x: number): number[] {
    return numericShape(this.b.type(x));
  }

  private linear(x: number, path: string, weight = `${path}.weight`, bias = `${path}.bias`): number {
    return this.e.add(this.e.matmul(x, this.weight(weight), false, true), this.weight(bias));
  }

  private layerNorm(x: number, path: string): number {
    return this.b.add('layer_norm', [x, this.weight(`${path}.weight`), this.weight(`${path}.bias`)], {
      eps: 1e-5,
    });
  }

  /** [B, T, H·D] -> [B, H, T, D] */
  private heads(x: number, heads: number): number {
    const [batch, length, width] = this.shape(x) as [number, number, number];
    return this.e.transpose(this.e.reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
  }

  private attend(q: number, k: number, v: number, causal: boolean): number {
    const [batch, heads, length, width] = this.shape(q) as [number, number, number, number];
    const y = this.b.add('attention', [q, k, v], { causal, scale: width ** -0.5 });
    return this.e.reshape(this.e.transpose(y, [0, 2, 1, 3]), [batch, length, heads * width]);
  }

  private selfAttention(x: number, path: string, heads: number, causal: boolean): number {
    const qkv = this.linear(x, path, `${path}.in_proj_weight`, `${path}.in_proj_bias`);
    const [batch, length, width] = this.shape(qkv) as [number, number, number];
    const third = (i: number) =>
      this.b.add('slice', [qkv], {
        starts: [0, 0, (i * width) / 3],
        ends: [batch, length, ((i + 1) * width) / 3],
      });
    const [q, k, v] = [0, 1, 2].map((i) => this.heads(third(i), heads)) as [number, number, number];
    return this.linear(this.attend(q, k, v, causal), `${path}.out_proj`);
  }

  private transformer(x: number, path: string, layers: number, heads: number, causal: boolean): number {
    let y = x;
    for (let i = 0; i < layers; i++) {
      const block = `${path}.resblocks.${i}`;
      y = this.e.add(
        y,
        this.selfAttention(this.layerNorm(y, `${block}.ln_1`), `${block}.attn`, heads, causal),
      );
      const h = this.linear(this.layerNorm(y, `${block}.ln_2`), `${block}.mlp.c_fc`);
      const act = this.e.mul(h, this.e.unary('sigmoid', this.e.scale(h, 1.702)));
      y = this.e.add(y, this.linear(act, `${block}.mlp.c_proj`));
    }
    return y;
  }

  /** [B, C, H, W] -> [B, H·W, C] */
  private pixels(x: number): number {
    const [batch, channels, rows, columns] = this.shape(x) as [number, number, number, number];
    return this.e.transpose(this.e.reshape(x, [batch, channels, rows * columns]), [0, 2, 1]);
  }

  private first(x: number): number {
    const [batch, , width] = this.shape(x) as [number, number, number];
    const token = this.b.add('slice', [x], { starts: [0, 0, 0], ends: [batch, 1, width] });
    return this.e.reshape(token, [batch, width]);
  }

  private vit(images: number): number {
    const width = this.config.vision_width;
    const patch = this.config.vision_patch_size!;
    const filters = this.weight('visual.conv1.weight');
    const patches = this.pixels(
      this.b.add('conv2d', [images, filters], { stride: patch, padding: 0, groups: 1, dilation: 1 }),
    );
    const token = this.e.reshape(this.weight('visual.class_embedding'), [1, 1, width]);
    const tokens = this.b.add('concat', [this.e.expand(token, [this.shape(images)[0]!, 1, width]), patches], {
      axis: 1,
    });
    const x = this.layerNorm(this.e.add(tokens, this.weight('visual.positional_embedding')), 'visual.ln_pre');
    const layers = this.config.vision_layers as number;
    const y = this.transformer(x, 'visual.transformer', layers, width / 64, false);
    return this.e.matmul(this.layerNorm(this.first(y), 'visual.ln_post'), this.weight('visual.proj'));
  }

  private convolve(x: number, path: string, norm: string, stride = 1, padding = 0): number {
    const y = this.b.add('conv2d', [x, this.weight(`${path}.weight`)], {
      stride,
      padding,
      groups: 1,
      dilation: 1,
    });
    const parts = ['weight', 'bias', 'running_mean', 'running_var'].map((p) => this.weight(`${norm}.${p}`));
    if (this.training) {
      const { mean, variance } = momentsOf(this.e, y);
      parts.splice(2, 2, mean, variance);
    }
    return this.b.add('batch_norm', [y, ...parts], { eps: 1e-5 });
  }

  private relu(x: number): number {
    return this.e.unary('relu', x);
  }

  private bottleneck(x: number, path: string, stride: number): number {
    const pool = (v: number) => (stride > 1 ? this.b.add('avg_pool', [v], { kernel: stride }) : v);
    const h = this.relu(this.convolve(x, `${path}.conv1`, `${path}.bn1`));
    const g = pool(this.relu(this.convolve(h, `${path}.conv2`, `${path}.bn2`, 1, 1)));
    const y = this.convolve(g, `${path}.conv3`, `${path}.bn3`);
    const known = this.shapes.has(`${path}.downsample.0.weight`);
    const shortcut = known ? this.convolve(pool(x), `${path}.downsample.0`, `${path}.downsample.1`) : x;
    return this.relu(this.e.add(y, shortcut));
  }

  private resnet(images: number): number {
    let x = this.relu(this.convolve(images, 'visual.conv1', 'visual.bn1', 2, 1));
    x = this.relu(this.convolve(x, 'visual.conv2', 'visual.bn2', 1, 1));
    x = this.relu(this.convolve(x, 'visual.conv3', 'visual.bn3', 1, 1));
    x = this.b.add('avg_pool', [x], { kernel: 2 });
    for (const [i, blocks] of (this.config.vision_layers as readonly number[]).entries())
      for (let j = 0; j < blocks; j++)
        x = this.bottleneck(x, `visual.layer${i + 1}.${j}`, i > 0 && j === 0 ? 2 : 1);
    const s = this.pixels(x);
    const mean = this.b.add('mean', [s], { axes: [1], keep: true });
    const tokens = this.b.add('concat', [mean, s], { axis: 1 });
    const t = this.e.add(tokens, this.weight('visual.attnpool.positional_embedding'));
    const heads = (this.config.vision_width * 32) / 64;
    const [batch, , width] = this.shape(t) as [number, number, number];
    const query = this.e.reshape(this.first(t), [batch, 1, width]);
    const project = (v: number, name: string) => this.heads(this.linear(v, `visual.attnpool.${name}`), heads);
    const y = this.attend(project(query, 'q_proj'), project(t, 'k_proj'), project(t, 'v_proj'), false);
    return this.linear(this.first(y), 'visual.attnpool.c_proj');
  }

  private text(tokens: number): number {
    const { transformer_layers, transformer_heads } = this.config;
    const embedded = this.b.add('embedding', [this.weight('token_embedding.weight'), tokens], {});
    const x = this.e.add(embedded, this.weight('positional_embedding'));
    const y = this.layerNorm(
      this.transformer(x, 'transformer', transformer_layers, transformer_heads, true),
      'ln_final',
    );
    const end = this.b.add('argmax', [tokens], { axis: 1 });
    return this.e.matmul(this.b.add('take', [y, end], { axis: 1 }), this.weight('text_projection'));
  }

  private crossEntropy(logits: number): number {
    const right = this.b.add('iota', [], { length: this.shape(logits)[0]! });
    const score = this.b.add('take', [this.b.add('log_softmax', [logits], {}), right], { axis: 1 });
    return this.e.neg(this.b.add('mean', [score], { axes: [0], keep: false }));
  }

  loss(batch: number): Graph {
    const side = this.config.image_resolution;
    const images = this.b.add('input', [], { name: 'images', dtype: 'f32', shape: [batch, 3, side, side] });
    const context = [batch, this.config.context_length];
    const tokens = this.b.add('input', [], { name: 'tokens', dtype: 'i32', shape: context });
    const image = this.config.vision_patch_size === null ? this.resnet(images) : this.vit(images);
    const text = this.text(tokens);
    const [i, t] = [image, text].map((x) => this.b.add('l2_normalize', [x], {})) as [number, number];
    const scale = this.e.unary('exp', this.weight('logit_scale'));
    const logits = this.e.mul(scale, this.e.matmul(i, t, false, true));
    const both = this.e.add(this.crossEntropy(logits), this.crossEntropy(this.e.transpose(logits, [1, 0])));
    return this.b.finish([
      { name: 'image_features', node: image },
      { name: 'text_features', node: text },
      { name: 'logits_per_image', node: logits },
      { name: 'loss', node: this.e.scale(both, 0.5) },
    ]);
  }
}

/** Entry `loss` of a CLIP model with weights of these shapes, with all four outputs. */
export function clipLossGraph(
  config: ClipConfig,
  shapes: ReadonlyMap<string, readonly number[]>,
  options: { readonly batch: number; readonly training: boolean },
): Graph {
  return new Clip(config, shapes, options.training).loss(options.batch);
}
