/**
 * One entry of a model, ready to run: traced, compiled for the executor, weights in place.
 *
 * The same call serves the command line, zero-shot evaluation and the benchmark, on a
 * device or on the reference.
 */
import { totalmem } from 'node:os';
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { planFitting } from '../../compiler/compile.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { type Graph, nodeAt, numericShape, sizeOf } from '../../compiler/graph/types.ts';
import { inputsOf } from '../../compiler/model/index.ts';
import type { Model } from '../../compiler/model/types.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { keyWords, randomInput } from '../../compiler/ops/philox.ts';
import { fail } from '../../grammar/diagnostics.ts';
import type { WeightSource } from '../weights/source.ts';
import {
  counted,
  type EntryRequest,
  openOnDevice,
  type ReadyEntry,
  traceGraph,
  trainableVariables,
  unreadNames,
  weightsRead,
} from './compiled.ts';
import type { Executor } from './devices.ts';
import { checkIds, withKeys } from './plan-entry.ts';

export {
  compileEntry,
  compileFitting,
  compileTrainingStep,
  type EntryRequest,
  type ReadyEntry,
  stepOptimizer,
  stepScaleBounds,
  unreadNames,
  weightsRead,
} from './compiled.ts';
export { checkIds, type NamedTensor } from './plan-entry.ts';

/**
 * Refuses a graph whose inputs, weights and largest value alone, in double precision, are more than the
 * machine has.
 * @throws DiagnosticError Z605
 */
function checkHostMemory({ nodes }: Graph): void {
  const bytes = (node: Graph['nodes'][number]) => 8 * sizeOf(numericShape(node.type));
  const given = nodes.filter((n) => n.inputs.length === 0).reduce((sum, n) => sum + bytes(n), 0);
  const needed = given + nodes.reduce((most, n) => Math.max(most, bytes(n)), 0);
  const gibibytes = (n: number) => `${(n / 2 ** 30).toFixed(1)} GiB`;
  if (needed > totalmem())
    fail(
      'Z605',
      `the reference needs at least ${gibibytes(needed)}, this machine has ${gibibytes(totalmem())}`,
      'use a smaller batch',
    );
}

async function openOnReference(
  model: Model,
  weights: WeightSource,
  request: EntryRequest,
): Promise<ReadyEntry> {
  const traced = planFitting(request.batch, (batch) => {
    const graph = traceGraph(model, { ...request, batch });
    checkHostMemory(graph);
    return graph;
  });
  const withCounters = await counted(traced, model, weights);
  const wanted = inputsOf(traced);
  const graph = request.gradients
    ? differentiate(traced, { loss: 'loss', wrt: trainableVariables(model) })
    : traced;
  const params = new Map<string, RefTensor>();
  for (const weight of weightsRead(model, graph)) {
    params.set(weight.name, { shape: weight.shape, data: Float64Array.from(await weights.read(weight)) });
  }
  const shapes = new Map<string, readonly number[]>([
    ...wanted.map(({ name, sizes, table }) => [name, table ? sizes : [request.batch, ...sizes]] as const),
    [randomInput, [request.batch, keyWords]],
  ]);
  const integers = new Set(
    graph.outputs.flatMap(({ name, node }) => (nodeAt(graph, node).type.dtype === 'i32' ? [name] : [])),
  );
  return {
    unread: unreadNames(model, traced, request),
    async run(inputs) {
      checkIds(wanted, inputs);
      const feeds = new Map<string, RefTensor>();
      for (const [name, data] of withKeys(inputs, request.batch)) {
        feeds.set(name, { shape: shapes.get(name)!, data: Float64Array.from(data) });
      }
      const outputs = executeReference(graph, { inputs: feeds, params });
      return withCounters(
        new Map(
          [...outputs].map(([name, { shape, data }]) => [
            name,
            { shape, data: integers.has(name) ? Int32Array.from(data) : Float32Array.from(data) },
          ]),
        ),
      );
    },
    close: () => {},
  };
}

/** Compiles one entry for `executor` and writes the weights. Close it when done. */
export function openEntry(
  executor: Executor,
  model: Model,
  weights: WeightSource,
  request: EntryRequest,
): Promise<ReadyEntry> {
  return executor.kind === 'device'
    ? openOnDevice(executor, model, weights, request)
    : openOnReference(model, weights, request);
}
