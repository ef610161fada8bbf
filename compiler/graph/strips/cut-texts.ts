/**
 * Texts up to their longest: the graph as it is for token rows that end before `length`, so that nothing is computed of
 * the positions behind.
 *
 * A row ends where its largest id stands, which is where the model takes its value, `take(x, argmax(tokens, axis = 1),
 * axis = 1)`. Of `x` the first `length` positions are enough, if they do not depend on the later ones; the range is pushed
 * through the operations above it (`traits.strips`), down to the tokens and to what else has a position (weights, of which
 * it is a slice). That works through causal attention and through whatever treats positions alike, and where it does
 * not, the values depend on what is behind the end, and the graph is not cut. Numbers and gradients are those of the
 * whole graph: weights of later positions get zeros, as they do where nothing is cut.
 */
import { builderFrom, createBuilder } from '../create-builder.ts';
import { type Graph, type Node, type NodeOf, nodeAt, numericShape } from '../types.ts';
import { NoStrips, type Range, Strips } from './push-strips.ts';

/** Why the values of a graph depend on positions behind the end of a text. */
export interface TailRead {
  /** What reads them; absent where no value is taken at the end. */
  readonly reader?: Node;
  /** It has them at hand, but cannot be cut; otherwise it needs them. */
  readonly uncut?: boolean;
}

/** The same in words. */
export function describeTail({ reader, uncut }: TailRead): {
  readonly message: string;
  readonly reader?: Node;
} {
  if (reader === undefined) return { message: 'it takes no value at the end of a text' };
  const { path } = reader.origin;
  const place = path === '' ? '' : ` of ${path}`;
  const how = uncut ? 'mixes positions, also those' : 'reads positions';
  return { message: `${reader.op}${place} ${how} behind the end of a text`, reader };
}

class TailError extends Error {
  readonly read: TailRead;
  constructor(read: TailRead) {
    super();
    this.read = read;
  }
}

type Ends = ReadonlyMap<number, NodeOf<'input'>>;

/** Nodes `take(x, argmax(tokens, axis = 1), axis = 1)`, each with its tokens. */
function endsOf({ nodes }: Graph): Ends {
  const found = new Map<number, NodeOf<'input'>>();
  for (const node of nodes) {
    if (node.op !== 'take' || node.attrs.axis !== 1) continue;
    const [x, index] = node.inputs.map((id) => nodes[id]!) as [Node, Node];
    if (index.op !== 'argmax' || index.attrs.axis !== 1) continue;
    const input = nodes[index.inputs[0]]!;
    if (input.op === 'input' && !input.attrs.table && x.type.shape[1] === input.type.shape[1])
      found.set(node.id, input);
  }
  return found;
}

const contextOf = ({ type }: Node): number => numericShape(type)[1]!;

/** The inputs at whose ends values are taken, with the positions of their rows. */
export function textsOf(graph: Graph): { readonly name: string; readonly context: number }[] {
  const inputs = new Set(endsOf(graph).values());
  return [...inputs].map((input) => ({ name: input.attrs.name, context: contextOf(input) }));
}

/**
 * The graph for rows of tokens whose ends lie before `length`.
 * @param outputs what is wanted of it
 * @returns it, or what forbids it
 */
export function cutTexts(whole: Graph, length: number, outputs = whole.outputs): Graph | TailRead {
  const graph = builderFrom(whole).finish(outputs);
  try {
    return new TextCut(graph, length).run();
  } catch (error) {
    if (error instanceof TailError) return error.read;
    if (error instanceof NoStrips && error.node !== undefined) return { reader: error.node, uncut: true };
    throw error;
  }
}

class TextCut {
  readonly #graph: Graph;
  readonly #range: Range;
  /** What is taken at ends of tokens that are cut. */
  readonly #ends: Ends;
  /** These tokens. */
  readonly #texts: ReadonlySet<number>;
  /** Depends on all of their positions. */
  readonly #deep: boolean[] = [];
  readonly #b = createBuilder();
  readonly #whole = new Map<number, number>();
  readonly #strips: Strips;

  constructor(graph: Graph, length: number) {
    this.#graph = graph;
    this.#range = { start: 0, end: length };
    const ends = endsOf(graph);
    if (ends.size === 0) throw new TailError({});
    this.#ends = new Map([...ends].filter(([, input]) => contextOf(input) > length));
    this.#texts = new Set([...this.#ends.values()].map(({ id }) => id));
    for (const node of graph.nodes) {
      const beforeEnd = this.#ends.has(node.id) || this.#findsEnd(node);
      const reads = node.inputs.some((id) => this.#deep[id]!);
      this.#deep.push(this.#texts.has(node.id) || (reads && !beforeEnd));
    }
    this.#strips = new Strips(graph, this.#b, {
      pushed: (id) => this.#deep[id]!,
      entire: (id, reader) => this.#entire(id, reader),
      known: (id, axis) => (this.#texts.has(id) && axis === 1 ? this.#tokens(id) : undefined),
      keepsOrigins: true,
    });
  }

  run(): Graph {
    const { nodes, outputs } = this.#graph;
    for (const node of nodes)
      if (!this.#deep[node.id])
        this.#whole.set(
          node.id,
          this.#b.withOrigin(node.origin, () => this.#make(node)),
        );
    return this.#b.finish(outputs.map(({ name, node }) => ({ name, node: this.#entire(node) })));
  }

  #findsEnd({ op, attrs, inputs }: Node): boolean {
    return op === 'argmax' && attrs.axis === 1 && this.#texts.has(inputs[0]);
  }

  #make(node: Node): number {
    const [first] = node.inputs;
    if (this.#findsEnd(node)) return this.#b.add('argmax', [this.#tokens(first!)], { axis: 1 });
    if (this.#ends.has(node.id) && this.#deep[first!])
      return this.#b.add(
        'take',
        [this.#strips.strip(first!, 1, this.#range), this.#entire(node.inputs[1]!)],
        { axis: 1 },
      );
    const inputs = node.inputs.map((input) => this.#entire(input, node));
    return this.#b.add(node.op, inputs, node.attrs);
  }

  #tokens(id: number): number {
    const { attrs, type } = nodeAt(this.#graph, id) as NodeOf<'input'>;
    const whole = this.#b.add('input', [], attrs);
    return this.#b.add('slice', [whole], {
      starts: [0, 0],
      ends: [numericShape(type)[0]!, this.#range.end],
    });
  }

  #entire(id: number, reader?: Node): number {
    const known = this.#whole.get(id);
    if (known !== undefined) return known;
    throw new TailError({ reader: reader ?? this.#readerBefore(id) });
  }

  /** The first value without positions among those that an output is made of. */
  #readerBefore(output: number): Node {
    const { nodes } = this.#graph;
    const contexts = new Set([...this.#ends.values()].map(contextOf));
    const made = new Set([output]);
    let reader = nodes[output]!;
    for (let id = output; id >= 0; id--) {
      if (!made.has(id)) continue;
      const node = nodes[id]!;
      if (!numericShape(node.type).some((n) => contexts.has(n))) reader = node;
      for (const input of node.inputs) if (this.#deep[input]) made.add(input);
    }
    return reader;
  }
}
