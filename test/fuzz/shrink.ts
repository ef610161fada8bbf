/**
 * Makes a failing case small: ever smaller graphs are tried for as long as they fail in the same way.
 *
 * A graph is cut in ways that always leave one: an output or a term less, a node replaced by one of its inputs of the same type or by
 * a fresh weight, a size replaced by a smaller one throughout. Each is rebuilt by the builder, whose shape rules refuse what does
 * not fit, and settings are dropped as well. Greedy, the largest cuts first.
 */
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { type Dim, formatType, type Graph, type Node, nodeAt } from '../../compiler/graph/types.ts';
import type { OpAttributes } from '../../compiler/ops/attributes.ts';
import type { FuzzCase } from './cases/fuzz-case.ts';

/** What stands in a node's place: another node, or a leaf. */
type Replacement = { readonly by: number } | 'leaf';

/** Nodes that compute something. */
export function sizeOfCase({ graph }: FuzzCase): number {
  return graph.nodes.filter((n) => n.inputs.length > 0).length;
}

function rebuilt(graph: Graph, replace: ReadonlyMap<number, Replacement>, resize = (n: number) => n): Graph {
  const b = createBuilder();
  const renamed: number[] = [];
  for (const node of graph.nodes) {
    const instead = replace.get(node.id);
    if (instead === 'leaf') renamed.push(leafFor(b, node, resize));
    else if (instead) renamed.push(renamed[instead.by]!);
    else {
      const inputs = node.inputs.map((id) => renamed[id]!);
      renamed.push(
        b.add(node.op, inputs, resized(node.attrs, resize) as OpAttributes[typeof node.op], node.origin),
      );
    }
  }
  return b.finish(graph.outputs.map(({ name, node }) => ({ name, node: renamed[node]! })));
}

function leafFor(
  b: ReturnType<typeof createBuilder>,
  { id, type }: Node,
  resize: (n: number) => number,
): number {
  const shape = type.shape.map((n) => resize(n as number));
  return type.dtype === 'i32'
    ? b.add('input', [], { name: `ids.cut${id}`, dtype: 'i32', shape })
    : b.add('param', [], { name: `free.cut${id}`, shape, role: 'param' });
}

/** Attributes whose numbers are sizes. */
const sizes = new Set(['shape', 'ends', 'length', 'rows', 'columns', 'size']);

function resized(attrs: object, resize: (n: number) => number): object {
  const change = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(change) : typeof value === 'number' ? resize(value) : value;
  return Object.fromEntries(
    Object.entries(attrs).map(([key, value]) => [key, sizes.has(key) ? change(value) : value]),
  );
}

function withGraph(c: FuzzCase, graph: Graph): FuzzCase {
  const names = new Set(graph.nodes.flatMap((n) => (n.op === 'param' ? [n.attrs.name] : [])));
  return { ...c, graph, wrt: c.wrt.filter((name) => names.has(name)) };
}

/** Smaller cases, the smallest first; each is made only when it is asked for. */
function* candidates(c: FuzzCase): Generator<() => FuzzCase> {
  const { graph } = c;
  const computed = graph.nodes.filter((n) => n.inputs.length > 0 || n.op === 'constant' || n.op === 'iota');
  for (const node of computed.toReversed())
    if (node.type.dtype !== 'i32' || node.inputs.length > 0) {
      for (const by of node.inputs)
        if (formatType(nodeAt(graph, by).type) === formatType(node.type))
          yield () => withGraph(c, rebuilt(graph, new Map([[node.id, { by }]])));
      if (node.type.shape.length > 0 || node.op !== 'constant')
        yield () => withGraph(c, rebuilt(graph, new Map([[node.id, 'leaf']])));
    }
  for (const output of graph.outputs)
    if (output.name !== 'loss')
      yield () =>
        withGraph(c, rebuilt({ ...graph, outputs: graph.outputs.filter((o) => o !== output) }, new Map()));
  for (const name of c.wrt) yield () => ({ ...c, wrt: c.wrt.filter((w) => w !== name) });
  if (c.remat.length > 0) yield () => ({ ...c, remat: [] });
  if (Object.keys(c.deviation).length > 0) yield () => ({ ...c, deviation: {} });
  if (c.training) yield () => ({ ...c, training: false });
  if (c.precision === 'mixed') yield () => ({ ...c, precision: 'f32' });
  const found = new Set(graph.nodes.flatMap((n) => n.type.shape as readonly Dim[]) as number[]);
  for (const n of [...found].sort((a, b) => b - a))
    for (const smaller of [2, 3, 4, 8, 64])
      if (smaller < n)
        yield () =>
          withGraph(
            c,
            rebuilt(graph, new Map(), (m) => (m === n ? smaller : m)),
          );
}

/** Whether a case fails, and how: the same text means the same failure. */
export type Check = (c: FuzzCase) => Promise<string | undefined>;

/**
 * The smallest case that fails as `c` does.
 * @param budget cases to try at most
 */
export async function shrink(c: FuzzCase, check: Check, budget = 1500): Promise<FuzzCase> {
  const failure = await check(c);
  if (failure === undefined) throw new Error(`${c.name} does not fail`);
  let best = c;
  let left = budget;
  for (let progress = true; progress && left > 0; ) {
    progress = false;
    for (const make of candidates(best)) {
      if (--left <= 0) break;
      const next = attempt(make);
      if (next === undefined || (await check(next)) !== failure) continue;
      best = next;
      progress = true;
      break;
    }
  }
  return best;
}

/** Undefined where no graph is left, or one that the shape rules refuse. */
function attempt(make: () => FuzzCase): FuzzCase | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
