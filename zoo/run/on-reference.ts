/** One entry of a model on the f64 reference, behind the same interface as on a device. Nothing here is Node's. */
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { planFitting } from '../../compiler/compile.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { type Graph, nodeAt } from '../../compiler/graph/types.ts';
import { inputsOf } from '../../compiler/model/index.ts';
import type { Model } from '../../compiler/model/types.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { keyWords, randomInput } from '../../compiler/ops/philox.ts';
import type { WeightSource } from '../weights/source.ts';
import {
  counted,
  type EntryRequest,
  type ReadyEntry,
  traceGraph,
  trainableVariables,
  unreadNames,
  weightsRead,
} from './compiled.ts';
import { checkIds, withKeys } from './plan-entry.ts';

/**
 * Makes one entry ready in double precision.
 * @param check refuses a graph that the machine cannot hold
 */
export async function openOnReference(
  model: Model,
  weights: WeightSource,
  request: EntryRequest,
  check: (graph: Graph) => void = () => {},
): Promise<ReadyEntry> {
  const traced = planFitting(request.batch, (batch) => {
    const graph = traceGraph(model, { ...request, batch });
    check(graph);
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
