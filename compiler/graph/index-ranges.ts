/**
 * Which numbers may name rows: the ids that an input may hold, and indices that could leave their table.
 *
 * A GPU reads past a table without telling, so every index has to lie inside before anything runs. Integers
 * are followed by interval arithmetic from the input through views, joins and arithmetic to the tables; what
 * depends on no input is computed. The ids of an input are the numbers from 0 up to the largest with which
 * every index stays inside.
 */
import { opOf } from '../ops/index.ts';
import { isMask } from '../ops/map-program.ts';
import { type Graph, type Node, type NodeOf, nodeAt, numericShape, type Range, sizeOf } from './types.ts';

/** An index that may leave its table. */
interface IndexFault {
  /** The node that reads by it. */
  readonly node: NodeOf<'embedding' | 'take'>;
  readonly range: Range;
  /** Rows of the table, or positions of the axis. */
  readonly size: number;
}

/** What ids may be where no table bounds them from above. */
export const anyId: Range = { min: 0, max: 2 ** 31 - 1 };
/** What integers may be. */
export const anyInt: Range = { min: -(2 ** 31), max: 2 ** 31 - 1 };
/** What floats may be. */
const anyFloat: Range = { min: -Infinity, max: Infinity };
/** Whole numbers up to this are the same in f16, as which mixed precision may store a float. */
const mostExactHalf = 2048;
/** Elements up to which indices that depend on no input are computed one by one. */
const mostComputed = 2 ** 20;

/**
 * The ids that an input may hold, from the tables that they index: up to 2^31 - 1 where the program keeps
 * every index from above itself; undefined where any integer will do, negative ones too.
 * @param name an input of integers
 */
export function idRange(graph: Graph, name: string): Range | undefined {
  const ranges = new Ranges(graph);
  const depends = graph.nodes.map(({ op, attrs }) => op === 'input' && attrs.name === name);
  for (const { id, inputs } of graph.nodes) depends[id] ||= inputs.some((i) => depends[i]);
  const faultOf = (node: IndexFault['node'], max: number, min = 0) =>
    ranges.faultOf(node, new Map([[name, { min, max }]]));
  // What has no place for a second id (ids - 1) is no vocabulary but a fault, whatever the others allow.
  const nodes = ranges.readers.filter((n) => depends[n.inputs[1]] && (faultOf(n, 1)?.size ?? 1) === 1);
  const fits = (max: number, min = 0) => nodes.every((node) => faultOf(node, max, min) === undefined);
  if (fits(anyInt.max, anyInt.min)) return undefined;
  if (fits(anyInt.max)) return anyId;
  let [inside, outside] = [0, anyInt.max];
  while (outside - inside > 1) {
    const middle = Math.floor((inside + outside) / 2);
    if (fits(middle)) inside = middle;
    else outside = middle;
  }
  return { min: 0, max: inside };
}

/**
 * Indices that may leave their tables; sizes that are still open are left for the graph in which they have
 * numbers.
 * @param inputs what inputs of integers may hold; any number by default
 */
export function indexFaults(graph: Graph, inputs: ReadonlyMap<string, Range>): IndexFault[] {
  const ranges = new Ranges(graph);
  return ranges.readers.flatMap((node) => ranges.faultOf(node, inputs) ?? []);
}

class Ranges {
  readonly #graph: Graph;
  /** Nodes that read by an index. */
  readonly readers: readonly NodeOf<'embedding' | 'take'>[];
  /** Values of nodes that depend on no input, as far as they were asked for. */
  readonly #values = new Map<number, Float64Array | undefined>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.readers = graph.nodes.filter(
      (n): n is NodeOf<'embedding'> | NodeOf<'take'> => n.op === 'embedding' || n.op === 'take',
    );
  }

  faultOf(node: NodeOf<'embedding' | 'take'>, inputs: ReadonlyMap<string, Range>): IndexFault | undefined {
    const [table, index] = node.inputs;
    const axis = node.op === 'take' ? (node as NodeOf<'take'>).attrs.axis : 0;
    const size = nodeAt(this.#graph, table).type.shape[axis]!;
    const range = this.#rangeOf(index, inputs, new Map());
    if (typeof size !== 'number' || range === undefined || (range.min >= 0 && range.max < size))
      return undefined;
    return { node, range, size };
  }

  /** What a node may hold; undefined where that hangs on a size that is still open. */
  #rangeOf(
    id: number,
    given: ReadonlyMap<string, Range>,
    known: Map<number, Range | undefined>,
  ): Range | undefined {
    if (known.has(id)) return known.get(id);
    const node = nodeAt(this.#graph, id);
    const values = this.#valuesOf(id);
    const range =
      values === undefined
        ? stored(
            node,
            this.#ruleOf(node, given, (input) => this.#rangeOf(input, given, known)),
          )
        : values.reduce((r, v) => ({ min: Math.min(r.min, v), max: Math.max(r.max, v) }), {
            min: values[0]!,
            max: values[0]!,
          });
    known.set(id, range);
    return range;
  }

  #ruleOf(
    node: Node,
    given: ReadonlyMap<string, Range>,
    rangeOf: (id: number) => Range | undefined,
  ): Range | undefined {
    const all = (combine: (...ranges: Range[]) => Range): Range | undefined => {
      const ranges = node.inputs.map(rangeOf);
      return ranges.every((r) => r !== undefined) ? combine(...(ranges as Range[])) : undefined;
    };
    const integer = node.type.dtype === 'i32';
    const unbounded = integer ? anyInt : anyFloat;
    const below = (size: unknown) => (typeof size === 'number' ? { min: 0, max: size - 1 } : undefined);
    switch (node.op) {
      case 'input':
        return given.get(node.attrs.name) ?? node.attrs.ids ?? unbounded;
      case 'constant':
        return { min: node.attrs.value, max: node.attrs.value };
      case 'iota':
        return below(node.attrs.length);
      case 'argmax':
        return below(nodeAt(this.#graph, node.inputs[0]).type.shape[node.attrs.axis]);
      case 'argsort':
        return below(node.type.shape.at(-1));
      case 'reshape':
      case 'transpose':
      case 'slice':
      case 'expand':
      case 'all_gather':
      case 'stop_gradient':
      case 'flip':
      case 'max':
      case 'min':
      case 'recompute':
      case 'take':
      case 'pick':
      case 'embedding':
        return rangeOf(node.inputs[0]);
      case 'where':
        return all((_mask, a, b) => spanOf([a.min, a.max, b.min, b.max]));
      case 'sign':
        return { min: -1, max: 1 };
      case 'concat':
        return all((...parts) => ({
          min: Math.min(...parts.map((p) => p.min)),
          max: Math.max(...parts.map((p) => p.max)),
        }));
      case 'neg':
        return all((x) => ({ min: -x.max, max: -x.min }));
      case 'abs':
        return all((x) => spanOf([Math.abs(x.min), Math.abs(x.max), ...(x.min < 0 && x.max > 0 ? [0] : [])]));
      case 'add':
        return all((x, y) => ({ min: x.min + y.min, max: x.max + y.max }));
      case 'sub':
        return all((x, y) => ({ min: x.min - y.max, max: x.max - y.min }));
      case 'mul':
        return all((x, y) => corners(x, y, (a, b) => a * b));
      case 'div':
        return integer ? all(quotient) : unbounded;
      case 'mod':
        return integer ? all(remainder) : unbounded;
      case 'maximum':
        return all((x, y) => ({ min: Math.max(x.min, y.min), max: Math.max(x.max, y.max) }));
      case 'minimum':
        return all((x, y) => ({ min: Math.min(x.min, y.min), max: Math.min(x.max, y.max) }));
      case 'cast':
        return all((x) => ({ min: Math.max(x.min, anyInt.min), max: Math.min(x.max, anyInt.max) }));
      default:
        return isMask(node.op) ? { min: 0, max: 1 } : unbounded;
    }
  }

  /** The elements of a node that depends on no input or weight, where there are not too many. */
  #valuesOf(id: number): Float64Array | undefined {
    if (this.#values.has(id)) return this.#values.get(id);
    const values = this.#compute(nodeAt(this.#graph, id));
    this.#values.set(id, values);
    return values;
  }

  #compute(node: Node): Float64Array | undefined {
    if (node.op === 'input' || node.op === 'param') return undefined;
    if (node.type.shape.some((d) => typeof d !== 'number')) return undefined;
    const shape = numericShape(node.type);
    if (sizeOf(shape) > mostComputed) return undefined;
    const inputs = node.inputs.map((id) => ({ id, data: this.#valuesOf(id) }));
    if (inputs.some(({ data }) => data === undefined)) return undefined;
    const tensors = inputs.map(({ id, data }) => ({
      shape: numericShape(nodeAt(this.#graph, id).type),
      data: data!,
    }));
    return opOf(node.op).reference(tensors, node.attrs as never, shape, node.type.dtype).data;
  }
}

function spanOf(values: readonly number[]): Range {
  return { min: Math.min(...values), max: Math.max(...values) };
}

function corners(x: Range, y: Range, f: (a: number, b: number) => number): Range {
  return spanOf([f(x.min, y.min), f(x.min, y.max), f(x.max, y.min), f(x.max, y.max)]);
}

/** Floors; 0 where the divisor is 0. */
function quotient(x: Range, y: Range): Range {
  if (y.min > 0 || y.max < 0) return corners(x, y, (a, b) => Math.floor(a / b));
  const most = Math.max(Math.abs(x.min), Math.abs(x.max));
  return { min: -most, max: most };
}

/** The sign of the divisor; 0 where that is 0. */
function remainder(x: Range, y: Range): Range {
  if (y.min > 0 && x.min >= 0 && x.max < y.min) return x;
  return { min: Math.min(0, y.min + 1), max: Math.max(0, y.max - 1) };
}

/**
 * The range as the node's element type holds it: integers that leave 32 bits wrap around to any number,
 * floats round, in f32 or f16, but never past a whole number that both have.
 */
function stored({ type }: Node, range: Range | undefined): Range | undefined {
  if (range === undefined) return undefined;
  if (type.dtype === 'i32') return range.min >= anyInt.min && range.max <= anyInt.max ? range : anyInt;
  // Adding 0 makes 0 of -0; what NaN came from may be anything.
  const [min, max] = [Math.floor(range.min) + 0, Math.ceil(range.max) + 0];
  return {
    min: min >= -mostExactHalf ? Math.min(min, mostExactHalf) : -Infinity,
    max: max <= mostExactHalf ? Math.max(max, -mostExactHalf) : Infinity,
  };
}
