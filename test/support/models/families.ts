/**
 * The small models of test/fixtures/models/families.zoo beside what the libraries that published the families
 * make of them (test/fixtures/encoders and readers, written by test/fixtures/generate): weights under the
 * checkpoints' names, inputs, the output, and the gradients of sum(output * probe).
 */
import { readFileSync } from 'node:fs';
import { builderFrom } from '../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { mapName, nameRules, resolveModel, traceEntry } from '../../../compiler/model/index.ts';
import type { Model, Result } from '../../../compiler/model/types.ts';
import { Expressions } from '../../../compiler/ops/expressions.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import { readSafetensors } from '../../../runtime/data/safetensors/tensors.ts';
import { nodeHost } from '../../../zoo/host.ts';

/** A case by the name of its model and of its file; `names` is the map from our names to the checkpoint's. */
export interface Family {
  readonly name: string;
  /** The first of the model's if not said. */
  readonly entry?: string;
  readonly names?: readonly [reference: string, map: string];
}

export const families: readonly Family[] = [
  { name: 'eva' },
  { name: 'eva-mean' },
  { name: 'dinov2' },
  { name: 'swin' },
  { name: 'llama' },
  { name: 'llama-text' },
  { name: 'bert' },
  { name: 'bert-text' },
  { name: 't5', names: ['zoo/lib/t5.zoo', 'hf'] },
  { name: 't5-text', names: ['zoo/lib/t5.zoo', 'hf'] },
  { name: 'moe' },
  { name: 'lora', names: ['test/fixtures/models/families.zoo', 'peft'] },
  { name: 'adapter' },
  { name: 'siglip-image' },
  { name: 'siglip-text' },
  { name: 'mae' },
];

/** Decoders, prompts, and what decoders read. */
export const readers: readonly Family[] = [
  { name: 'coop' },
  { name: 'coop-middle' },
  { name: 'coop-front' },
  { name: 'cocoop' },
  { name: 'cross-attention' },
  { name: 'cross-attention-apart' },
  { name: 'decoder-layer' },
  { name: 'resampler' },
  { name: 'coca-decoder', names: ['zoo/lib/decoders.zoo', 'open_clip'] },
  { name: 'virtex' },
  { name: 'virtex-both' },
  { name: 'qformer' },
  { name: 'qformer-text' },
  { name: 'penultimate', entry: 'penultimate_patches' },
];

export interface Instance {
  readonly model: Model;
  /** Outputs `out` and `loss`, for the batch of the file. */
  readonly graph: Graph;
  readonly batch: number;
  /** Weights by our names. */
  readonly params: Map<string, RefTensor>;
  readonly inputs: Map<string, RefTensor>;
  readonly output: Float64Array;
  /** By our names, as many as the file has. */
  readonly gradients: Map<string, Float64Array>;
  /** Names in the file that none of ours stands for. */
  readonly unread: readonly string[];
}

export function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.diagnostics.map((d) => d.message).join('\n'));
  return result.value;
}

type File = ReadonlyMap<string, RefTensor>;

function readFile(family: Family): File {
  const { name } = family;
  const folder = readers.includes(family) ? 'readers' : 'encoders';
  const { tensors } = readSafetensors(readFileSync(`test/fixtures/${folder}/${name}.safetensors`), name);
  return new Map(
    [...tensors].map(([key, { shape, data }]) => [
      key,
      { shape, data: Float64Array.from(data as ArrayLike<number>) },
    ]),
  );
}

function tensorOf(file: File, key: string): RefTensor {
  const found = file.get(key);
  if (found === undefined) throw new Error(`the file has no tensor ${key}`);
  return found;
}

/** The graph of the model's one output, and of the loss that the file's gradients are of. */
function withLoss(model: Model, batch: number, entry = model.entries[0]!.name): Graph {
  const traced = unwrap(traceEntry(model, entry, { batch }));
  const e = new Expressions(builderFrom(traced));
  const out = traced.outputs[0]!.node;
  const { dtype, shape } = e.b.type(out);
  const probe = e.b.add('input', [], { name: 'probe', dtype, shape });
  const loss = e.sum(
    e.mul(out, probe),
    shape.map((_, axis) => axis),
  );
  return e.b.finish([
    { name: 'out', node: out },
    { name: 'loss', node: loss },
  ]);
}

export function instanceOf(family: Family): Instance {
  const { name, names, entry } = family;
  const model = unwrap(resolveModel(nodeHost(), `test/fixtures/models/families.zoo#${name}`));
  const map = names === undefined ? undefined : unwrap(nameRules(nodeHost(), ...names));
  const theirs = (ours: string) => (map === undefined ? ours : mapName(map, ours)?.theirs[0]) ?? ours;
  const file = readFile(family);
  const params = new Map(model.weights.map((w) => [w.name, tensorOf(file, `weight.${theirs(w.name)}`)]));
  const gradients = new Map(
    model.weights.flatMap((w) => {
      const found = file.get(`grad.${theirs(w.name)}`);
      return found === undefined ? [] : [[w.name, found.data] as const];
    }),
  );
  const read = new Set(model.weights.map((w) => `weight.${theirs(w.name)}`));
  const inputs = new Map([['probe', tensorOf(file, 'probe')]]);
  // A file of one input calls it images, whatever the model does.
  const given = (input: string) => file.get(`input.${input}`) ?? tensorOf(file, 'input.images');
  for (const { name: input } of model.inputs) inputs.set(input, given(input));
  const batch = inputs.get(model.inputs[0]!.name)!.shape[0]!;
  return {
    model,
    graph: withLoss(model, batch, entry),
    batch,
    params,
    inputs,
    output: tensorOf(file, 'output').data,
    gradients,
    unread: [...file.keys()].filter((key) => key.startsWith('weight.') && !read.has(key)),
  };
}
