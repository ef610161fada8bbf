/**
 * What the fixture `onnx.json` tells of: the examples of every op that has nodes of ONNX, each as a file of its own, and
 * small models of several families with what they are fed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { Dim } from '../../../compiler/graph/types.ts';
import { resolveModel } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { addOp, type OpCase, opCases } from '../../../runtime/selftest/op-cases.ts';
import { type ExportRequest, exportForeign } from '../../../zoo/export/index.ts';
import { lowerGraph } from '../../../zoo/export/onnx/lower-graph.ts';
import { lowerings } from '../../../zoo/export/onnx/lowerings.ts';
import { writeOnnx } from '../../../zoo/export/onnx/onnx-file.ts';
import { OnnxGraph, onnxTypes, valueInfo } from '../../../zoo/export/onnx/onnx-graph.ts';
import { protobufLimit } from '../../../zoo/export/onnx/write-onnx.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { randomNumbers } from '../random.ts';

/** Leaves are in every other case. */
export const onnxCases: readonly OpCase[] = opCases.filter(
  ({ op, definition }) => typeof lowerings[op] !== 'string' && definition.traits.role !== 'leaf',
);

export const operandOf = (index: number) => `x${index}`;

/** Writes the file of one case: operands are inputs, the result is `y`. */
export async function writeCase(path: string, c: OpCase): Promise<void> {
  const b = createBuilder();
  const inputs = c.operands.map(({ dtype, shape }, i) => ({ name: operandOf(i), dtype, shape }));
  const ids = inputs.map(({ name, dtype, shape }) => b.add('input', [], { name, dtype, shape }));
  const graph = b.finish([{ name: 'y', node: addOp(b, c, ids) }]);
  const onnx = new OnnxGraph('f32');
  const [y] = lowerGraph(onnx, graph, new Map(inputs.map(({ name }) => [name, name])));
  onnx.add('Identity', [y!], {}, 'y');
  const typed = ({
    name,
    dtype,
    shape,
  }: {
    name: string;
    dtype: OpCase['type']['dtype'];
    shape: readonly Dim[];
  }) => valueInfo(name, onnxTypes[dtype], shape.map(Number));
  const model = { graph: onnx, inputs: inputs.map(typed), outputs: [typed({ name: 'y', ...c.type })] };
  await writeOnnx(path, c.op, model, new Map(), protobufLimit);
}

export const onnxModels = ['vit', 'gelu', 'resnet', 'siglip', 'convnext', 'tied'] as const;
export type OnnxModelName = (typeof onnxModels)[number];

export function onnxModel(name: OnnxModelName): Model {
  const result = resolveModel(
    nodeHost(),
    `${join(import.meta.dirname, '../../fixtures/models/onnx.zoo')}#${name}`,
  );
  if (!result.ok) throw new Error(result.diagnostics.map((d) => d.message).join('\n'));
  return result.value;
}

/** Exports a model with the hash's weights. */
export async function exportOnnx(
  name: OnnxModelName,
  out: string,
  how: Pick<ExportRequest, 'floats' | 'quantize'> = { floats: 'F32' },
): Promise<void> {
  await exportForeign({ source: 'hash', model: onnxModel(name), out, ...how }, 'onnx');
}

/** Three pictures, and two texts that end before the context does. */
export function feedsOf(model: Model) {
  const random = randomNumbers(3);
  const size = model.resolution!;
  const pictures = {
    shape: [3, 3, size, size],
    data: Float32Array.from({ length: 9 * size * size }, () => 2 * random() - 1),
  };
  const texts = { shape: [2, 5], data: Int32Array.of(598, 7, 300, 599, 0, 598, 11, 12, 42, 599) };
  return { pictures, texts };
}

/** The texts with zeros up to the context. */
export function paddedTexts(
  { shape, data }: { readonly shape: readonly number[]; readonly data: Int32Array },
  context: number,
) {
  const [rows, length] = shape as [number, number];
  return Int32Array.from({ length: rows * context }, (_, i) =>
    i % context < length ? data[Math.floor(i / context) * length + (i % context)]! : 0,
  );
}

export interface OnnxFixture {
  /** SHA-256 of every case's file, by its label. */
  readonly ops: Readonly<Record<string, string>>;
  readonly models: Readonly<Record<OnnxModelName, FileResults>>;
  /** Of the same models, quantised. */
  readonly quantized: Readonly<Record<OnnxModelName, FileResults>>;
}

interface FileResults {
  readonly sha256: string;
  readonly outputs: Readonly<Record<string, readonly number[]>>;
}

export const fixturePath = join(import.meta.dirname, '../../fixtures/onnx.json');
export const onnxFixture = (): OnnxFixture => JSON.parse(readFileSync(fixturePath, 'utf8'));
