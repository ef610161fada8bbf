/**
 * A loss over all pairs divided among ranks: each computes its rows of what is made of large matrices of pairs, and
 * small results travel between them.
 *
 * The pass runs behind differentiation, so the gradients of a rank's own features are rows that it computes by itself
 * from the features of all, and nothing of that size travels. A reduction of a large value is cut along an axis of its
 * result (a row of similarities to one number), whose parts all ranks then gather; where its result has none, it is cut
 * along an axis that it reduces, and what ranks have of it is reduced again, in their order. A part is pushed through
 * the operations above it as in `tile-rows.ts`, and strip by strip where a rank's share is itself too large.
 *
 * Reductions that need the whole result of others come a level later: all of a level are computed before any of it is
 * gathered, so that its results travel at once. With several strips, each level computes its large values again, from
 * `recompute` views, so that they die with their strip.
 *
 * It applies to a graph as a whole or not at all.
 */
import type { Builder } from '../graph/builder.ts';
import { createBuilder } from '../graph/create-builder.ts';
import { largestOutside, NoStrips, type Range, Strips, stripHeight } from '../graph/strips/push-strips.ts';
import { type Graph, type Node, type NodeOf, nodeAt, numericShape, sizeOf } from '../graph/types.ts';
import { Expressions } from '../ops/expressions.ts';
import { isExtreme } from '../ops/max.ts';
import type { Share } from '../shards.ts';
import { stripPath } from './tile-rows.ts';

interface ShareOptions extends Share {
  /** Which values are large, by node. */
  readonly large: readonly boolean[];
  /** Elements of a large value that are computed at once. */
  readonly limit: number;
  /** Outputs of which a rank needs its own rows alone; the others are zeros. */
  readonly own: ReadonlySet<string>;
}

/**
 * Which values are as large as all pairs: they have two axes that grow with the batch. Or, unless `strict`, they are
 * larger than what comes from outside.
 * @param smaller the same graph of a smaller batch
 */
export function largeValues(
  graph: Graph,
  smaller: Graph,
  { pairs, strict }: { readonly pairs: number; readonly strict: boolean },
): boolean[] {
  const given = largestOutside(graph);
  const growing = growingAxes(graph, smaller);
  return graph.nodes.map(({ id, type, inputs }) => {
    const shape = numericShape(type);
    const size = sizeOf(shape);
    // What a smaller batch makes otherwise, its lengths alone have to tell.
    const ofPairs = (growing.get(id) ?? shape.filter((n) => n === pairs).length) > 1;
    return inputs.length > 0 && (ofPairs || (!strict && size >= pairs * pairs && size > given));
  });
}

/** How many axes of a node grow with the batch, as its counterparts in the graph of a smaller one tell. */
function growingAxes(graph: Graph, smaller: Graph): Map<number, number> {
  const most = new Map<number, number>();
  const seen = new Set<string>();
  const left = graph.outputs.map(({ node }, i): [number, number] => [node, smaller.outputs[i]!.node]);
  for (let pair = left.pop(); pair !== undefined; pair = left.pop()) {
    if (seen.has(pair.join())) continue;
    seen.add(pair.join());
    const [node, other] = [nodeAt(graph, pair[0]), nodeAt(smaller, pair[1])];
    const { shape } = node.type;
    if (
      node.op !== other.op ||
      node.inputs.length !== other.inputs.length ||
      shape.length !== other.type.shape.length
    )
      continue;
    const count = shape.filter((n, axis) => n !== other.type.shape[axis]).length;
    // Where two of its counterparts are one node here, the one with more of them counts.
    most.set(node.id, Math.max(count, most.get(node.id) ?? 0));
    node.inputs.forEach((input, i) => {
      left.push([input, other.inputs[i]!]);
    });
  }
  return most;
}

/**
 * The graph with large softmaxes written out, as reductions and what is done with their results: of a transposed matrix
 * their rows are columns, whose parts no rank has whole.
 */
export function writeOutSoftmax(graph: Graph, large: readonly boolean[]): Graph {
  const b = createBuilder();
  const e = new Expressions(b);
  const renamed: number[] = [];
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((id) => renamed[id]!);
    const soft = node.op === 'softmax' || node.op === 'log_softmax';
    renamed.push(
      b.withOrigin(node.origin, () =>
        soft && large[node.id] ? softmaxOf(e, node.op, inputs[0]!) : b.add(node.op, inputs, node.attrs),
      ),
    );
  }
  return b.finish(graph.outputs.map(({ name, node }) => ({ name, node: renamed[node]! })));
}

function softmaxOf(e: Expressions, op: 'softmax' | 'log_softmax', x: number): number {
  const along = { axes: [e.rank(x) - 1], keep: true };
  // The result does not depend on it.
  const most = e.b.add('stop_gradient', [e.b.add('max', [x], along)], {});
  const shifted = e.sub(x, most);
  const powers = e.unary('exp', shifted);
  const total = e.sum(powers, along.axes, true);
  return op === 'softmax' ? e.div(powers, total) : e.sub(shifted, e.unary('ln', total));
}

/** The differentiated graph as one rank computes it; undefined where it cannot be shared, or nothing is large. */
export function shareRows(graph: Graph, options: ShareOptions): Graph | undefined {
  const { large } = options;
  if (!large.includes(true) || looksForExtremes(graph, large)) return undefined;
  try {
    return new Sharing(graph, options).run();
  } catch (error) {
    if (error instanceof NoStrips) return undefined;
    throw error;
  }
}

/**
 * Whether a large value is searched for its largest entries, as the gradient of a maximum does: a rank's rows and its
 * columns are made by different kernels, whose roundings need not agree to the bit.
 */
function looksForExtremes(graph: Graph, large: readonly boolean[]): boolean {
  const extreme: boolean[] = [];
  for (const node of graph.nodes) {
    const { op, inputs } = node;
    const found = isExtreme(node) && large[node.inputs[0]]!;
    const view = op === 'reshape' || op === 'expand' || op === 'transpose';
    extreme.push(found || (view && extreme[inputs[0]!]!));
    if (op === 'equal' && large[node.id] && inputs.some((id) => extreme[id])) return true;
  }
  return false;
}

type Joining = 'sum' | 'max' | 'min';

/** How a reduction is cut: along an axis of its result, or along one that it reduces. */
type Way =
  | { readonly kind: 'rows'; readonly axis: number }
  | { readonly kind: 'partial'; readonly axis: number; readonly join: Joining };

interface Reduction {
  readonly node: Node;
  readonly way: Way;
  /** Length of the axis that is cut. */
  readonly length: number;
}

class Sharing {
  readonly #graph: Graph;
  readonly #large: readonly boolean[];
  readonly #options: ShareOptions;
  /** Depends on a large value. */
  readonly #behind: boolean[] = [];
  /** Depends on an input. */
  readonly #fed: boolean[] = [];
  readonly #b: Builder = createBuilder();
  readonly #e = new Expressions(this.#b);
  readonly #strips: Strips;
  readonly #whole = new Map<number, number>();
  /** This rank's parts of reductions, along an axis of their results. */
  readonly #parts = new Map<number, { readonly axis: number; readonly part: number }>();
  /** How often what the strips of this level are made of was computed before. */
  #again = 0;

  constructor(graph: Graph, options: ShareOptions) {
    const { large } = options;
    this.#graph = graph;
    this.#large = large;
    this.#options = options;
    for (const { id, op, inputs } of graph.nodes) {
      this.#behind.push(large[id]! || inputs.some((input) => this.#behind[input]!));
      this.#fed.push(op === 'input' || inputs.some((input) => this.#fed[input]!));
    }
    this.#strips = this.#stripsWith(this.#b, (id) => this.#source(id), true);
  }

  run(): Graph {
    const levels = this.#levels();
    for (const [level, reductions] of levels.entries()) this.#level(level, reductions);
    const { outputs } = this.#graph;
    this.#strips.forget();
    return this.#b.finish(
      outputs.map(({ name, node }) => ({
        name,
        node: this.#options.own.has(name) && this.#behind[node] ? this.#ownRows(node) : this.#entire(node),
      })),
    );
  }

  /** Strips of what is large, and of what follows from it as far as that can be cut. */
  #stripsWith(b: Builder, entire: (id: number) => number, known: boolean): Strips {
    const strips: Strips = new Strips(this.#graph, b, {
      pushed: (id) => this.#behind[id]!,
      entire,
      known: (id, axis, range) => (known ? this.#known(id, axis, range) : undefined),
      otherwise: (id, axis, range) => {
        if (this.#large[id]) throw new NoStrips();
        return strips.slice(nodeAt(this.#graph, id), axis, range);
      },
    });
    return strips;
  }

  /** A strip of a reduction whose part this rank has. */
  #known(id: number, axis: number, range: Range): number | undefined {
    const own = this.#parts.get(id);
    if (own?.axis !== axis) return undefined;
    const { start, end } = this.#share(numericShape(nodeAt(this.#graph, id).type)[axis]!);
    if (range.start === start && range.end === end) return own.part;
    return this.#e.part(own.part, axis, range.start - start, range.end - start);
  }

  /** This rank's range of an axis. */
  #share(length: number): Range {
    const { rank, ranks } = this.#options;
    const each = length / ranks;
    return { start: rank * each, end: (rank + 1) * each };
  }

  /** Whether a node makes something small of large values; it has to be shared. */
  #isReduction({ id, inputs }: Node): boolean {
    return !this.#large[id] && inputs.some((input) => this.#large[input]);
  }

  /** Whether a node follows from reductions and makes less of it: shared, less travels. */
  #isLess(node: Node): boolean {
    return isReducing(node) && !this.#large[node.id] && this.#behind[node.inputs[0]]!;
  }

  /** Reductions, so that each comes a level behind those whose whole result it needs. */
  #levels(): Reduction[][] {
    const levels: Reduction[][] = [];
    const levelOf = new Map<number, number>();
    const below = (id: number): number => {
      const known = levelOf.get(id);
      if (known !== undefined) return known;
      if (this.#large[id]) throw new NoStrips();
      const level = Math.max(-1, ...nodeAt(this.#graph, id).inputs.map(below));
      levelOf.set(id, level);
      return level;
    };
    for (const node of this.#graph.nodes) {
      const must = this.#isReduction(node);
      if (!must && !this.#isLess(node)) continue;
      const found = this.#wayOf(node, below);
      if (found === undefined) {
        if (must) throw new NoStrips();
        continue;
      }
      levelOf.set(node.id, found.level);
      levels[found.level] ??= [];
      levels[found.level]!.push(found.reduction);
    }
    return levels;
  }

  /** The first way that can be gone, tried on a builder that is thrown away. */
  #wayOf(node: Node, below: (id: number) => number): { level: number; reduction: Reduction } | undefined {
    for (const reduction of this.#waysOf(node)) {
      const scratch = createBuilder();
      const needed = new Set<number>();
      const strips = this.#stripsWith(
        scratch,
        (id) => {
          const { dtype, shape } = nodeAt(this.#graph, id).type;
          needed.add(id);
          return scratch.add('input', [], { name: `${id}`, dtype, shape });
        },
        false,
      );
      try {
        this.#partOf(strips, scratch, reduction, this.#share(reduction.length));
        return { level: 1 + Math.max(-1, ...[...needed].map(below)), reduction };
      } catch (error) {
        if (!(error instanceof NoStrips)) throw error;
      }
    }
    return undefined;
  }

  #waysOf(node: Node): Reduction[] {
    const { ranks } = this.#options;
    const divides = (length: number) => length >= ranks && length % ranks === 0;
    const rows = numericShape(node.type).flatMap((length, axis): Reduction[] =>
      divides(length) ? [{ node, length, way: { kind: 'rows', axis } }] : [],
    );
    if (!isReducing(node)) return rows;
    const from = numericShape(nodeAt(this.#graph, node.inputs[0]).type);
    const join = node.op === 'mean' ? 'sum' : node.op;
    const partial = node.attrs.axes.flatMap((axis): Reduction[] => {
      const length = from[axis]!;
      return divides(length) ? [{ node, length, way: { kind: 'partial', axis, join } }] : [];
    });
    return [...rows, ...partial];
  }

  #partOf(strips: Strips, b: Builder, { node, way }: Reduction, range: Range): number {
    if (way.kind === 'rows') return strips.strip(node.id, way.axis, range);
    if (!isReducing(node)) throw new NoStrips();
    return b.add<Joining>(way.join, [strips.strip(node.inputs[0], way.axis, range)], node.attrs);
  }

  /** All reductions of a level, strip by strip; then what ranks have of them, put together. */
  #level(level: number, reductions: readonly Reduction[]): void {
    const parts = new Map<Reduction, number>();
    for (const length of new Set(reductions.map((r) => r.length))) {
      const cut = reductions.filter((r) => r.length === length);
      for (const [reduction, strips] of this.#inStrips(level, length, cut))
        parts.set(reduction, this.#joined(reduction, strips));
    }
    this.#again = 0;
    for (const [{ node, way }, part] of parts)
      if (way.kind === 'rows') this.#parts.set(node.id, { axis: way.axis, part });
    // Side by side, so that they are exchanged at once.
    const placed = reductions.map((r) =>
      this.#b.withOrigin(r.node.origin, () => this.#placed(r, parts.get(r)!)),
    );
    const gathered = placed.map((id, i) => this.#b.add('rank_gather', [id], {}, reductions[i]!.node.origin));
    for (const [i, reduction] of reductions.entries())
      this.#b.withOrigin(reduction.node.origin, () => {
        this.#whole.set(reduction.node.id, this.#result(reduction, gathered[i]!));
      });
  }

  #inStrips(level: number, length: number, reductions: readonly Reduction[]): Map<Reduction, number[]> {
    const own = this.#share(length);
    const large = this.#graph.nodes.filter(({ id }) => this.#large[id]);
    const height = stripHeight(large, length, own.end - own.start, this.#options.limit);
    this.#again = own.end - own.start > height ? level : 0;
    const parts = new Map(reductions.map((r): [Reduction, number[]] => [r, []]));
    for (let { start } = own; start < own.end; start += height) {
      const range = { start, end: Math.min(own.end, start + height) };
      this.#strips.forget();
      this.#b.withOrigin({ path: `${stripPath}${range.start}..${range.end}` }, () => {
        for (const [reduction, found] of parts)
          found.push(this.#partOf(this.#strips, this.#b, reduction, range));
      });
    }
    return parts;
  }

  /** The strips of a rank's part as one. */
  #joined({ node, way }: Reduction, strips: readonly number[]): number {
    const { axis } = way;
    return this.#b.withOrigin(node.origin, () => {
      if (strips.length === 1) return strips[0]!;
      if (way.kind === 'rows') return this.#b.add('concat', strips, { axis });
      const join = ({ sum: 'add', max: 'maximum', min: 'minimum' } as const)[way.join];
      return strips.reduce((a, b) => this.#e.binary(join, a, b));
    });
  }

  /**
   * The part among those of all ranks along a first axis, zeros in place of theirs. Two axes at most: with more, mixed
   * precision would take it for an activation.
   */
  #placed({ way }: Reduction, part: number): number {
    const { rank, ranks } = this.#options;
    const e = this.#e;
    const front = way.kind === 'rows' ? e.transpose(part, fronted(e.rank(part), way.axis)) : part;
    const shape = numericShape(this.#b.type(front));
    const each = way.kind === 'rows' ? shape[0]! : 1;
    const rows =
      shape.length === 1 && way.kind === 'rows' ? front : e.reshape(front, [each, sizeOf(shape) / each]);
    return this.#among(rows, rank * each, (ranks - 1 - rank) * each);
  }

  #among(rows: number, before: number, after: number): number {
    const first = (n: number) => this.#e.shape(rows).map((_, axis) => (axis === 0 ? n : 0));
    return this.#b.add('pad', [rows], { before: first(before), after: first(after) });
  }

  /** What a reduction gives, of what all ranks have of it. */
  #result({ node, way }: Reduction, gathered: number): number {
    const e = this.#e;
    const shape = numericShape(node.type);
    if (way.kind === 'rows') {
      const order = fronted(shape.length, way.axis);
      const front = e.reshape(
        gathered,
        order.map((axis) => shape[axis]!),
      );
      return e.transpose(
        front,
        shape.map((_, axis) => order.indexOf(axis)),
      );
    }
    const all = e.reshape(this.#b.add<Joining>(way.join, [gathered], { axes: [0], keep: false }), shape);
    if (node.op !== 'mean') return all;
    const from = sizeOf(numericShape(nodeAt(this.#graph, node.inputs[0]).type));
    return e.scale(all, sizeOf(shape) / from);
  }

  #ownRows(id: number): number {
    const [length] = numericShape(nodeAt(this.#graph, id).type) as [number];
    const { start, end } = this.#share(length);
    return this.#among(this.#strips.strip(id, 0, { start, end }), start, length - end);
  }

  /** What strips are made of. */
  #source(id: number): number {
    let source = this.#entire(id);
    if (this.#fed[id]) for (let i = 0; i < this.#again; i++) source = this.#b.add('recompute', [source], {});
    return source;
  }

  /** The whole value. */
  #entire(id: number): number {
    const known = this.#whole.get(id);
    if (known !== undefined) return known;
    if (this.#large[id]) throw new NoStrips();
    const node = nodeAt(this.#graph, id);
    const inputs = node.inputs.map((input) => this.#entire(input));
    const made = this.#b.add(node.op, inputs, node.attrs, node.origin);
    this.#whole.set(id, made);
    return made;
  }
}

function isReducing(node: Node): node is NodeOf<'sum' | 'mean' | 'max' | 'min'> {
  return node.op === 'sum' || node.op === 'mean' || node.op === 'max' || node.op === 'min';
}

/** Axes with one of them before the others. */
function fronted(rank: number, axis: number): number[] {
  return [axis, ...Array.from({ length: rank }, (_, own) => own).filter((own) => own !== axis)];
}
