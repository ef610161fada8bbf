/**
 * Selections of positions before what works position by position: where nothing but one token of the last layer is
 * read (`x[:, 0]`, `take(x, argmax(tokens))`), behind its keys and values only that token is computed. It runs in front
 * of differentiation, so gradients are of that token too.
 *
 * A selection of an axis is pushed through the operations above it as their `strips` say, as long as all that reads
 * their results is this selection, and where that makes a product smaller. What is then left of it selects from values
 * that others read whole. A `take` chooses for each element of the axes before its own, so it goes through what keeps
 * these axes: an operation that can be cut along each of them into the same range of the same inputs.
 */
import type { Builder } from '../graph/builder.ts';
import { createBuilder } from '../graph/create-builder.ts';
import { type Graph, type Node, nodeAt, numericShape, type Origin } from '../graph/types.ts';
import { Expressions } from '../ops/expressions.ts';
import { stripsOf } from '../ops/index.ts';
import type { Cut } from '../ops/strips.ts';
import type { ForwardPass, Precision } from './pass.ts';
import { isDeep } from './precision.ts';

/** Some positions of an axis: a range, or for each element of the axes in front the one that an index says. */
interface Selection {
  readonly axis: number;
  readonly start: number | undefined;
  readonly length: number;
  readonly index?: number;
  /** Axes in front that the index has. */
  readonly leading: number;
  readonly origin: Origin;
}

/** How a cut gets at the inputs of its operation. */
interface Inputs {
  /** @param broadcast positions along all other axes are the same ones */
  strip(id: number, axis: number, broadcast: boolean): number;
  whole(id: number): number;
}

/** What selects of its input, and makes it at least twice as short. */
function selectionOf(graph: Graph, node: Node, precision: Precision): Selection | undefined {
  if (node.op !== 'slice' && node.op !== 'take') return undefined;
  const { origin, inputs, attrs } = node;
  const { type } = nodeAt(graph, inputs[0]);
  const shape = numericShape(type);
  // One token of one sample would be stored in f32, and the weights behind it too.
  if (precision === 'mixed' && isDeep(type) && !isDeep({ ...type, shape: [1, ...node.type.shape] }))
    return undefined;
  if ('axis' in attrs)
    return shape[attrs.axis] === 1
      ? undefined
      : { axis: attrs.axis, start: undefined, length: 1, index: inputs[1]!, leading: attrs.axis, origin };
  const kept = numericShape(node.type);
  const [axis, ...others] = shape.flatMap((n, own) => (n === kept[own] ? [] : [own]));
  if (axis === undefined || others.length > 0 || 2 * kept[axis]! > shape[axis]!) return undefined;
  return { axis, start: attrs.starts[axis]!, length: kept[axis]!, leading: 0, origin };
}

const same = (a: Selection, b: Selection) =>
  a.axis === b.axis && a.start === b.start && a.length === b.length && a.index === b.index;

class Selecting {
  readonly #graph: Graph;
  readonly #precision: Precision;
  /** By node what is read of it, if anything is. */
  readonly #read = new Map<number, Selection | 'whole'>();
  /** Nodes of which a selection alone is computed, with the inputs that they select from. */
  readonly #pushed = new Map<number, readonly number[]>();
  readonly #b = createBuilder();
  readonly #whole: number[] = [];
  readonly #made = new Map<number, number>();

  constructor(graph: Graph, precision: Precision) {
    this.#graph = graph;
    this.#precision = precision;
  }

  run(): Graph {
    const { nodes, outputs } = this.#graph;
    for (const { node } of outputs) this.#want(node, 'whole');
    for (const node of nodes.toReversed()) if (this.#read.has(node.id)) this.#ask(node);
    this.#keepSaving();
    if (this.#pushed.size === 0) return this.#graph;
    for (const node of nodes)
      if (this.#read.has(node.id) && !this.#pushed.has(node.id))
        this.#whole[node.id] = this.#b.withOrigin(node.origin, () => this.#copy(node));
    return this.#b.finish(outputs.map(({ name, node }) => ({ name, node: this.#whole[node]! })));
  }

  #want(id: number, read: Selection | 'whole'): void {
    const known = this.#read.get(id) ?? read;
    this.#read.set(id, known === 'whole' || read === 'whole' || !same(known, read) ? 'whole' : known);
  }

  /** Asks for a node's inputs as it reads them. */
  #ask(node: Node): void {
    const read = this.#read.get(node.id)!;
    const asked = read === 'whole' ? undefined : this.#requests(node, read);
    if (read !== 'whole' && asked) {
      this.#pushed.set(node.id, [...asked.strips.keys()]);
      for (const [id, axis] of asked.strips) this.#want(id, { ...read, axis });
      for (const id of asked.whole) this.#want(id, 'whole');
      return;
    }
    const own = selectionOf(this.#graph, node, this.#precision);
    for (const [i, id] of node.inputs.entries()) this.#want(id, i === 0 && own ? own : 'whole');
  }

  /** What a node's selection is made of; undefined where it cannot be. */
  #requests(node: Node, selection: Selection) {
    const strips = new Map<number, number>();
    const own = new Set<number>();
    const whole = new Set<number>();
    const b = createBuilder();
    const given = (id: number, axis = -1) => {
      const { dtype } = nodeAt(this.#graph, id).type;
      const shape = this.#shape(id).map((n, i) => (i === axis ? selection.length : n));
      return b.add('input', [], { name: `${id} ${axis}`, dtype, shape });
    };
    const inputs: Inputs = {
      strip: (id, axis, broadcast) => {
        if (strips.has(id) && strips.get(id) !== axis) whole.add(id);
        strips.set(id, axis);
        if (!broadcast) own.add(id);
        return given(id, axis);
      },
      whole: (id) => {
        whole.add(id);
        return given(id);
      },
    };
    if (this.#cut(b, node, selection, inputs) === undefined) return undefined;
    for (let axis = 0; axis < selection.leading; axis++) {
      const range = { axis, start: 0, length: 1, leading: 0, origin: selection.origin };
      const along = this.#requests(node, range)?.strips;
      if (along === undefined || [...own].some((id) => along.get(id) !== axis)) return undefined;
    }
    return { strips, whole };
  }

  /** Leaves pushed only what is, or stands behind, a product that gets smaller. */
  #keepSaving(): void {
    for (const [id, inputs] of [...this.#pushed].reverse()) {
      const { op } = nodeAt(this.#graph, id);
      const saves = op === 'matmul' || op === 'attention' || inputs.some((input) => this.#pushed.has(input));
      if (!saves) this.#pushed.delete(id);
    }
  }

  #shape(id: number): number[] {
    return numericShape(nodeAt(this.#graph, id).type);
  }

  #copy(node: Node): number {
    const [x] = node.inputs;
    if (x === undefined || !this.#pushed.has(x))
      return this.#b.add(
        node.op,
        node.inputs.map((id) => this.#whole[id]!),
        node.attrs,
      );
    return new Expressions(this.#b).reshape(
      this.#strip(x, selectionOf(this.#graph, node, this.#precision)!),
      node.type.shape,
    );
  }

  #strip(id: number, selection: Selection): number {
    const node = nodeAt(this.#graph, id);
    if (!this.#pushed.has(id)) return this.#select(this.#whole[id]!, selection);
    const known = this.#made.get(id);
    if (known !== undefined) return known;
    const made = this.#b.withOrigin(node.origin, () =>
      this.#cut(this.#b, node, selection, {
        strip: (input, axis) => this.#strip(input, { ...selection, axis }),
        whole: (input) => this.#whole[input]!,
      }),
    )!;
    this.#made.set(id, made);
    return made;
  }

  /** A selection of a value that is there as a whole. */
  #select(x: number, selection: Selection): number {
    return this.#b.withOrigin(selection.origin, () =>
      selected(this.#b, x, selection, selection.index === undefined ? -1 : this.#whole[selection.index]!),
    );
  }

  /** The operation done on selections of its inputs, as its traits say. */
  #cut(b: Builder, node: Node, selection: Selection, { strip, whole }: Inputs): number | undefined {
    const strips = stripsOf(node.op);
    const { axis, start, length, leading, index } = selection;
    const front = numericShape(node.type).slice(0, leading);
    const operand = (id: number, rank: number): number => {
      const shape = this.#shape(id);
      const full = [...new Array<number>(rank - shape.length).fill(1), ...shape];
      if (full[axis] === 1) return whole(id);
      if (shape.length === rank && front.every((n, i) => n === shape[i])) return strip(id, axis, true);
      if (index === undefined) return strip(id, axis - (rank - shape.length), true);
      // Each row chooses from the same values.
      const e = new Expressions(b);
      const repeated = e.expand(e.reshape(whole(id), full), [...front, ...full.slice(leading)]);
      return selected(b, repeated, selection, whole(index));
    };
    const cut: Cut = {
      b,
      axis,
      start,
      length,
      strip: (id, own) => strip(id, own, false),
      whole,
      operand,
      shape: (id) => this.#shape(id),
    };
    return strips === 'none' ? undefined : strips(cut, node);
  }
}

/** A selection of a whole value; it keeps its axis. */
function selected(
  b: Builder,
  x: number,
  { axis, start, length, index, leading }: Selection,
  at: number,
): number {
  const e = new Expressions(b);
  if (index === undefined) return e.part(x, axis, start!, start! + length);
  const shape = e.shape(x);
  const axes = [...shape.keys()].filter((own) => own !== axis);
  const behind = e.transpose(x, axes.toSpliced(leading, 0, axis));
  return e.reshape(
    b.add('take', [behind, at], { axis: leading }),
    shape.map((n, own) => (own === axis ? 1 : n)),
  );
}

export const selectEarly: ForwardPass = (graph, { precision }) => new Selecting(graph, precision).run();
