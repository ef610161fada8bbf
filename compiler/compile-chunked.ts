/**
 * The pipeline for one training step over chunks: three graphs, cut at `gather`, in one plan whose sections
 * repeat.
 */
import { type ChunkedGraphs, cutAtGather, cutNames } from './autodiff/chunk.ts';
import {
  type CompileOptions,
  gradientNorm,
  gradientScale,
  lengthsOf,
  placeOf,
  resultsOf,
} from './compile.ts';
import { type Graph, gradientPrefix, nodeAt, numericShape, sizeOf } from './graph/types.ts';
import { planJoins } from './joins/plan.ts';
import { lowerGraph, type OutputPlace } from './kernels/lowering/lower.ts';
import { Storages } from './kernels/text/view.ts';
import { blocksMatching } from './model/values/globs.ts';
import { runForwardPasses, runPasses } from './passes/index.ts';
import type { Assembled } from './plan/assemble.ts';
import { checkInputsAndResults } from './plan/fit.ts';
import { makePlan } from './plan/make-plan.ts';
import { cutAtReady } from './plan/ready.ts';
import { type ChunkedPart, type CutTensor, chunkSections } from './plan/sections.ts';
import type { VerifiedPlan } from './plan/types.ts';
import { type UpdateOptions, updatedParts } from './plan/update.ts';
import { leastPart, partElements, type Share } from './shards.ts';

interface ChunkedCompileOptions extends CompileOptions {
  /** Pairs in a chunk; `batch` is a multiple of it. */
  readonly chunk: number;
  readonly training: Omit<UpdateOptions, 'shard'>;
  /** Elements of a matrix of pairs from which the loss is computed in strips. */
  readonly strips?: number;
  /** The rank that it is compiled for, of several. */
  readonly share?: Share;
  /** What these ranks divide. */
  readonly shard?: 'optimizer';
  /** Bytes of gradients that they exchange at once. */
  readonly bucket?: number;
}

/**
 * Compiles one training step: the features of all chunks, the loss over them, each chunk's gradients, the
 * update.
 * @param whole the loss traced for the batch
 * @param chunk the same traced for a chunk
 * @throws DiagnosticError Z604, Z605 (the device cannot hold it), Z614 (the objective cannot be cut)
 */
export function compileChunked(whole: Graph, chunk: Graph, options: ChunkedCompileOptions): VerifiedPlan {
  const { profile, precision = 'f32', training, remat = [], strips, share, texts } = options;
  const update = updateOf(options);
  const shorter = texts?.shorter.map((graph) => runForwardPasses(graph, { precision }));
  const cut = cutAtGather(
    runForwardPasses(whole, { precision }),
    runForwardPasses(chunk, options),
    {
      trainable: training.trainable,
      ...(remat.length === 0 ? {} : { remat: blocksMatching(remat) }),
      ...(strips === undefined ? {} : { strips }),
      ...(share === undefined ? {} : { share }),
      scale: gradientScale(options),
    },
    shorter,
  );
  const repeat = options.batch / options.chunk;
  for (const graph of [cut.encode, cut.loss]) checkInputsAndResults(graph, profile);
  const tensors = cutTensors(cut);
  const backwards = tensors.flatMap((t) => t.backward ?? []);
  const shared = new Set([...tensors.map((t) => t.gathered), ...backwards.map((t) => t.gradient)]);
  const lengths = texts === undefined ? [] : lengthsOf(texts);
  const cuts = [cut, ...cut.others];
  const sections = [
    ...cuts.map(({ encode }, i) => ['encode', encode, lengths[i]] as const),
    ['loss', cut.loss, undefined] as const,
    ...cuts.map(({ backward }, i) => ['backward', backward, lengths[i]] as const),
  ];
  const storages = new Storages();
  const parts = sections.flatMap(([name, cutGraph, length]) => {
    if (cutGraph === undefined) return [];
    const graph = runPasses(cutGraph, profile, options);
    const joins = planJoins(graph, profile);
    options.observe?.('joins', graph, joins);
    const places = new Map(graph.outputs.map((o) => [o.name, chunkedPlaceOf(o.name, shared)]));
    const { setup, kernels } = lowerGraph(graph, joins, profile, {
      storages,
      places,
      keepHalves: training.lossScale !== undefined,
      features: shared,
    });
    return [{ name, ...(length === undefined ? {} : { length }), graph, places, setup, kernels }];
  });
  const results = new Map(
    parts.flatMap((p) => resultsOf(p.graph, p.places).map((r) => [r.name, r] as const)),
  );
  for (const { feature } of tensors) results.delete(feature);
  const wrt = training.trainable.filter((name) => results.has(gradientPrefix + name));
  return makePlan({
    identity: options,
    ...(share === undefined ? {} : { share: { ...share, loss: cut.shared ? 'rows' : 'whole' } }),
    profile,
    graphs: parts.map((p) => p.graph),
    storages,
    lowered: { setup: parts.flatMap((p) => p.setup), kernels: parts.flatMap((p) => p.kernels) },
    wrt,
    training: { ...update, trainable: wrt },
    results: [...results.values(), gradientNorm],
    inner: new Set([...shared, ...backwards.map((t) => t.seed)]),
    features: tensors.flatMap((t) =>
      [t.gathered, ...(t.backward ? [t.backward.gradient] : [])].map((name) => ({
        name,
        bytes: t.bytes * repeat,
      })),
    ),
    ...(texts === undefined ? {} : { texts: texts.texts }),
    sections: (assembled) => {
      const steps = parts.map(({ kernels, ...part }): ChunkedPart => ({ ...part, steps: kernels.length }));
      const sections = chunkSections(steps, tensors, repeat)(assembled);
      if (share === undefined) return sections;
      return cutAtReady(sections, assembled, pieceBytes(assembled, share, update, options));
    },
  });
}

/** The optimizer's part, of which a rank has its own where ranks divide it. */
function updateOf({ training, share, shard, bucket }: ChunkedCompileOptions): UpdateOptions {
  if (share === undefined || shard === undefined) return training;
  return { ...training, shard: { ...share, ...(bucket === undefined ? {} : { bucket }) } };
}

/** Bytes of the gradients that ranks add up at once. */
function pieceBytes(
  { buffers }: Pick<Assembled, 'buffers'>,
  { ranks }: Share,
  update: UpdateOptions,
  { bucket, profile }: ChunkedCompileOptions,
): number {
  const elements = buffers.find((b) => b.role === 'gradients')!.bytes / 4;
  const { part = partElements(elements, ranks, leastPart, bucket) } = updatedParts(update, elements, profile);
  return 4 * part * ranks;
}

function cutTensors({ encode, trained }: ChunkedGraphs): CutTensor[] {
  return encode.outputs.map(({ node }, i) => ({
    feature: cutNames.feature(i),
    gathered: cutNames.gathered(i),
    bytes: 4 * sizeOf(numericShape(nodeAt(encode, node).type)),
    ...(trained.has(i)
      ? { backward: { gradient: cutNames.gatheredGradient(i), seed: cutNames.seed(i) } }
      : {}),
  }));
}

/** Gradients of weights add up over the graphs and chunks; those of features lie beside them. */
function chunkedPlaceOf(name: string, shared: ReadonlySet<string>): OutputPlace {
  if (shared.has(name)) return { name, place: 'features' };
  const place = placeOf(name, true);
  return place.place === 'gradients' ? { ...place, accumulate: true } : place;
}
