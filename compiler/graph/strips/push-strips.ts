/**
 * A range of one axis of a value, pushed through the operations above it (`traits.strips`), down to what is there
 * anyway, where it is an ordinary slice.
 */
import { fail } from '../../../grammar/diagnostics.ts';
import { stripsOf } from '../../ops/index.ts';
import type { Cut } from '../../ops/strips.ts';
import type { Builder } from '../builder.ts';
import { type Graph, type Node, nodeAt, numericShape, sizeOf } from '../types.ts';

export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Thrown where an operation cannot be cut into strips. */
export class NoStrips extends Error {
  readonly node: Node | undefined;
  constructor(node?: Node) {
    super();
    this.node = node;
  }
}

/** Elements of the largest value that comes from outside (features): it is there anyway. */
export function largestOutside({ nodes }: Graph): number {
  return Math.max(...nodes.map((n) => (n.inputs.length === 0 ? sizeOf(numericShape(n.type)) : 0)));
}

/** More strips than that are a plan that nobody could wait for. */
const mostStrips = 4096;

/**
 * Rows of a strip.
 * @param large values with `all` rows, of which `rows` are computed, no more than `limit` elements of each at once
 * @throws DiagnosticError Z605
 */
export function stripHeight(large: readonly Node[], all: number, rows: number, limit: number): number {
  const width = Math.max(...large.map((n) => sizeOf(numericShape(n.type)) / all));
  const most = Math.max(1, Math.floor(limit / width));
  // Multiples of 64 keep the slices aligned to what a binding may start at.
  const height = most >= 64 ? most - (most % 64) : most;
  if (rows > mostStrips * height)
    fail(
      'Z605',
      `${rows} rows of ${width} values are too many to be computed in strips`,
      'use a smaller batch',
    );
  return height;
}

/** What is known of the values that strips are made of. */
interface Sources {
  /** Strips of this node are computed; those of others are slices. */
  pushed(id: number): boolean;
  /** The whole value. @param reader whose strip needs it @throws NoStrips where there is none */
  entire(id: number, reader?: Node): number;
  /** A strip of a pushed node that is there already. */
  known?(id: number, axis: number, range: Range): number | undefined;
  /** Strips have the origins of their nodes, rather than the builder's. */
  readonly keepsOrigins?: true;
  /** A strip of a pushed node that cannot be cut. @throws NoStrips where there is none */
  otherwise?(id: number, axis: number, range: Range): number;
}

/** Strips of a graph's nodes, made with a builder; each once until they are forgotten. */
export class Strips {
  readonly #graph: Graph;
  readonly #b: Builder;
  readonly #sources: Sources;
  /** By node and axis. */
  #made = new Map<string, number>();

  constructor(graph: Graph, b: Builder, sources: Sources) {
    this.#graph = graph;
    this.#b = b;
    this.#sources = sources;
  }

  /** Before strips of another range. */
  forget(): void {
    this.#made = new Map();
  }

  /** `range` of a node's `axis`. */
  strip(id: number, axis: number, range: Range): number {
    const key = `${id}:${axis}`;
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const node = nodeAt(this.#graph, id);
    const make = () => this.#sources.known?.(id, axis, range) ?? this.#make(node, axis, range);
    const made = this.#sources.keepsOrigins ? this.#b.withOrigin(node.origin, make) : make();
    this.#made.set(key, made);
    return made;
  }

  #make(node: Node, axis: number, range: Range): number {
    if (!this.#sources.pushed(node.id)) return this.slice(node, axis, range);
    const { otherwise } = this.#sources;
    if (otherwise === undefined) return this.#push(node, axis, range);
    try {
      return this.#push(node, axis, range);
    } catch (error) {
      if (!(error instanceof NoStrips)) throw error;
      return otherwise(node.id, axis, range);
    }
  }

  /** The same of the whole value. */
  slice(node: Node, axis: number, range: Range): number {
    const shape = numericShape(node.type);
    const at = (n: number, i: number, value: number) => (i === axis ? value : n);
    if (node.op === 'constant') {
      const cut = shape.map((n, i) => at(n, i, range.end - range.start));
      return this.#b.add('constant', [], { ...node.attrs, shape: cut });
    }
    return this.#b.add('slice', [this.#sources.entire(node.id)], {
      starts: shape.map((_, i) => at(0, i, range.start)),
      ends: shape.map((n, i) => at(n, i, range.end)),
    });
  }

  /** A strip of an operand that broadcasts to `rank` axes; operands that repeat along the axis stay whole. */
  #operand(id: number, reader: Node, rank: number, axis: number, range: Range): number {
    const shape = numericShape(nodeAt(this.#graph, id).type);
    const own = axis - (rank - shape.length);
    return own < 0 || shape[own] === 1 ? this.#sources.entire(id, reader) : this.strip(id, own, range);
  }

  /** The operation done on strips of its inputs, as its traits say. */
  #push(node: Node, axis: number, range: Range): number {
    const strips = stripsOf(node.op);
    const cut: Cut = {
      b: this.#b,
      axis,
      start: range.start,
      length: range.end - range.start,
      strip: (id, own) => this.strip(id, own, range),
      whole: (id) => this.#sources.entire(id, node),
      operand: (id, rank) => this.#operand(id, node, rank, axis, range),
      shape: (id) => numericShape(nodeAt(this.#graph, id).type),
    };
    const made = strips === 'none' ? undefined : strips(cut, node);
    if (made === undefined) throw new NoStrips(node);
    return made;
  }
}
