/**
 * Recipes: each mistake as a person sees it. Long because the texts are: each case is a program and its whole
 * report.
 */
import { describe, expect, it } from 'vitest';
import { check, resolve } from './report.ts';

describe('recipes', () => {
  it('Z501: unknown settings and options', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "r" of "m" {
  data = csv("pairs.csv")
  batchsize = 64
  learning_rate = 1e-3
  batch = 64
  optimizer = adamw(lr = 1e-3, weight_deacy = 0.1)
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z501]: a recipe has no setting \`batchsize\`
        --> main.zoo:7:3
       7 |   batchsize = 64
         |   ^^^^^^^^^
         = help: settings: data, mix, objective, batch, chunk, lengths, optimizer, schedule, ema, precision, grad_clip, batch_norm, wire, shard, seed, steps, clamp, freeze, lr, weight_decay, layer_decay, remat, init, table, from, checkpoint, evaluate

      error[Z501]: a recipe has no setting \`learning_rate\`
        --> main.zoo:8:3
       8 |   learning_rate = 1e-3
         |   ^^^^^^^^^^^^^
         = help: settings: data, mix, objective, batch, chunk, lengths, optimizer, schedule, ema, precision, grad_clip, batch_norm, wire, shard, seed, steps, clamp, freeze, lr, weight_decay, layer_decay, remat, init, table, from, checkpoint, evaluate

      error[Z501]: adamw has no option \`weight_deacy\`; did you mean \`weight_decay\`?
        --> main.zoo:10:32
      10 |   optimizer = adamw(lr = 1e-3, weight_deacy = 0.1)
         |                                ^^^^^^^^^^^^
      "
    `);
  });

  it('Z502: wrong values', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "r" of "m" {
  data = cvs("pairs.csv")
  batch = 0.5
  seed = -1
  optimizer = adam(lr = 1e-3)
  schedule = cosine(warmup = "long", total = 0 steps)
  precision = mixed(compute = bf16)
  grad_clip = norm(0)
  checkpoint every 0 steps keep 0
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z502]: \`data\` cannot be \`cvs\`; did you mean \`csv\`?
        --> main.zoo:6:10
       6 |   data = cvs("pairs.csv")
         |          ^^^
         = help: data can be: csv(...), tensors(...), webdataset(...), image_folder(...), parquet(...)

      error[Z502]: \`batch\` must be a whole number above 0, got 0.5
        --> main.zoo:7:11
       7 |   batch = 0.5
         |           ^^^

      error[Z502]: \`seed\` must be a whole number from 0 to 2^53 - 1, got -1
        --> main.zoo:8:10
       8 |   seed = -1
         |          ^^

      error[Z502]: \`optimizer\` cannot be \`adam\`; did you mean \`adamw\`?
        --> main.zoo:9:15
       9 |   optimizer = adam(lr = 1e-3)
         |               ^^^^
         = help: optimizer can be: adamw(...), sgd(...), lion(...)

      error[Z502]: \`warmup\` of cosine must be a number of steps or epochs, got "long"
        --> main.zoo:10:21
      10 |   schedule = cosine(warmup = "long", total = 0 steps)
         |                     ^^^^^^^^^^^^^^^

      error[Z502]: \`total\` of cosine must be a number of steps or epochs above 0, got 0 steps
        --> main.zoo:10:38
      10 |   schedule = cosine(warmup = "long", total = 0 steps)
         |                                      ^^^^^^^^^^^^^^^

      error[Z502]: \`compute\` of mixed must be f16, got "bf16"
        --> main.zoo:11:21
      11 |   precision = mixed(compute = bf16)
         |                     ^^^^^^^^^^^^^^

      error[Z502]: \`max\` of norm must be a number above 0, got 0
        --> main.zoo:12:20
      12 |   grad_clip = norm(0)
         |                    ^

      error[Z502]: \`checkpoint every\` must be a number of steps or epochs, as in 1000 steps, got 0 steps
        --> main.zoo:13:20
      13 |   checkpoint every 0 steps keep 0
         |                    ^^^^^^^

      error[Z502]: \`keep\` must be a whole number above 0, got 0
        --> main.zoo:13:33
      13 |   checkpoint every 0 steps keep 0
         |                                 ^
      "
    `);
  });

  it('Z502: wrong options of the optimizer', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "r" of "m" {
  data = csv("pairs.csv")
  batch = 64
  optimizer = adamw(lr = "fast", beta2 = 1.5, decay_when = true)
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z502]: \`lr\` of adamw must be a number above 0, got "fast"
        --> main.zoo:8:21
       8 |   optimizer = adamw(lr = "fast", beta2 = 1.5, decay_when = true)
         |                     ^^^^^^^^^^^

      error[Z502]: \`beta2\` of adamw must be a number from 0 to below 1, got 1.5
        --> main.zoo:8:34
       8 |   optimizer = adamw(lr = "fast", beta2 = 1.5, decay_when = true)
         |                                  ^^^^^^^^^^^

      error[Z502]: \`decay_when\` must be \`ndim >= N\`
        --> main.zoo:8:60
       8 |   optimizer = adamw(lr = "fast", beta2 = 1.5, decay_when = true)
         |                                                            ^^^^
         = help: decay_when = ndim >= 2
      "
    `);
  });

  it('Z501, Z502, Z503: optimizers', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "a" of "m" { data = csv("x.csv")  batch = 4  optimizer = sgd(0.1, nesterov = true) }
train "b" of "m" { data = csv("x.csv")  batch = 4  optimizer = sgd(momentum = 1, nesterov = yes) }
train "c" of "m" { data = csv("x.csv")  batch = 4  optimizer = lion }
train "d" of "m" { data = csv("x.csv")  batch = 4  optimizer = lion(1e-4, eps = 1e-8, momentum = 0.9) }
train "e" of "m" { data = csv("x.csv")  batch = 4  ema = 1 }
train "f" of "m" { data = csv("x.csv")  batch = 4  ema = ema(0.99) }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z502]: \`nesterov\` of sgd needs a momentum above 0
        --> main.zoo:5:64
       5 | train "a" of "m" { data = csv("x.csv")  batch = 4  optimizer = sgd(0.1, nesterov = true) }
         |                                                                ^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: sgd(lr = 0.1, momentum = 0.9, nesterov = true)

      error[Z503]: sgd needs \`lr\`: a number above 0
        --> main.zoo:6:64
       6 | train "b" of "m" { data = csv("x.csv")  batch = 4  optimizer = sgd(momentum = 1, nesterov = yes) }
         |                                                                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

      error[Z502]: \`momentum\` of sgd must be a number from 0 to below 1, got 1
        --> main.zoo:6:68
       6 | train "b" of "m" { data = csv("x.csv")  batch = 4  optimizer = sgd(momentum = 1, nesterov = yes) }
         |                                                                    ^^^^^^^^^^^^

      error[Z502]: \`nesterov\` of sgd must be \`true\` or \`false\`, got "yes"
        --> main.zoo:6:82
       6 | train "b" of "m" { data = csv("x.csv")  batch = 4  optimizer = sgd(momentum = 1, nesterov = yes) }
         |                                                                                  ^^^^^^^^^^^^^^

      error[Z503]: lion needs \`lr\`: a number above 0
        --> main.zoo:7:64
       7 | train "c" of "m" { data = csv("x.csv")  batch = 4  optimizer = lion }
         |                                                                ^^^^

      error[Z501]: lion has no option \`eps\`
        --> main.zoo:8:75
       8 | … optimizer = lion(1e-4, eps = 1e-8, momentum = 0.9) }
         |                          ^^^
         = help: it takes: lr, beta1, beta2, weight_decay, decay_when

      error[Z501]: lion has no option \`momentum\`
        --> main.zoo:8:87
       8 | … lion(1e-4, eps = 1e-8, momentum = 0.9) }
         |                          ^^^^^^^^
         = help: it takes: lr, beta1, beta2, weight_decay, decay_when

      error[Z502]: \`ema\` must be a number above 0 and below 1, as in 0.9998, got 1
        --> main.zoo:9:58
       9 | train "e" of "m" { data = csv("x.csv")  batch = 4  ema = 1 }
         |                                                          ^

      error[Z502]: \`ema\` must be a number above 0 and below 1, as in 0.9998, got ema(...)
        --> main.zoo:10:58
      10 | train "f" of "m" { data = csv("x.csv")  batch = 4  ema = ema(0.99) }
         |                                                          ^^^^^^^^^
      "
    `);
  });

  it('Z501, Z502, Z504: rates by pattern', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "r" of "m" {
  data = csv("x.csv")
  batch = 4
  lr = 1e-3
  layer_decay = 0.75
  lr "visal.**", "resblocks.*" = 1e-5
  weight_decay "**.running_mean" = 0
  layer_decay "resblocks.*" = 0.75
  layer_decay "**.ln_1.weight" = 0.75
  lr "visual.**" = "slow"
  weight_decay "visual" = -1
  layer_decay "**.resblocks.*" = 1.5
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z501]: \`lr\` needs a pattern of weights: lr "visual.**" = ...
        --> main.zoo:8:3
       8 |   lr = 1e-3
         |   ^^
         = help: for all weights: optimizer = adamw(lr = ...)

      error[Z501]: \`layer_decay\` needs a pattern of blocks: layer_decay "**.resblocks.*" = ...
        --> main.zoo:9:3
       9 |   layer_decay = 0.75
         |   ^^^^^^^^^^^

      error[Z504]: "visal.**" matches no weight of m
        --> main.zoo:10:6
      10 |   lr "visal.**", "resblocks.*" = 1e-5
         |      ^^^^^^^^^^

      error[Z504]: "resblocks.*" matches no weight of m
        --> main.zoo:10:18
      10 |   lr "visal.**", "resblocks.*" = 1e-5
         |                  ^^^^^^^^^^^^^
         = help: lr "**.resblocks.*"

      error[Z504]: "**.running_mean" matches no weight of m
        --> main.zoo:11:16
      11 |   weight_decay "**.running_mean" = 0
         |                ^^^^^^^^^^^^^^^^^

      error[Z504]: "resblocks.*" matches no block of m
        --> main.zoo:12:15
      12 |   layer_decay "resblocks.*" = 0.75
         |               ^^^^^^^^^^^^^
         = help: layer_decay "**.resblocks.*"

      error[Z504]: "**.ln_1.weight" matches no block of m
        --> main.zoo:13:15
      13 |   layer_decay "**.ln_1.weight" = 0.75
         |               ^^^^^^^^^^^^^^^^

      error[Z502]: \`lr\` must be a number of at least 0, got "slow"
        --> main.zoo:14:20
      14 |   lr "visual.**" = "slow"
         |                    ^^^^^^

      error[Z502]: \`weight_decay\` must be a number of at least 0, got -1
        --> main.zoo:15:27
      15 |   weight_decay "visual" = -1
         |                           ^^

      error[Z502]: \`layer_decay\` must be a number above 0, at most 1, got 1.5
        --> main.zoo:16:34
      16 |   layer_decay "**.resblocks.*" = 1.5
         |                                  ^^^
      "
    `);
  });

  it('Z502, Z503, Z505: schedules', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "a" of "m" { data = csv("x.csv")  batch = 4  schedule = cosin(total = 3 steps) }
train "b" of "m" { data = csv("x.csv")  batch = 4  schedule = linear(floor = 1e-5 steps, warm = 3) }
train "c" of "m" { data = csv("x.csv")  batch = 4  schedule = cooldown(warmup = 3, total = 9, power = 0) }
train "d" of "m" { data = csv("x.csv")  batch = 4  schedule = inverse_sqrt(3, 9, 2) }
train "e" of "m" { data = csv("x.csv")  batch = 4  steps = 9  schedule = cooldown(2, 0, 9) }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z502]: \`schedule\` cannot be \`cosin\`; did you mean \`cosine\`?
        --> main.zoo:5:63
       5 | train "a" of "m" { data = csv("x.csv")  batch = 4  schedule = cosin(total = 3 steps) }
         |                                                               ^^^^^
         = help: schedule can be: cosine(...), linear(...), constant(...), inverse_sqrt(...), cooldown(...)

      error[Z502]: \`floor\` of linear must be a fraction of the base rate, from 0 to 1, got 0.00001 steps
        --> main.zoo:6:70
       6 | train "b" of "m" { data = csv("x.csv")  batch = 4  schedule = linear(floor = 1e-5 steps, warm = 3) }
         |                                                                      ^^^^^^^^^^^^^^^^^^

      error[Z501]: linear has no option \`warm\`; did you mean \`warmup\`?
        --> main.zoo:6:90
       6 | train "b" of "m" { data = csv("x.csv")  batch = 4  schedule = linear(floor = 1e-5 steps, warm = 3) }
         |                                                                                          ^^^^

      error[Z503]: cooldown needs \`steps\`: a number of steps or epochs above 0
        --> main.zoo:7:63
       7 | … batch = 4  schedule = cooldown(warmup = 3, total = 9, power = 0) }
         |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

      error[Z502]: \`power\` of cooldown must be a number above 0, got 0
        --> main.zoo:7:95
       7 | … = 3, total = 9, power = 0) }
         |                   ^^^^^^^^^

      error[Z502]: inverse_sqrt has too many arguments without a name
        --> main.zoo:8:82
       8 | train "d" of "m" { data = csv("x.csv")  batch = 4  schedule = inverse_sqrt(3, 9, 2) }
         |                                                                                  ^
         = help: name them: warmup, total, timescale

      error[Z505]: the length is given twice: \`steps\` and \`total\` of the schedule
        --> main.zoo:9:60
       9 | train "e" of "m" { data = csv("x.csv")  batch = 4  steps = 9  schedule = cooldown(2, 0, 9) }
         |                                                            ^
      "
    `);
  });

  it('Z502: a chunk that does not divide the batch, bounds and units', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "r" of "m" {
  data = csv("pairs.csv")
  batch = 64
  chunk = 24
  schedule = cosine(warmup = 20.5 steps, total = 3 epochs)
  clamp logit_scale in 4 .. 1
  clamp text_projection in 0 .. 1
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z502]: batch 64 is not a multiple of chunk 24
        --> main.zoo:8:11
       8 |   chunk = 24
         |           ^^
         = help: chunks that work: 16, 32

      error[Z502]: \`warmup\` of cosine must be a number of steps or epochs, got 20.5 steps
        --> main.zoo:9:21
       9 |   schedule = cosine(warmup = 20.5 steps, total = 3 epochs)
         |                     ^^^^^^^^^^^^^^^^^^^

      error[Z502]: the lower bound 4 is above the upper bound 1
        --> main.zoo:10:24
      10 |   clamp logit_scale in 4 .. 1
         |                        ^^^^^^

      error[Z502]: clamp bounds scalars; text_projection is [64, 32]
        --> main.zoo:11:9
      11 |   clamp text_projection in 0 .. 1
         |         ^^^^^^^^^^^^^^^
      "
    `);
  });

  it('Z503: settings that training needs', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "r" of "m" {
  optimizer = adamw(lr = 1e-3)
}
`;
    expect(resolve('recipe', source, 'main.zoo#r')).toMatchInlineSnapshot(`
      "
      error[Z503]: recipe r has no \`data\` and no \`batch\`
        --> main.zoo:5:7
       5 | train "r" of "m" {
         |       ^^^
         = help: data = csv("pairs.csv")
      "
    `);
  });

  it('Z504: patterns and paths that match nothing', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "r" of "m" {
  data = csv("pairs.csv")
  batch = 64
  freeze "resblocks.*", "!visual.transformer"
  remat "**.resblock.*"
  clamp logit_scal in 0 .. 1
  init visual.pos = resize_grid(bicubic)
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z504]: "resblocks.*" matches no weight of m
        --> main.zoo:8:10
       8 |   freeze "resblocks.*", "!visual.transformer"
         |          ^^^^^^^^^^^^^

      error[Z504]: "!visual.transformer" matches no weight of m
        --> main.zoo:8:25
       8 |   freeze "resblocks.*", "!visual.transformer"
         |                         ^^^^^^^^^^^^^^^^^^^^^
         = help: freeze "!visual.transformer.**"

      error[Z504]: "**.resblock.*" matches no block of m
        --> main.zoo:9:9
       9 |   remat "**.resblock.*"
         |         ^^^^^^^^^^^^^^^

      error[Z504]: m has no weight \`logit_scal\`; did you mean \`logit_scale\`?
        --> main.zoo:10:9
      10 |   clamp logit_scal in 0 .. 1
         |         ^^^^^^^^^^

      error[Z504]: m has no weight \`visual.pos\`; did you mean \`visual.positional_embedding\`?
        --> main.zoo:11:8
      11 |   init visual.pos = resize_grid(bicubic)
         |        ^^^^^^^^^^
      "
    `);
  });

  it('Z502, Z503, Z505: starts of weights', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 24, layers = 2, heads = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "r" of "m" from ("m" with vision.resolution = 30) {
  data = csv("pairs.csv")
  batch = 64
  init positional_embedding = resize_grid(bicubic)
  init visual.positional_embedding = resize_grid(nearest)
  init visual.proj = sparse(1)
  init text_projection = normal
  init visual.conv1.weight = uniform(-1)
  init ln_final.bias = zeros
  init ln_final.bias = ones
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z304]: resolution 30 is not a multiple of patch 8
        --> main.zoo:5:33
       3 | … = 32, patch = 8, width = 24, layers = 2, heads = 2, embed = 32),
         |         --------- patch = 8
       5 | train "r" of "m" from ("m" with vision.resolution = 30) {
         |                                 ^^^^^^^^^^^^^^^^^^^^^^ 30 = 3 * 8 + 6
         = note: required at clip.zoo:79
         = help: nearest sizes that work: 24, 32

      error[Z502]: positional_embedding [16, 64] is no grid of a picture that could be resized
        --> main.zoo:8:31
       8 |   init positional_embedding = resize_grid(bicubic)
         |                               ^^^^^^^^^^^^^^^^^^^^
         = help: resize_grid takes positions [g * g, width] or [g * g + 1, width], or filters [out, in, k, k]

      error[Z502]: \`method\` of resize_grid must be bicubic, got "nearest"
        --> main.zoo:9:50
       9 |   init visual.positional_embedding = resize_grid(nearest)
         |                                                  ^^^^^^^

      error[Z502]: \`init\` cannot be \`sparse\`
        --> main.zoo:10:22
      10 |   init visual.proj = sparse(1)
         |                      ^^^^^^
         = help: init can be: resize_grid(...), zeros(...), ones(...), const(...), normal(...), trunc_normal(...), uniform(...), xavier_uniform(...), kaiming_normal(...), orthogonal(...)

      error[Z503]: normal needs \`std\`: a number of at least 0
        --> main.zoo:11:26
      11 |   init text_projection = normal
         |                          ^^^^^^

      error[Z502]: \`bound\` of uniform must be a number of at least 0, got -1
        --> main.zoo:12:38
      12 |   init visual.conv1.weight = uniform(-1)
         |                                      ^^

      error[Z505]: ln_final.bias is set twice
        --> main.zoo:14:8
      14 |   init ln_final.bias = ones
         |        ^^^^^^^^^^^^^
      "
    `);
  });

  it('Z505: settings given twice', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "r" of "m" {
  data = csv("pairs.csv")
  batch = 64
  batch = 32
  steps = 100
  schedule = cosine(total = 200 steps)
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z505]: \`batch\` is set twice
        --> main.zoo:8:3
       8 |   batch = 32
         |   ^^^^^

      error[Z505]: the length is given twice: \`steps\` and \`total\` of the schedule
        --> main.zoo:9:11
       9 |   steps = 100
         |           ^^^
      "
    `);
  });

  it('models, starts and objectives that do not exist', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "a" of "mm" { data = csv("x.csv")  batch = 4 }
train "b" of "m" from "n" { data = csv("x.csv")  batch = 4 }
train "c" of "m" { data = csv("x.csv")  batch = 4  objective = contrastiv }
train "d" of "m" { data = csv("x.csv")  batch = 4  objective = sigmoid_loss }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z213]: there is no model "mm"; did you mean \`m\`?
        --> main.zoo:5:14
       5 | train "a" of "mm" { data = csv("x.csv")  batch = 4 }
         |              ^^^^

      error[Z213]: there is no model "n"
        --> main.zoo:6:23
       6 | train "b" of "m" from "n" { data = csv("x.csv")  batch = 4 }
         |                       ^^^
         = help: from takes a model or a file: "weights.safetensors"

      error[Z200]: there is no objective \`contrastiv\`; did you mean \`contrastive\`?
        --> main.zoo:7:64
       7 | train "c" of "m" { data = csv("x.csv")  batch = 4  objective = contrastiv }
         |                                                                ^^^^^^^^^^

      error[Z309]: argument \`out\` of sigmoid_loss lacks the field \`bias\`
        --> main.zoo:8:64
       8 | train "d" of "m" { data = csv("x.csv")  batch = 4  objective = sigmoid_loss }
         |                                                                ^^^^^^^^^^^^
      "
    `);
  });

  it('columns that do not fit the inputs', () => {
    const source = (data: string) => `
block Head(n: int) {
  param weight: [n, 27] = zeros
  forward(image: [B, 3, 3, 3]) -> { scores: [B, n] } = { scores = rearrange(image, [b, c, h, w] -> [b, (c h w)]) @ weight.T }
}
objective labelled(out: { scores: [B, C] }, label: i32[B]) -> [] = -mean(gather(take(out.scores, label, axis = 1)))
model "m" = Head(2)
train "t" of "m" { objective = labelled  batch = 4  data = ${data} }
`;
    expect(
      check(source('csv("x.csv", inputs = { image = picture("file"), label = number("n") })')),
    ).toMatchInlineSnapshot(`
      "
      error[Z315]: number feeds [B] or [B, n], and the input is label i32[B]
        --> main.zoo:7:117
       7 | … label = number("n") }) }
         |           ^^^^^^^^^^^
         = help: label = class("COLUMN") or tensor("COLUMN")
      "
    `);
    expect(
      check(source('csv("x.csv", inputs = { image = pictur("file"), lable = class("n") })')),
    ).toMatchInlineSnapshot(`
      "
      error[Z315]: no column feeds the input label i32[B] of m
        --> main.zoo:7:82
       7 | … csv("x.csv", inputs = { image = pictur("file"), lable = class("n") }) }
         |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: label = class("COLUMN") or tensor("COLUMN")

      error[Z315]: \`image\` cannot be pictur(...); did you mean \`picture\`?
        --> main.zoo:7:92
       7 | … inputs = { image = pictur("file"), lable = class("n") }) }
         |                      ^^^^^^^^^^^^^^
         = help: image = picture("COLUMN") or tensor("COLUMN")

      error[Z315]: m has no input \`lable\` that a column could feed; did you mean \`label\`?
        --> main.zoo:7:116
       7 | … lable = class("n") }) }
         |           ^^^^^^^^^^
         = help: its inputs: image [B, 3, 3, 3], label i32[B]
      "
    `);
    expect(check(source('csv("x.csv")'))).toMatchInlineSnapshot(`
      "
      error[Z315]: csv gives pictures [B, 3, R, R] and texts i32[B, T]; m takes image [B, 3, 3, 3] and label i32[B]
        --> main.zoo:7:60
       7 | train "t" of "m" { objective = labelled  batch = 4  data = csv("x.csv") }
         |                                                            ^^^^^^^^^^^^
         = help: say what feeds them: inputs = { image = picture("COLUMN"), label = class("COLUMN") }; data = tensors("FILE.safetensors") feeds inputs of any shape
      "
    `);
    expect(
      check(source('csv("x.csv", inputs = { label = class("n"), label = class("m") })')),
    ).toMatchInlineSnapshot(`
      "
      error[Z505]: \`label\` is given twice
        --> main.zoo:7:104
       7 | … { label = class("n"), label = class("m") }) }
         |                         ^^^^^
      "
    `);
  });

  it('tables', () => {
    const source = (settings: string) => `
import nn { Embedding }
block Prompted(classes: int) {
  param weight: [27, 4] = zeros
  text: Embedding(600, 4)
  forward(image: [B, 3, 3, 3], prompts: i32[classes, 5]) -> { scores: [B, classes] } {
    return { scores = rearrange(image, [b, c, h, w] -> [b, (c h w)]) @ weight @ mean(text(prompts), axis = 1).T }
  }
}
objective labelled(out: { scores: [B, C] }, label: i32[B]) -> [] = -mean(gather(take(out.scores, label, axis = 1)))
model "m" = Prompted(2)
train "t" of "m" {
  objective = labelled
  batch = 4
  data = csv("x.csv", inputs = { image = picture("file"), label = class("n") })
${settings}
}
`;
    expect(check(source('  table prompts = tokens("c.txt", template = "a {}")'))).toBe('\n\n');
    expect(check(source(''))).toMatchInlineSnapshot(`
      "
      error[Z315]: prompts i32[2, 5] of m is a table, the same for every sample, and nothing gives it
        --> main.zoo:14:10
      14 |   data = csv("x.csv", inputs = { image = picture("file"), label = class("n") })
         |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: table prompts = tokens("FILE.txt") or tensor("FILE.npy")
      "
    `);
    expect(
      check(source('  table promts = tokens("c.txt")\n  table image = tensor("x.npy")')),
    ).toMatchInlineSnapshot(`
      "
      error[Z315]: prompts i32[2, 5] of m is a table, the same for every sample, and nothing gives it
        --> main.zoo:14:10
      14 |   data = csv("x.csv", inputs = { image = picture("file"), label = class("n") })
         |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: table prompts = tokens("FILE.txt") or tensor("FILE.npy")

      error[Z315]: m has no table \`promts\`; did you mean \`prompts\`?
        --> main.zoo:15:9
      15 |   table promts = tokens("c.txt")
         |         ^^^^^^
         = help: its tables: prompts i32[2, 5]

      error[Z315]: image [B, 3, 3, 3] of m is fed with every sample and is no table
        --> main.zoo:16:9
      16 |   table image = tensor("x.npy")
         |         ^^^^^
         = help: its tables: prompts i32[2, 5]
      "
    `);
    expect(
      check(source('  table prompts = tokns("c.txt")\n  table prompts = tensor("x.npy")')),
    ).toMatchInlineSnapshot(`
      "
      error[Z502]: \`table prompts\` cannot be \`tokns\`; did you mean \`tokens\`?
        --> main.zoo:15:19
      15 |   table prompts = tokns("c.txt")
         |                   ^^^^^
         = help: table prompts can be: tokens(...), tensor(...)

      error[Z505]: the table \`prompts\` is set twice
        --> main.zoo:16:9
      16 |   table prompts = tensor("x.npy")
         |         ^^^^^^^
      "
    `);
  });

  it('overrides', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "r" of "m" { data = csv("x.csv")  batch = 4 }
`;
    expect(
      resolve('recipe', source, 'main.zoo#r', [
        { path: 'optimizer.lrr', value: '1' },
        { path: 'batch', value: '4 +' },
        { path: 'vision.layrs', value: '3' },
      ]),
    ).toMatchInlineSnapshot(`
      "
      error[Z106]: expected an expression, found the end of the expression
        --> --set batch:1:4
       1 | 4 +
         |    ^

      error[Z501]: adamw has no option \`lrr\`; did you mean \`lr\`?
        --> --set optimizer.lrr:1:1
       1 | 1
         | ^

      error[Z212]: VisionTransformer has no parameter \`layrs\`; did you mean \`layers\`?
        --> --set vision.layrs:1:1
       1 | 3
         | ^
      "
    `);
  });

  it('Z506: terms of objectives called like other columns of metrics.jsonl', () => {
    const source = `
block T {
  param lr: [] = const(1)
  param logit_scale: [] = const(1)
  forward(x: [B, 4]) -> [B, 4] = x * lr * logit_scale
}
objective typed(out: [B, D]) -> { loss: [], step: [], logit_scale: [] } {
  let l = mean(gather(out))
  return { loss = l, step = l, logit_scale = l }
}
objective untyped(out: [B, D]) {
  let l = mean(gather(out))
  return { loss = l, grad_norm = l, parts = { step = l } }
}
model "t" = T()
train "r" of "t" { data = tensors("x.safetensors")  batch = 4  objective = typed }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z506]: the weight \`lr\` would have a column of metrics.jsonl that training fills itself
        --> main.zoo:2:3
       2 |   param lr: [] = const(1)
         |   ^^^^^^^^^^^^^^^^^^^^^^^
      15 | train "r" of "t" { data = tensors("x.safetensors")  batch = 4  objective = typed }
         |                                                                            ----- trains "t"
         = help: another name for the weight: lr_weight

      error[Z506]: \`step\` cannot be a term of an objective: training fills that column of metrics.jsonl itself
        --> main.zoo:6:45
       6 | objective typed(out: [B, D]) -> { loss: [], step: [], logit_scale: [] } {
         |                                             ^^^^
      15 | train "r" of "t" { data = tensors("x.safetensors")  batch = 4  objective = typed }
         |                                                                            ----- trains "t"
         = help: another name for the term: step_term

      error[Z506]: \`logit_scale\` cannot be a term of an objective: the weight of that name has that column of metrics.jsonl
        --> main.zoo:6:55
       6 | objective typed(out: [B, D]) -> { loss: [], step: [], logit_scale: [] } {
         |                                                       ^^^^^^^^^^^
      15 | train "r" of "t" { data = tensors("x.safetensors")  batch = 4  objective = typed }
         |                                                                            ----- trains "t"
         = help: another name for the term: logit_scale_term

      error[Z506]: \`grad_norm\` cannot be a term of an objective: training fills that column of metrics.jsonl itself
        --> main.zoo:12:22
      12 |   return { loss = l, grad_norm = l, parts = { step = l } }
         |                      ^^^^^^^^^
         = help: another name for the term: grad_norm_term
      "
    `);
  });

  it.each([
    ['scale = l', '`scale` cannot be a term of an objective: the weight of that name'],
    ['overflow = l', '`overflow` cannot be a term of an objective: training fills that column'],
    [
      'grad = { x = l }',
      '`grad.x` cannot be a term of an objective: names behind `grad.` are those of gradients',
    ],
  ])('Z506: %s, where the text of the objective does not say its terms', (term, message) => {
    const source = `
block T { param scale: [] = const(1)  forward(x: [B, 4]) -> [B, 4] = x * scale }
fn parts(l: []) = { loss = l, ${term} }
objective hidden(out: [B, D]) = parts(mean(gather(out)))
model "t" = T()
train "r" of "t" { data = tensors("x.safetensors")  batch = 4  objective = hidden }
`;
    const report = check(source);
    expect(report).toContain(`error[Z506]: ${message}`);
    expect(report).toContain('main.zoo:5:76');
    expect(resolve('recipe', source, 'main.zoo#r')).toBe(report);
  });

  it('Z213: which recipe, which model', () => {
    const source = `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "r" of "m" { data = csv("x.csv")  batch = 4 }
train "s" of "m" { data = csv("x.csv")  batch = 4 }
`;
    expect(resolve('recipe', source, 'main.zoo')).toMatchInlineSnapshot(`
      "
      error[Z213]: main.zoo defines 2 recipes; say which
         = help: main.zoo#r
      "
    `);
  });

  const mini = (settings: string) => `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 1, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 1, embed = 32))
train "r" of "m" {
  data = csv("pairs.csv")
  ${settings}
}
`;

  it('Z507: a warm-up longer than the run, counted alike', () => {
    const schedule = (lengths: string) => check(mini(`batch = 4\n  schedule = cosine(${lengths})`));
    expect(schedule('warmup = 20 steps, total = 8 steps')).toContain(
      'warning[Z507]: the warm-up of 20 steps is longer than the 8 of the run: its rate is never reached',
    );
    expect(schedule('warmup = 8 steps, total = 8 steps')).not.toContain('Z507');
    expect(schedule('warmup = 20 steps, total = 8 epochs')).not.toContain('Z507');
  });

  it('Z502: lengths that are no ascending numbers, or longer than the texts', () => {
    const lengths = (value: string) => check(mini(`batch = 4\n  lengths = ${value}`));
    for (const wrong of ['[]', '[0, 8]', '[8, 4]', '[4, 4]', '[4.5]', '8'])
      expect(lengths(wrong)).toContain(
        'error[Z502]: `lengths` must be ascending whole numbers above 0, as in [16, 32, 48]',
      );
    expect(lengths('[4, 8]')).not.toContain('error');
    expect(lengths('[4, 16]')).not.toContain('error');
    expect(lengths('[4, 20]')).toMatchInlineSnapshot(`
      "
      error[Z502]: \`lengths\` go up to 20, \`tokens\` has 16 positions
        --> main.zoo:8:13
       8 |   lengths = [4, 20]
         |             ^^^^^^^
         = help: lengths up to 16, which is always one of them
      "
    `);
  });

  it('Z509: lengths of texts whose values depend on what is behind their ends', () => {
    const lengths = (text: string) =>
      check(`import nn { Embedding, MultiheadAttention }${mini('batch = 4\n  lengths = [4, 8]').replace(/text = TextTransformer.*/, 'text = Text())')}
block Text(context: int = 16, embed: int = 32) {
  words: Embedding(512, embed)
  attn: MultiheadAttention(embed, heads = 2)
  forward(tokens: i32[B, context]) -> [B, embed] = ${text}
}`);
    expect(lengths('mean(words(tokens), axis = 1)')).toMatchInlineSnapshot(`
      "
      error[Z509]: \`lengths\` does not fit m: it takes no value at the end of a text
        --> main.zoo:9:13
       9 |   lengths = [4, 8]
         |             ^^^^^^
         = help: leave it out; it is for causal texts whose value is taken at their ends: take(x, argmax(tokens, axis = 1), axis = 1)
      "
    `);
    expect(lengths('take(attn(words(tokens)), argmax(tokens, axis = 1), axis = 1)')).toMatchInlineSnapshot(`
      "
      error[Z509]: \`lengths\` does not fit m: attention of attn reads positions behind the end of a text
         --> main.zoo:9:13
        9 |   lengths = [4, 8]
          |             ^^^^^^
         --> zooc:nn:101:12
      101 |     return attention(qkv[0], qkv[1], qkv[2], causal) |> rearrange([b, h, t, d] -> [b, t, (h d)]) …
          |            ----------------------------------------- here
          = help: leave it out; it is for causal texts whose value is taken at their ends: take(x, argmax(tokens, axis = 1), axis = 1)
      "
    `);
    expect(
      lengths('take(words(tokens), argmax(tokens, axis = 1), axis = 1) + mean(words(tokens), axis = 1)'),
    ).toMatchInlineSnapshot(`
      "
      error[Z509]: \`lengths\` does not fit m: mean reads positions behind the end of a text
        --> main.zoo:9:13
       9 |   lengths = [4, 8]
         |             ^^^^^^
      15 | … axis = 1), axis = 1) + mean(words(tokens), axis = 1)
         |                          ----------------------------- here
         = help: leave it out; it is for causal texts whose value is taken at their ends: take(x, argmax(tokens, axis = 1), axis = 1)
      "
    `);
  });

  it('Z508: a batch of one, where samples are set against each other', () => {
    expect(check(mini('batch = 1'))).toContain('warning[Z508]');
    expect(check(mini('batch = 2'))).not.toContain('Z508');
    const alone = `objective alone(out: { image: [B, E], text: [B, E] }) -> [] = mean((out.image - out.text) ^ 2)
${mini('batch = 1\n  objective = alone')}`;
    expect(check(alone)).not.toContain('warning');
  });

  it('a mix beside data, of no list, or of what cannot be mixed', () => {
    const recipe = (settings: string) => `
import clip { CLIP, VisionTransformer, TextTransformer }
model "m" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 32),
  text = TextTransformer(context = 16, vocab = 512, width = 64, layers = 2, embed = 32))
train "r" of "m" {
  batch = 64
  ${settings}
}
`;
    expect(check(recipe('mix = [csv("a.csv"), webdataset("b.tar", weight = 2)]')).trim()).toBe('');
    const both = check(recipe('data = csv("a.csv") mix = [csv("a.csv")]'));
    expect(both).toContain('error[Z505]: the data is given twice: `data` and `mix`');
    expect(check(recipe('mix = csv("a.csv")'))).toContain(
      'error[Z502]: `mix` must be a list of calls: [csv(...)',
    );
    expect(check(recipe('mix = [tensors("a")]'))).toContain('error[Z502]: `mix` cannot be `tensors`');
  });
});
