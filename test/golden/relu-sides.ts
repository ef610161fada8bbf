/**
 * Gradients where rounding puts a relu's value on the other side of zero. PyTorch's are then off by what that activation weighs,
 * about a percent of a small picture tower's; right are those of double precision with this value moved over zero.
 */
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { builderFrom } from '../../compiler/graph/create-builder.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { type Graph, numericShape } from '../../compiler/graph/types.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { rewrite } from '../../compiler/passes/rewrite.ts';
import { goldenSet, norm } from '../support/golden/golden.ts';
import type { Runner } from '../support/wgsl/text-device.ts';
import { goldenGraph, runGraph } from './run-golden.ts';

/** How far an activation may be rounded: these are of size one, and off by up to 7e-6. */
const rounding = 1e-5;

const valueName = (i: number) => `relu.${i}`;

/** The graph with what its relus read as further outputs. */
function withReluInputs(graph: Graph): Graph {
  const relus = graph.nodes.filter(({ op }) => op === 'relu');
  const values = relus.map(({ inputs }, i) => ({ name: valueName(i), node: inputs[0]! }));
  return builderFrom(graph).finish([...graph.outputs, ...values]);
}

/** The graph with an input for each relu that is added to what it reads. */
function withMoves(graph: Graph): Graph {
  let i = 0;
  return rewrite(graph, (b, node, inputs) => {
    if (node.op !== 'relu') return undefined;
    const move = b.add('input', [], { name: valueName(i++), dtype: 'f32', shape: numericShape(node.type) });
    return b.add('relu', [b.add('add', [inputs[0]!, move], {})], {});
  });
}

/**
 * Gradients of the golden batch as a set stores them, in double precision, with relus on the sides that a runner has them on.
 * @throws Error where a value is on the other side that is further from zero than rounding can move it, or where none is
 */
export async function gradientsAtSides(on: Runner, set: string): Promise<(name: string) => Float64Array> {
  const { tensors, weights, model, sample } = goldenSet(set, 'golden');
  const graph = goldenGraph(set, 'train');
  const found = await runGraph(on, withReluInputs(graph), { set, mode: 'train' });
  const inputs = new Map(['images', 'tokens'].map((name) => [name, tensors.get(`in.${name}`)!]));
  const values = executeReference(withReluInputs(graph), { inputs, params: weights });
  let moved = 0;
  const moves = [...values].flatMap(([name, { shape, data }]): [string, RefTensor][] => {
    if (!name.startsWith('relu.')) return [];
    const there = found.get(name)!;
    const move = data.map((value, i) => {
      if (value > 0 === there[i]! > 0) return 0;
      if (Math.abs(value) > rounding) throw new Error(`${name}: ${value} of element ${i} became ${there[i]}`);
      moved++;
      return there[i]! - value;
    });
    return [[name, { shape, data: move }]];
  });
  if (moved === 0) throw new Error(`all relus of ${set} are on their sides`);
  const wrt = model.weights.filter(({ kind }) => kind === 'param').map(({ name }) => name);
  const right = executeReference(differentiate(withMoves(graph), { loss: 'loss', wrt }), {
    inputs: new Map([...inputs, ...moves]),
    params: weights,
  });
  return (name) => {
    const whole = right.get(name.replace(/^grad_norm\./, 'grad.'))!.data;
    return name.startsWith('grad_norm.') ? Float64Array.of(norm(whole)) : sample(name, whole);
  };
}
