/**
 * Weights as other projects publish them, under their names and with what their files hold beside, written
 * down here without the maps of the language; and what opening such files is to give.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { resolveModel } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { narrowF16, widenF16 } from '../../../runtime/data/safetensors/half.ts';
import { nodeHost } from '../../../zoo/host.ts';
import type { Tensor } from '../../../zoo/weights/formats/safetensors.ts';
import { hashWeight } from '../../../zoo/weights/hash-weights.ts';
import type { WeightSource } from '../../../zoo/weights/source.ts';

function load(name: string): Model {
  const result = resolveModel(nodeHost(), `test/fixtures/models/tiny.zoo#${name}`);
  if (!result.ok) throw new Error(renderDiagnostics(result.diagnostics));
  return result.value;
}

export const vit = load('tiny_vit');
export const resnet = load('tiny_rn');

/** A folder for the files of one test file, and how a file gets there. */
export function weightFolder(): { folder: string; write: (bytes: Uint8Array, name?: string) => string } {
  const folder = mkdtempSync(join(tmpdir(), 'zooc-formats-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  let files = 0;
  const write = (bytes: Uint8Array, name = `file-${files++}`): string => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };
  return { folder, write };
}

export type Tensors = Map<string, Tensor>;

/** The weights as OpenAI names them; values by the hash rule. */
export function openai(model: Model, dtype: 'F32' | 'F16' = 'F32'): Tensors {
  return new Map(
    model.weights.map(({ name, shape, dtype: kind }): [string, Tensor] => [
      name,
      kind === 'i64'
        ? { dtype: 'I64', shape, data: new BigInt64Array(1) }
        : { dtype, shape, data: hashWeight(name, shape) },
    ]),
  );
}

export function renamed(tensors: Tensors, rename: (name: string) => string): Tensors {
  return new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));
}

/** open_clip's CustomTextCLIP: everything of the text tower moves under `text.`. */
export const customText = (tensors: Tensors): Tensors =>
  renamed(tensors, (name) => (/^(visual\.|logit_scale$)/.test(name) ? name : `text.${name}`));

export function transposed({ dtype, shape, data }: Tensor): Tensor {
  const [rows, columns] = shape as [number, number];
  const out = new Float32Array(data.length);
  for (let i = 0; i < out.length; i++)
    out[i] = (data as Float32Array)[(i % rows) * columns + Math.floor(i / rows)]!;
  return { dtype, shape: [columns, rows], data: out };
}

/** Third `part` of the rows of a tensor. */
function third({ dtype, shape, data }: Tensor, part: number): Tensor {
  const size = data.length / 3;
  const values = (data as Float32Array).slice(part * size, (part + 1) * size);
  return { dtype, shape: [shape[0]! / 3, ...shape.slice(1)], data: values };
}

const hfTop: Readonly<Record<string, string>> = {
  logit_scale: 'logit_scale',
  text_projection: 'text_projection.weight',
  'visual.proj': 'visual_projection.weight',
  positional_embedding: 'text_model.embeddings.position_embedding.weight',
  'token_embedding.weight': 'text_model.embeddings.token_embedding.weight',
  'ln_final.weight': 'text_model.final_layer_norm.weight',
  'ln_final.bias': 'text_model.final_layer_norm.bias',
  'visual.class_embedding': 'vision_model.embeddings.class_embedding',
  'visual.positional_embedding': 'vision_model.embeddings.position_embedding.weight',
  'visual.conv1.weight': 'vision_model.embeddings.patch_embedding.weight',
  'visual.ln_pre.weight': 'vision_model.pre_layrnorm.weight',
  'visual.ln_pre.bias': 'vision_model.pre_layrnorm.bias',
  'visual.ln_post.weight': 'vision_model.post_layernorm.weight',
  'visual.ln_post.bias': 'vision_model.post_layernorm.bias',
};

const hfParts: Readonly<Record<string, string>> = {
  'attn.out_proj': 'self_attn.out_proj',
  ln_1: 'layer_norm1',
  ln_2: 'layer_norm2',
  'mlp.c_fc': 'mlp.fc1',
  'mlp.c_proj': 'mlp.fc2',
};

/** The tensors as Hugging Face's CLIPModel has them; written down here without the map in the language. */
function huggingFace(tensors: Tensors): Tensors {
  const out: Tensors = new Map();
  for (const [name, tensor] of tensors) {
    const top = hfTop[name];
    if (top !== undefined) {
      out.set(top, /projection\.weight$/.test(top) ? transposed(tensor) : tensor);
      continue;
    }
    const [, visual, layer, rest = ''] = /^(visual\.)?transformer\.resblocks\.(\d+)\.(.*)$/.exec(name)!;
    const at = `${visual === undefined ? 'text_model' : 'vision_model'}.encoder.layers.${layer}`;
    const kind = rest.endsWith('bias') ? 'bias' : 'weight';
    if (rest.startsWith('attn.in_proj_'))
      for (const [i, p] of ['q', 'k', 'v'].entries())
        out.set(`${at}.self_attn.${p}_proj.${kind}`, third(tensor, i));
    else out.set(`${at}.${hfParts[rest.replace(/\.(weight|bias)$/, '')]}.${kind}`, tensor);
  }
  return out;
}

const positions: Tensor = {
  dtype: 'I64',
  shape: [1, 16],
  data: BigInt64Array.from({ length: 16 }, (_, i) => BigInt(i)),
};
export const number: Tensor = { dtype: 'I64', shape: [], data: BigInt64Array.of(224n) };

/** With what published files hold beside the weights. */
export const published = {
  openai: (tensors: Tensors): Tensors =>
    new Map([
      ...tensors,
      ...['input_resolution', 'context_length', 'vocab_size'].map((name): [string, Tensor] => [name, number]),
    ]),
  open_clip: (tensors: Tensors): Tensors =>
    new Map([
      ...customText(tensors),
      ['text.attn_mask', { dtype: 'F32', shape: [2, 2], data: Float32Array.of(0, -Infinity, 0, 0) }],
    ]),
  hf: (tensors: Tensors): Tensors =>
    new Map([
      ...huggingFace(tensors),
      ['text_model.embeddings.position_ids', positions],
      ['vision_model.embeddings.position_ids', positions],
    ]),
};

/** Bit for bit; as bytes, since comparing arrays of numbers takes the test runner its time. */
export async function expectValues(model: Model, weights: WeightSource, half = false): Promise<void> {
  const different: string[] = [];
  for (const weight of model.weights) {
    const { name, shape, dtype } = weight;
    const exact = dtype === 'i64' ? new Float32Array(1) : hashWeight(name, shape);
    const wanted = half ? widenF16(narrowF16(exact)) : exact;
    const found = await weights.read(weight);
    if (!Buffer.from(found.buffer).equals(Buffer.from(wanted.buffer))) different.push(name);
  }
  await weights.close();
  expect(different).toEqual([]);
}

export async function diagnosticsOf(opening: Promise<unknown>): Promise<string> {
  try {
    await opening;
  } catch (error) {
    if (error instanceof DiagnosticError) return renderDiagnostics(error.diagnostics);
    throw error;
  }
  return 'no error';
}
