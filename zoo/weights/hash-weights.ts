/**
 * The hash rule: full-size weights and inputs as a function of a name and a flat index, so that a model with
 * 428 million parameters can be compared with a reference run without storing either side.
 *
 * Integers are modulo 2^32, reals are doubles rounded once to float32 at the end. The rule is part of the
 * project's contract: a changed constant here makes every stored reference number wrong.
 */
import { isText, vocabularyOf } from '../../compiler/model/index.ts';
import type { ModelInput } from '../../compiler/model/types.ts';
import { crc32 } from '../../runtime/data/crc32.ts';
import { elementCount } from '../../runtime/data/safetensors/header.ts';
import type { HostArray } from '../../runtime/types.ts';

const golden = 2654435761 | 0;

/** 32 bits for index `i` of the stream whose name has this CRC-32. Signed, as the callers shift it anyway. */
function hashBits(crc: number, i: number): number {
  let h = (Math.imul(i, golden) + crc) | 0;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The rule's hash, in [0, 2^32). */
export function hash(name: string, index: number): number {
  return hashBits(crc32(name), index) >>> 0;
}

/** The rule's uniform number, in [-1, 1), exact in float32. */
export function hashUnit(name: string, index: number): number {
  return (hash(name, index) >>> 8) / 8388608 - 1;
}

/** `base + scale * u`, or `|u|` with `abs`. */
interface Rule {
  readonly base: number;
  readonly scale: number;
  readonly abs?: true;
}

/** The first line of the rule's table that fits the name and shape. */
function ruleFor(name: string, shape: readonly number[]): Rule {
  const last = name.slice(name.lastIndexOf('.') + 1);
  const fanIn = elementCount(shape.slice(1));
  if (name === 'logit_scale') return { base: 2.65926, scale: 0.1 };
  if (name.endsWith('.running_mean')) return { base: 0, scale: 0.1 };
  if (name.endsWith('.running_var')) return { base: 1, scale: 0.5, abs: true };
  if (last === 'bias' || last === 'in_proj_bias') return { base: 0, scale: 0.1 };
  if (last === 'weight' && shape.length === 1)
    return /^visual\.layer\d+\.\d+\.bn3\.weight$/.test(name)
      ? { base: 0.25, scale: 0.05 }
      : { base: 1, scale: 0.1 };
  if (last === 'class_embedding') return { base: 0, scale: 1 };
  if (last === 'positional_embedding') return { base: 0, scale: 0.5 };
  if (name === 'token_embedding.weight') return { base: 0, scale: 1 };
  if (last === 'proj' || last === 'text_projection') return { base: 0, scale: Math.sqrt(3 / shape[0]!) };
  if (shape.length === 4 && name !== 'visual.conv1.weight') return { base: 0, scale: Math.sqrt(6 / fanIn) };
  if (name.endsWith('attn.out_proj.weight') || name.endsWith('mlp.c_proj.weight'))
    return { base: 0, scale: 0.5 * Math.sqrt(3 / fanIn) };
  return { base: 0, scale: Math.sqrt(3 / fanIn) };
}

/**
 * All values of one float32 weight, row-major.
 * @param name the state_dict name; a name ending in `num_batches_tracked` gives zeros
 */
export function hashWeight(name: string, shape: readonly number[]): Float32Array {
  const out = new Float32Array(elementCount(shape));
  if (name.endsWith('num_batches_tracked')) return out;
  const { base, scale, abs } = ruleFor(name, shape);
  const crc = crc32(name);
  for (let i = 0; i < out.length; i++) {
    const u = (hashBits(crc, i) >>> 8) / 8388608 - 1;
    out[i] = base + scale * (abs ? Math.abs(u) : u);
  }
  return out;
}

/**
 * Already normalised pixels: a colour, an 8 x 8 block pattern and noise in every plane.
 * @param shape [B, ..., H, W]; of [B, W] each row is a plane of height 1
 */
export function hashImages(shape: readonly number[]): Float32Array {
  const out = new Float32Array(elementCount(shape));
  const noise = crc32('input.image.noise');
  const width = shape.length > 1 ? shape.at(-1)! : 1;
  const height = shape.length > 2 ? shape.at(-2)! : 1;
  const planes = out.length / (height * width);
  let at = 0;
  for (let plane = 0; plane < planes; plane++) {
    const base = hashUnit('input.image.base', plane);
    const blocks = Float64Array.from({ length: 64 }, (_, i) => hashUnit('input.image.block', plane * 64 + i));
    for (let y = 0; y < height; y++) {
      const row = Math.floor((y * 8) / height) * 8;
      for (let x = 0; x < width; x++, at++) {
        const u = (hashBits(noise, at) >>> 8) / 8388608 - 1;
        out[at] = base + blocks[row + Math.floor((x * 8) / width)]! + 0.5 * u;
      }
    }
  }
  return out;
}

/** Values for an input of any kind: pictures, texts of its vocabulary, otherwise ids from the whole range. */
export function hashInput(input: ModelInput, batch: number): HostArray {
  const { name, dtype, sizes, table, ids = { min: 0, max: 1 } } = input;
  const shape = table ? sizes : [batch, ...sizes];
  if (dtype === 'f32') return hashImages(shape);
  const count = ids.max - ids.min + 1;
  const vocab = ids.min === 0 ? vocabularyOf(input) : undefined;
  if (isText(input) && vocab !== undefined && vocab > 2) return hashTokens(batch, sizes[0], vocab);
  return Int32Array.from({ length: elementCount(shape) }, (_, i) => ids.min + (hash(name, i) % count));
}

/**
 * Tokens [batch, context]: SOT, pseudo-random ids, EOT, zeros; the first row fills the whole context, and so
 * do all rows of a context below 5, which the rule does not speak of.
 */
export function hashTokens(batch: number, context = 77, vocab = 49408): Int32Array {
  const out = new Int32Array(batch * context);
  for (let b = 0; b < batch; b++) {
    const length = b === 0 || context < 5 ? context - 1 : 3 + (hash('input.text_length', b) % (context - 4));
    out[b * context] = vocab - 2;
    for (let j = 1; j < length; j++)
      out[b * context + j] = hash('input.tokens', b * context + j) % (vocab - 2);
    out[b * context + length] = vocab - 1;
  }
  return out;
}
