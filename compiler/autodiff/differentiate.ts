/**
 * Reverse-mode differentiation as graph rewriting: every op's gradient rule adds nodes behind the forward
 * graph.
 *
 * Nodes are visited from the loss backwards; a value's gradient is the sum of what its consumers contributed,
 * in the order in which they are visited, so that the same graph always gives the same sums. Each
 * contribution is added as it comes, so that two are never alive at once. Slices that tile a value (q, k and
 * v of one projection) contribute zero-padded pieces; those become one concatenation instead of a sum.
 */
import type { Builder } from '../graph/builder.ts';
import { builderFrom } from '../graph/create-builder.ts';
import { backwardOrigin } from '../graph/sources.ts';
import {
  type Dim,
  formatShape,
  type Graph,
  gradientPrefix,
  type Node,
  type NodeOf,
  nodeAt,
  type Origin,
  type Output,
  sameShape,
} from '../graph/types.ts';
import { madeByPasses } from '../ops/expressions.ts';
import { opOf } from '../ops/index.ts';
import { isElementwise } from '../ops/map-program.ts';
import { isLinear } from '../ops/unchosen.ts';

/** A weight or input by name; one that the graph does not read needs its shape, its gradient is zero. */
export type Variable = string | { readonly name: string; readonly shape: readonly number[] };

export function variableName(variable: Variable): string {
  return typeof variable === 'string' ? variable : variable.name;
}

interface DifferentiateOptions {
  /** Name of the scalar output. */
  readonly loss: string;
  readonly wrt: readonly Variable[];
  /** What all gradients are multiplied by, so that small ones survive storage as halves; 1 by default. */
  readonly scale?: GradientScale;
}

/** A constant, or the scalar input of this name. */
export type GradientScale = number | { readonly input: string };

/** The graph with further outputs `grad.<name>`; weights that the loss does not depend on get zeros. */
export function differentiate(graph: Graph, { loss, wrt, scale = 1 }: DifferentiateOptions): Graph {
  const b = builderFrom(graph);
  const leaves = leavesOf(graph);
  const gradients = gradientsOf(b, graph, loss, wrt.map(variableName), scale);
  const outputs = wrt.map((variable): Output => {
    const name = variableName(variable);
    const shape = typeof variable === 'string' ? undefined : variable.shape;
    return {
      name: gradientPrefix + name,
      node: gradients.get(name) ?? zeros(b, name, leaves.get(name), shape),
    };
  });
  return b.finish([...graph.outputs, ...outputs]);
}

/**
 * Those of `names` that a gradient of the scalar output `loss` reaches. The others the graph does not read,
 * or only where nothing can be differentiated (the position of a maximum): their gradient is zero whatever
 * the values.
 */
export function reachedNames(graph: Graph, loss: string, names: readonly string[]): Set<string> {
  return new Set(gradientsOf(builderFrom(graph), graph, loss, names, 1).keys());
}

function leavesOf(graph: Graph): Map<string, Node> {
  return new Map(
    graph.nodes.flatMap((n) => (n.op === 'param' || n.op === 'input' ? [[n.attrs.name, n] as const] : [])),
  );
}

/** Nodes of the gradients by name, as far as there are any. */
function gradientsOf(
  b: Builder,
  graph: Graph,
  loss: string,
  names: readonly string[],
  scale: GradientScale,
): Map<string, number> {
  const start = graph.outputs.find((o) => o.name === loss);
  if (start === undefined) throw new Error(`the graph has no output ${loss}`);
  const { shape } = nodeAt(graph, start.node).type;
  if (shape.length !== 0)
    throw new Error(`only a scalar can be differentiated, ${loss} is ${formatShape(shape)}`);
  const leaves = leavesOf(graph);
  const wanted = dependents(graph, new Set(names.flatMap((name) => leaves.get(name)?.id ?? [])));
  if (!wanted[start.node]) return new Map();
  const gradients = backpropagate(b, graph, { loss: start.node, seed: seedOf(b, scale) }, wanted);
  return new Map(
    names.flatMap((name) => {
      const gradient = gradients.get(leaves.get(name)?.id ?? -1);
      return gradient === undefined ? [] : [[name, gradient] as const];
    }),
  );
}

/** Which nodes depend on one of `sources` so that gradients can flow: never through integers. */
function dependents(graph: Graph, sources: ReadonlySet<number>): boolean[] {
  const depends: boolean[] = [];
  for (const { id, inputs, type } of graph.nodes)
    depends.push(type.dtype !== 'i32' && (sources.has(id) || inputs.some((i) => depends[i]!)));
  return depends;
}

function zeros(b: Builder, name: string, node: Node | undefined, given: readonly Dim[] | undefined): number {
  const shape = node?.type.shape ?? given;
  if (shape === undefined)
    throw new Error(`the graph does not read weight ${name}: its gradient has no known shape`);
  const origin = gradientOrigin(node?.origin ?? { path: name });
  return b.add('constant', [], { value: 0, dtype: 'f32', shape }, origin);
}

function gradientOrigin(origin: Origin): Origin {
  return backwardOrigin(origin, `${origin.path} (grad)`.trimStart());
}

/** The gradient of the loss with respect to itself. */
function seedOf(b: Builder, scale: GradientScale): number {
  return typeof scale === 'number'
    ? b.add('constant', [], { value: scale, dtype: 'f32', shape: [] })
    : b.add('input', [], { name: scale.input, dtype: 'f32', shape: [] });
}

/** What a value's consumers contributed to its gradient so far. */
interface Contributions {
  /** Sum of all that are no pieces. */
  sum?: number;
  /** Zero-padded pieces. */
  readonly pieces: NodeOf<'pad'>[];
}

/** Gradients by node id, of all nodes that are `wanted` and reached from the loss. */
function backpropagate(
  b: Builder,
  graph: Graph,
  { loss, seed }: { readonly loss: number; readonly seed: number },
  wanted: readonly boolean[],
): Map<number, number> {
  const contributions = new Map<number, Contributions>([[loss, { sum: seed, pieces: [] }]]);
  const gradients = new Map<number, number>();
  /** Values of which a `where` may throw elements away, with only what works element by element between. */
  const unchosen = new Set<number>();
  for (let id = loss; id >= 0; id--) {
    const parts = contributions.get(id);
    if (parts === undefined) continue;
    const node = nodeAt(graph, id);
    b.withOrigin(gradientOrigin(node.origin), () => {
      const dy = accumulate(b, parts);
      gradients.set(id, dy);
      const inputs = inputGradients(b, node, dy, wanted, unchosen.has(id));
      for (const [i, gradient] of inputs.entries()) {
        if (gradient === null) continue;
        const input = nodeAt(graph, node.inputs[i]!);
        if (
          node.op === 'where' ||
          (unchosen.has(id) && (isElementwise(node.op) || isLinear(b, gradient, dy)))
        )
          unchosen.add(input.id);
        const known = contributions.get(input.id) ?? { pieces: [] };
        contributions.set(input.id, known);
        b.withOrigin(gradientOrigin(input.origin), () => contribute(b, known, gradient));
      }
    });
  }
  return gradients;
}

/** Applies the op's rule and checks it: a gradient has its value's type. */
function inputGradients<K extends Node['op']>(
  b: Builder,
  node: NodeOf<K>,
  dy: number,
  wanted: readonly boolean[],
  unchosen: boolean,
): (number | null)[] {
  if (node.inputs.length === 0) return [];
  const asked = node.inputs.map((i) => wanted[i]!);
  const { gradient: rule } = opOf(node.op);
  if (rule === 'made by gradients')
    throw new Error(`second derivatives are not supported: ${node.op} is itself part of a gradient`);
  if (rule === 'made by passes') madeByPasses(node.op);
  const gradients = rule(b, node, dy, asked, unchosen);
  return node.inputs.map((input, i) => {
    const gradient = gradients[i] ?? null;
    if (gradient === null || !asked[i]) return null;
    const [found, right] = [b.type(gradient), b.type(input)];
    if (found.dtype !== right.dtype || !sameShape(found.shape, right.shape))
      throw new Error(
        `the gradient rule of ${node.op} gives ${formatShape(found.shape)} for input ${i}, which is ${formatShape(right.shape)}`,
      );
    return gradient;
  });
}

function contribute(b: Builder, to: Contributions, gradient: number): void {
  const node = b.node(gradient);
  if (node.op === 'pad') to.pieces.push(node);
  else to.sum = to.sum === undefined ? gradient : b.add('add', [to.sum, gradient], {});
}

function accumulate(b: Builder, { sum, pieces }: Contributions): number {
  const first = sum === undefined ? [] : [sum];
  const joined = tiled(b, pieces);
  const parts = joined === undefined ? pieces.map((p) => p.id) : [joined];
  return [...first, ...parts].reduce((total, part) => b.add('add', [total, part], {}));
}

/** One concatenation where all pieces are padded along one axis and their insides tile it exactly. */
function tiled(b: Builder, pads: readonly NodeOf<'pad'>[]): number | undefined {
  if (pads.length < 2) return undefined;
  const padded = (n: NodeOf<'pad'>) =>
    n.attrs.before.flatMap((before, axis) => (before !== 0 || n.attrs.after[axis] !== 0 ? [axis] : []));
  const axes = new Set(pads.flatMap(padded));
  const [axis] = axes;
  if (axes.size !== 1 || axis === undefined) return undefined;
  const sorted = pads.toSorted((p, q) => p.attrs.before[axis]! - q.attrs.before[axis]!);
  let end = 0;
  for (const pad of sorted) {
    const length = b.type(pad.inputs[0]).shape[axis]!;
    if (pad.attrs.before[axis] !== end || typeof length !== 'number') return undefined;
    end += length;
  }
  if (sorted.at(-1)!.attrs.after[axis] !== 0) return undefined;
  return b.add(
    'concat',
    sorted.map((p) => p.inputs[0]),
    { axis },
  );
}
