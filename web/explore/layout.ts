/** Places for the nodes and edges of a graph in layers, from top to bottom, by dagre, which is fetched when it is first needed. */
import type { DrawnGraph, DrawnNode } from '../worker/explore/graph.ts';

export interface Placed {
  readonly node: DrawnNode;
  readonly label: string;
  readonly detail: string;
  /** Of its middle. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly Placed[];
  /** Paths of SVG, with the ids of their ends. */
  readonly edges: readonly { readonly from: string; readonly to: string; readonly path: string }[];
}

/** Widths of a character in the two sizes of the monospaced font. */
const [large, small] = [7.3, 6.4];
const longest = 34;

const cut = (text: string) => (text.length > longest ? `…${text.slice(1 - longest)}` : text);

interface Point {
  readonly x: number;
  readonly y: number;
}

/** A smooth line through the middles of the points' connections. */
function smooth([first, ...points]: readonly Point[]): string {
  const last = points.at(-1)!;
  const bends = points.slice(0, -1).map((point, i) => {
    const next = points[i + 1]!;
    const end = i === points.length - 2 ? last : { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 };
    return `Q${point.x.toFixed(1)} ${point.y.toFixed(1)} ${end.x.toFixed(1)} ${end.y.toFixed(1)}`;
  });
  const straight = bends.length === 0 ? `L${last.x.toFixed(1)} ${last.y.toFixed(1)}` : '';
  return `M${first!.x.toFixed(1)} ${first!.y.toFixed(1)}${bends.join('')}${straight}`;
}

export async function layOut({ nodes, edges }: DrawnGraph): Promise<Layout> {
  const { Graph, layout } = await import('@dagrejs/dagre');
  const graph = new Graph();
  graph.setGraph({ rankdir: 'TB', nodesep: 18, ranksep: 30, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  const texts = new Map(nodes.map((node) => [node.id, { label: cut(node.label), detail: cut(node.detail) }]));
  for (const { id, kind } of nodes) {
    const { label, detail } = texts.get(id)!;
    const width = Math.max(label.length * large, detail.length * small, 40) + 22;
    graph.setNode(id, { width, height: kind === 'weight' ? 34 : 42 });
  }
  for (const { from, to } of edges) graph.setEdge(from, to);
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  return {
    width,
    height,
    nodes: nodes.map((node) => {
      const place = graph.node(node.id);
      return {
        node,
        ...texts.get(node.id)!,
        x: place.x!,
        y: place.y!,
        width: place.width,
        height: place.height,
      };
    }),
    edges: edges.map(({ from, to }) => ({ from, to, path: smooth(graph.edge(from, to).points!) })),
  };
}
