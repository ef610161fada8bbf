/**
 * The pipeline for one training step over chunks: three graphs, cut at `gather`, in one plan whose sections repeat.
 */
import { cutAtGather, cutNames } from './autodiff/chunk.ts';
import { type CompileOptions, gradientNorm, gradientScale, placeOf, resultsOf } from './compile.ts';
import { type Graph, gradientPrefix, numericShape, sizeOf } from './graph/types.ts';
import { lowerGraph, type OutputPlace } from './kernels/lower.ts';
import { blocksMatching } from './model/globs.ts';
import { runPasses } from './passes/index.ts';
import { checkInputsAndResults } from './plan/fit.ts';
import { makePlan } from './plan/make-plan.ts';
import { type ChunkedPart, type CutTensor, chunkSections } from './plan/sections.ts';
import type { VerifiedPlan } from './plan/types.ts';
import type { UpdateOptions } from './plan/update.ts';

export interface ChunkedCompileOptions extends CompileOptions {
  /** Pairs in a chunk; `batch` is a multiple of it. */
  readonly chunk: number;
  readonly training: UpdateOptions;
  /** Elements of a matrix of pairs from which the loss is computed in strips. */
  readonly strips?: number;
}

/** Storages of one graph; more than any has. */
const storagesPerGraph = 1e7;

/**
 * Compiles one training step: the features of all chunks, the loss over them, each chunk's gradients, the update.
 * @param whole the loss traced for the batch
 * @param chunk the same traced for a chunk
 * @throws DiagnosticError Z604, Z605 (the device cannot hold it), Z614 (the objective cannot be cut)
 */
export function compileChunked(whole: Graph, chunk: Graph, options: ChunkedCompileOptions): VerifiedPlan {
  const { profile, training, remat = [], strips } = options;
  const cut = cutAtGather(whole, chunk, {
    trainable: training.trainable,
    ...(remat.length === 0 ? {} : { remat: blocksMatching(remat) }),
    ...(strips === undefined ? {} : { strips }),
    scale: gradientScale(options),
  });
  const repeat = options.batch / options.chunk;
  for (const graph of [cut.encode, cut.loss]) checkInputsAndResults(graph, profile);
  const tensors = cutTensors(cut.encode);
  const shared = new Set(tensors.flatMap((t) => [t.gathered, t.gatheredGradient]));
  const sections: readonly (readonly [ChunkedPart['name'], Graph | undefined])[] = [
    ['encode', cut.encode],
    ['loss', cut.loss],
    ['backward', cut.backward],
  ];
  const parts = sections.flatMap(([name, cutGraph], i) => {
    if (cutGraph === undefined) return [];
    const graph = runPasses(cutGraph, profile, options);
    const places = new Map(graph.outputs.map((o) => [o.name, chunkedPlaceOf(o.name, shared)]));
    const { setup, kernels } = lowerGraph(graph, profile, {
      places,
      keepHalves: training.lossScale !== undefined,
      features: shared,
      firstStorage: i * storagesPerGraph,
    });
    return [{ name, graph, places, setup, kernels }];
  });
  const results = new Map(
    parts.flatMap((p) => resultsOf(p.graph, p.places).map((r) => [r.name, r] as const)),
  );
  for (const { feature } of tensors) results.delete(feature);
  const wrt = training.trainable.filter((name) => results.has(gradientPrefix + name));
  return makePlan({
    identity: options,
    profile,
    graphs: parts.map((p) => p.graph),
    lowered: { setup: parts.flatMap((p) => p.setup), kernels: parts.flatMap((p) => p.kernels) },
    wrt,
    training: { ...training, trainable: wrt },
    results: [...results.values(), gradientNorm],
    inner: new Set([...shared, ...tensors.map((t) => t.seed)]),
    features: tensors.flatMap((t) =>
      [t.gathered, t.gatheredGradient].map((name) => ({ name, bytes: t.bytes * repeat })),
    ),
    sections: chunkSections(
      parts.map((p) => ({ name: p.name, steps: p.kernels.length })),
      tensors,
      repeat,
    ),
  });
}

function cutTensors(encode: Graph): CutTensor[] {
  return encode.outputs.map(({ node }, i) => ({
    feature: cutNames.feature(i),
    gathered: cutNames.gathered(i),
    gatheredGradient: cutNames.gatheredGradient(i),
    seed: cutNames.seed(i),
    bytes: 4 * sizeOf(numericShape(encode.nodes[node]!.type)),
  }));
}

/** Gradients of weights add up over the graphs and chunks; those of features lie beside them. */
function chunkedPlaceOf(name: string, shared: ReadonlySet<string>): OutputPlace {
  if (shared.has(name)) return { name, place: 'features' };
  const place = placeOf(name, true);
  return place.place === 'gradients' ? { ...place, accumulate: true } : place;
}
