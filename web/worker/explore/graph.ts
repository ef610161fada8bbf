/** A block's graph as it is drawn: its own operations, its inner blocks as one box each, and what crosses its border. */
import type * as zooc from '../../../zoo/api/browser.ts';

export interface GraphWish {
  readonly block: number;
  readonly view: 'traced' | 'optimized';
  /** Inner blocks as boxes, or all of their operations. */
  readonly inner: 'boxes' | 'operations';
}

export interface DrawnNode {
  readonly id: string;
  /** `weight` is a param, buffer or constant; `from` and `to` stand for what lies outside. */
  readonly kind: 'operation' | 'weight' | 'block' | 'from' | 'to';
  readonly label: string;
  /** What it gives: dtype and shape; of a block its name where it is declared. */
  readonly detail: string;
  /** The node in the graph. */
  readonly node?: number;
  readonly block?: number;
}

export interface DrawnGraph {
  /** Nodes that would be drawn; where that are too many, none are. */
  readonly size: number;
  readonly nodes: readonly DrawnNode[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}

/** More are unreadable, and slow to lay out. */
const mostNodes = 150;

const fed: readonly string[] = ['param', 'constant'];

function shapeText({ dtype, shape }: zooc.TensorShape): string {
  return `${dtype === 'f32' ? '' : dtype}[${shape.join(', ')}]`;
}

/** The name of what is fed, without what all names in the block begin with. */
function nameOf({ op, attributes }: zooc.GraphNode, path: string): string {
  const { name } = attributes;
  if (typeof name !== 'string') return op;
  return path !== '' && name.startsWith(`${path}.`) ? name.slice(path.length + 1) : name;
}

export function drawnGraph(
  graph: zooc.GraphView,
  blocks: readonly zooc.CostedBlock[],
  { block, inner }: GraphWish,
): DrawnGraph {
  const shown = blocks[block]!;
  const part = graph.within({ block });
  // Blocks are numbered parents first, so a child's number begins the range of all below it.
  const childOf = (id: number) => shown.children.findLast((child) => child.id <= id);
  const boxOf = (node: zooc.GraphNode) =>
    inner === 'boxes' && node.block !== block ? childOf(node.block) : undefined;
  const nodes = new Map<string, DrawnNode>();
  const idOf = new Map<number, string>();
  for (const node of part.nodes) {
    const box = boxOf(node);
    const id = box === undefined ? `n${node.id}` : `b${box.id}`;
    idOf.set(node.id, id);
    if (nodes.has(id)) continue;
    nodes.set(id, box === undefined ? operation(node, shown.path) : boxed(box));
  }
  const edges = new Map<string, { from: string; to: string }>();
  const connect = (from: string, to: string) => {
    if (from !== to) edges.set(`${from} ${to}`, { from, to });
  };
  for (const { from, to } of part.edges) connect(idOf.get(from)!, idOf.get(to)!);
  for (const outer of part.inputs) {
    const id = `i${outer.id}`;
    const { name } = outer.attributes;
    const label =
      typeof name === 'string' ? name : `${outer.path === '' ? '' : `${outer.path}: `}${outer.op}`;
    nodes.set(id, { id, kind: 'from', label, detail: shapeText(outer), node: outer.id });
    for (const { id: to, inputs } of part.nodes) if (inputs.includes(outer.id)) connect(id, idOf.get(to)!);
  }
  for (const given of part.outputs) {
    const id = `o${given.id}`;
    const names = graph.outputs.filter(({ node }) => node === given.id).map(({ name }) => name);
    const label = names.length > 0 ? names.join(', ') : 'to outside';
    nodes.set(id, { id, kind: 'to', label, detail: shapeText(given), node: given.id });
    connect(idOf.get(given.id)!, id);
  }
  if (nodes.size > mostNodes) return { size: nodes.size, nodes: [], edges: [] };
  return { size: nodes.size, nodes: [...nodes.values()], edges: [...edges.values()] };
}

function operation(node: zooc.GraphNode, path: string): DrawnNode {
  const weight = fed.includes(node.op);
  const named = weight || node.op === 'input';
  return {
    id: `n${node.id}`,
    kind: weight ? 'weight' : node.op === 'input' ? 'from' : 'operation',
    label: named ? nameOf(node, path) : node.op,
    detail: shapeText(node),
    node: node.id,
  };
}

function boxed({ id, name, kind, block, activations }: zooc.CostedBlock): DrawnNode {
  const gives = activations[0] === undefined ? '' : ` ${shapeText(activations[0])}`;
  return { id: `b${id}`, kind: 'block', label: name, detail: `${block?.name ?? kind}${gives}`, block: id };
}
