/**
 * Large matrices of pairs in strips: a loss over N pictures and N texts never stores N x N.
 *
 * Reductions over a large value (a row of similarities to one number) are computed strip by strip of rows: a
 * slice of the result is pushed through the operations above it, down to what is small enough to be stored,
 * where it is an ordinary slice. Similarities of a strip are a product of a slice of the features; of a
 * transposed matrix they are another product. Strip by strip also in the order of nodes, and each strip's
 * nodes carry a path of their own, so that rematerialisation can compute them again in the backward pass.
 * What cannot be cut so is left as it is.
 */
import type { Builder } from '../graph/builder.ts';
import { createBuilder } from '../graph/create-builder.ts';
import { largestOutside, NoStrips, type Range, Strips, stripHeight } from '../graph/strips/push-strips.ts';
import { type Graph, type Node, type NodeOf, nodeAt, numericShape, sizeOf } from '../graph/types.ts';

/** Elements up to which a value is stored whole: 64 MiB, half of what one binding may hold by default. */
export const stripElements = 2 ** 24;

export const stripPath = 'loss rows ';

/** The strip that a node of this path belongs to, for `rematerialize`. */
export function stripOf(path: string): string | undefined {
  return path.startsWith(stripPath) ? path : undefined;
}

/**
 * The graph with values of more than `limit` elements, and more than any input, cut into strips of rows; the
 * same graph where there are none, or where they are no matter of rows.
 */
export function tileRows(graph: Graph, limit = stripElements): Graph {
  const sizes = graph.nodes.map((n) => sizeOf(numericShape(n.type)));
  const given = largestOutside(graph);
  const large = sizes.map((size) => size > limit && size > given);
  if (!large.includes(true)) return graph;
  try {
    return new Tiling(graph, large, limit).run();
  } catch (error) {
    if (error instanceof NoStrips) return graph;
    throw error;
  }
}

class Tiling {
  readonly #graph: Graph;
  readonly #large: readonly boolean[];
  /** Depends on a large value. */
  readonly #behind: boolean[] = [];
  readonly #limit: number;
  readonly #b: Builder = createBuilder();
  readonly #whole = new Map<number, number>();
  readonly #strips: Strips;

  constructor(graph: Graph, large: readonly boolean[], limit: number) {
    this.#graph = graph;
    this.#large = large;
    this.#limit = limit;
    for (const { id, inputs } of graph.nodes)
      this.#behind.push(large[id]! || inputs.some((input) => this.#behind[input]!));
    this.#strips = new Strips(graph, this.#b, {
      pushed: (id) => this.#behind[id]!,
      entire: (id) => this.#entire(id),
    });
  }

  run(): Graph {
    const { nodes, outputs } = this.#graph;
    const reductions = nodes.filter((n) => !this.#large[n.id] && n.inputs.some((id) => this.#large[id]));
    for (const node of nodes) if (!this.#behind[node.id]) this.#copy(node);
    this.#reduce(reductions);
    const done = new Set(reductions.map((n) => n.id));
    for (const node of nodes)
      if (this.#behind[node.id] && !this.#large[node.id] && !done.has(node.id)) this.#copy(node);
    return this.#b.finish(outputs.map(({ name, node }) => ({ name, node: this.#entire(node) })));
  }

  #copy(node: Node): void {
    const inputs = node.inputs.map((id) => this.#entire(id));
    this.#whole.set(node.id, this.#b.add(node.op, inputs, node.attrs, node.origin));
  }

  /** The whole value, which must not wait for a strip. */
  #entire(id: number): number {
    const known = this.#whole.get(id);
    if (known === undefined) throw new NoStrips();
    return known;
  }

  /** All reductions strip by strip, so that what they share of one strip is made once and dies with it. */
  #reduce(reductions: readonly Node[]): void {
    const rows = this.#rowsOf(reductions);
    const large = this.#graph.nodes.filter((n) => this.#large[n.id]);
    const height = stripHeight(large, rows, rows, this.#limit);
    const parts = reductions.map((): number[] => []);
    for (let start = 0; start < rows; start += height) {
      const range = { start, end: Math.min(rows, start + height) };
      this.#strips.forget();
      this.#b.withOrigin({ path: `${stripPath}${range.start}..${range.end}` }, () => {
        for (const [i, node] of reductions.entries()) parts[i]!.push(this.#part(node, rows, range));
      });
    }
    for (const [i, node] of reductions.entries()) this.#whole.set(node.id, this.#join(node, rows, parts[i]!));
  }

  /** The number of rows, one for all reductions. */
  #rowsOf(reductions: readonly Node[]): number {
    const rows = new Set(
      reductions.map((node) => {
        const source = this.#sumsRows(node) ? nodeAt(this.#graph, node.inputs[0]) : node;
        return numericShape(source.type)[0] ?? 0;
      }),
    );
    const [one] = rows;
    if (rows.size !== 1 || one === undefined || one < 2) throw new NoStrips();
    return one;
  }

  /** A sum or mean over the rows themselves: strips are added up instead of put side by side. */
  #sumsRows(node: Node): node is NodeOf<'sum' | 'mean'> {
    return (node.op === 'sum' || node.op === 'mean') && node.attrs.axes.includes(0);
  }

  #part(node: Node, rows: number, range: Range): number {
    if (!this.#sumsRows(node) || numericShape(node.type)[0] === rows)
      return this.#strips.strip(node.id, 0, range);
    const strip = this.#strips.strip(node.inputs[0], 0, range);
    return this.#b.add('sum', [strip], node.attrs);
  }

  #join(node: Node, rows: number, parts: readonly number[]): number {
    const b = this.#b;
    return b.withOrigin(node.origin, () => {
      if (!this.#sumsRows(node) || numericShape(node.type)[0] === rows)
        return parts.length === 1 ? parts[0]! : b.add('concat', parts, { axis: 0 });
      const total = parts.reduce((sum, part) => b.add('add', [sum, part], {}));
      if (node.op === 'sum') return total;
      const count =
        sizeOf(numericShape(nodeAt(this.#graph, node.inputs[0]).type)) / sizeOf(numericShape(node.type));
      const share = b.add('constant', [], { value: 1 / count, dtype: 'f32', shape: [] });
      return b.add('mul', [total, share], {});
    });
  }
}
