/**
 * The towers of a model as ONNX graphs: texts, pictures, and both with the logits that `classify` makes of them.
 *
 * Entries are traced with an open batch, so every graph takes any number of rows. Texts may be shorter than the context: the
 * graph pads them with zeros, as our tokenizer does, so the numbers are the same.
 */
import { TensorProto_DataType, type ValueInfoProto } from 'onnx-buf';
import type { Graph, Node } from '../../../compiler/graph/types.ts';
import { isPicture, isText, traceEntry } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { entriesText, type TowerInfo, towerOf } from '../../run/towers/of-model.ts';
import { lowerGraph } from './lower-graph.ts';
import { lowerings, unitRows } from './lowerings.ts';
import { OnnxGraph, type OnnxModel, type Storage, type Value, valueInfo } from './onnx-graph.ts';

/** A tower with its graph, open in the batch. */
interface Tower extends TowerInfo {
  readonly graph: Graph;
}

export interface Towers {
  /** Both, where each gives one feature for a row, of one width: then there are logits. */
  readonly pair: { readonly pictures: Tower; readonly texts: Tower } | undefined;
  readonly pictures: Tower | undefined;
  readonly texts: Tower | undefined;
}

/** At most this many obstacles in a refusal. */
const shown = 8;

/** Refuses everything that ONNX has no nodes for, together. @throws DiagnosticError Z432 */
export function refuseFormless(model: Model, graphs: readonly Graph[]): void {
  const obstacles = new Map<string, string>();
  for (const { op, origin } of graphs.flatMap(({ nodes }) => nodes as readonly Node[])) {
    const lowering = lowerings[op];
    if (typeof lowering === 'string' && !obstacles.has(op))
      obstacles.set(op, `${op}${origin.path === '' ? '' : ` in ${origin.path}`}: ${lowering}`);
  }
  if (obstacles.size > 0)
    refuse(
      model,
      [...obstacles.values()].map((o) => `ONNX has no form of ${o}`),
    );
}

function refuse(model: Model, obstacles: readonly string[], help = '--format zoo takes every model'): never {
  throw new DiagnosticError([
    {
      code: 'Z432',
      severity: 'error',
      message: `${model.name} cannot be exported as onnx: ${obstacles[0]}`,
      ...(obstacles.length > 1 ? { notes: obstacles.slice(1, shown).map((o) => `also: ${o}`) } : {}),
      help,
    },
  ]);
}

/**
 * The towers that a model has, one at least.
 * @throws DiagnosticError Z432
 */
export function tracedTowers(model: Model): Towers {
  const tower = (...[name, fits]: [string, Parameters<typeof towerOf>[2]]): Tower | undefined => {
    const info = towerOf(model, name, fits);
    if (info === undefined) return undefined;
    const traced = traceEntry(model, info.entry);
    if (!traced.ok) throw new DiagnosticError(traced.diagnostics);
    return { ...info, graph: traced.value };
  };
  const pictures = tower('encode_image', isPicture);
  const texts = tower('encode_text', isText);
  const graphs = [pictures, texts].flatMap((t) => (t === undefined ? [] : [t.graph]));
  if (graphs.length === 0)
    refuse(
      model,
      [
        `it makes no features of pictures [B, 3, R, R] or texts i32[B, T] alone; its entries are ${entriesText(model)}`,
      ],
      'declare in its block: entry encode_image(...) -> [B, E] = ...',
    );
  refuseFormless(model, graphs);
  return { pair: pairOf(pictures, texts), pictures, texts };
}

/** The one output of a tower. */
function lowerTower(onnx: OnnxGraph, { graph, input }: Tower, fed: Value): Value {
  return lowerGraph(onnx, graph, new Map([[input.name, fed]]))[0]!;
}

const pixels = 'pixel_values';
const ids = 'input_ids';

function pictureInput({ input }: Tower): ValueInfoProto {
  return valueInfo(pixels, TensorProto_DataType.FLOAT, ['image_batch_size', ...input.sizes]);
}

const idsInput = valueInfo(ids, TensorProto_DataType.INT64, ['text_batch_size', 'sequence_length']);

/** Ids of any length as rows of the context: zeros behind a shorter text, what is too long cut. */
function rowsOfIds(onnx: OnnxGraph, { input }: Tower): Value {
  const length = onnx.add('Shape', [ids], { start: 1, end: 2 });
  const missing = onnx.add('Sub', [onnx.integers([input.sizes[0]!]), length]);
  const pads = onnx.add('Concat', [onnx.integers([0, 0, 0]), missing], { axis: 0 });
  return onnx.cast(onnx.add('Pad', [ids, pads, onnx.integer(0)]), TensorProto_DataType.INT32);
}

/** Sizes of a tower's result behind the batch: [E] of features. */
function sizesOf({ graph }: Tower): number[] {
  return graph.nodes[graph.outputs[0]!.node]!.type.shape.slice(1).map(Number);
}

function resultOf(tower: Tower, name: string, rows: string): ValueInfoProto {
  return valueInfo(name, TensorProto_DataType.FLOAT, [rows, ...sizesOf(tower)]);
}

function pairOf(pictures: Tower | undefined, texts: Tower | undefined): Towers['pair'] {
  if (pictures === undefined || texts === undefined) return undefined;
  const [image, text] = [sizesOf(pictures), sizesOf(texts)];
  return image.length === 1 && text.length === 1 && image[0] === text[0] ? { pictures, texts } : undefined;
}

/** Gives a value as outputs of these names. */
function give(onnx: OnnxGraph, value: Value, names: readonly string[]): void {
  for (const name of names) onnx.add('Identity', [value], {}, name);
}

/** @param names of the output: what the hosts' classes for such a tower read */
export function pictureModel(tower: Tower, names: readonly string[], storage: Storage): OnnxModel {
  const graph = new OnnxGraph(storage);
  give(graph, lowerTower(graph, tower, pixels), names);
  const outputs = names.map((name) => resultOf(tower, name, 'image_batch_size'));
  return { graph, inputs: [pictureInput(tower)], outputs };
}

export function textModel(tower: Tower, names: readonly string[], storage: Storage): OnnxModel {
  const graph = new OnnxGraph(storage);
  give(graph, lowerTower(graph, tower, rowsOfIds(graph, tower)), names);
  const outputs = names.map((name) => resultOf(tower, name, 'text_batch_size'));
  return { graph, inputs: [idsInput], outputs };
}

/** exp(logit_scale) × cosine + logit_bias, as far as the model has these weights. */
export function pairModel(
  model: Model,
  { pictures, texts }: NonNullable<Towers['pair']>,
  storage: Storage,
): OnnxModel {
  const graph = new OnnxGraph(storage);
  const imageEmbeds = unitRows(graph, lowerTower(graph, pictures, pixels), 'image_embeds');
  const textEmbeds = unitRows(graph, lowerTower(graph, texts, rowsOfIds(graph, texts)), 'text_embeds');
  const has = (name: string) => model.weights.some((w) => w.name === name);
  let logits = graph.add('MatMul', [imageEmbeds, graph.add('Transpose', [textEmbeds], { perm: [1, 0] })]);
  if (has('logit_scale'))
    logits = graph.add('Mul', [logits, graph.add('Exp', [graph.weight('logit_scale', 0)])]);
  if (has('logit_bias')) logits = graph.add('Add', [logits, graph.weight('logit_bias', 0)]);
  give(graph, logits, ['logits_per_image']);
  graph.add('Transpose', [logits], { perm: [1, 0] }, 'logits_per_text');
  const [images, labels] = ['image_batch_size', 'text_batch_size'];
  return {
    graph,
    inputs: [idsInput, pictureInput(pictures)],
    outputs: [
      valueInfo('logits_per_image', TensorProto_DataType.FLOAT, [images, labels]),
      valueInfo('logits_per_text', TensorProto_DataType.FLOAT, [labels, images]),
      resultOf(texts, 'text_embeds', labels),
      resultOf(pictures, 'image_embeds', images),
    ],
  };
}
