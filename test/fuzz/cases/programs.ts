/**
 * Random programs in the language: a picture tower of random statements beside a small text tower, an objective, and how they are
 * compiled (frozen weights, recomputation, chunks, mixed precision, training).
 *
 * A statement makes a value of the shape of its first operand, so that one can be left out and everything behind it still means
 * something: that is how failing programs are made small (`without`). A number names a program.
 */

import type { Graph } from '../../../compiler/graph/types.ts';
import { resolveModel, traceEntry } from '../../../compiler/model/index.ts';
import type { Model, Result } from '../../../compiler/model/types.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { Draw } from './draw.ts';
import { type FuzzCase, weightsOf } from './fuzz-case.ts';

const path = 'random.zoo';

/** Children of a block by name, with the text of their declaration. */
type Children = Map<string, string>;

/** Sizes of the tower: tokens [B, tokens, width], or features [B, width]. */
interface Sizes {
  readonly tokens: number;
  readonly width: number;
}

type Operand = { readonly x: string; readonly y: string };
type Statement = (o: Operand, child: (declaration: string) => string, s: Sizes, d: Draw) => string;

const linear = ({ width }: Sizes) => `Linear(${width}, ${width})`;

/** What works on tokens and on features alike. */
const anyShape: readonly (readonly [weight: number, make: Statement])[] = [
  [3, ({ x }, child, s) => `${child(linear(s))}(${x})`],
  [3, ({ x, y }, child, s) => `${y} + ${child(`LayerNorm(${s.width})`)}(${x})`],
  [2, ({ x }, child, s) => `${child(`LayerNorm(${s.width})`)}(${x})`],
  [3, ({ x, y }) => `${x} + ${y}`],
  [1, ({ x, y }) => `${x} * sigmoid(${y})`],
  [1, ({ x, y }) => `${x} / (1 + ${y} * ${y})`],
  [
    2,
    ({ x }, _child, _s, d) =>
      `${d.pick(['gelu', 'quick_gelu', 'silu', 'gelu_tanh', 'tanh', 'relu', 'erf'])}(${x})`,
  ],
  [1, ({ x }) => `softmax(${x}, axis = -1)`],
  [1, ({ x }) => `${x} * rsqrt(sum(${x} * ${x}, axis = -1, keep = true) + 0.01)`],
  [1, ({ x }, child, s) => `${child(`Mlp(${s.width}, ${2 * s.width})`)}(${x})`],
];

const onTokens: readonly (readonly [weight: number, make: Statement])[] = [
  [
    2,
    ({ x, y }, child, s) =>
      `${y} + expand(${child(`Linear(${s.width}, 1)`)}(${x}), shape = [B, ${s.tokens}, ${s.width}])`,
  ],
  [1, ({ x, y }, child, s) => `${y} * sigmoid(${child(`Linear(${s.width}, 1)`)}(${x}))`],
  [
    2,
    ({ x, y }, child, s, d) => `${y} + ${child(`MultiheadAttention(${s.width}, ${d.pick([1, 2])})`)}(${x})`,
  ],
  [
    1,
    ({ x }, child, s, d) =>
      `${child(`ResidualAttentionBlock(${s.width}, ${d.pick([1, 2])}, hidden = ${s.width})`)}(${x})`,
  ],
  [1, ({ x, y }) => `${x} - mean(${y}, axis = 1, keep = true)`],
  [
    1,
    ({ x }, child, s) =>
      `rearrange(${child(`Linear(${s.tokens}, ${s.tokens})`)}(rearrange(${x}, [b, t, w] -> [b, w, t])), [b, w, t] -> [b, t, w])`,
  ],
  [1, ({ x }, child, s) => `${child(`Scale(${s.width})`)}(${x})`],
  [1, ({ x, y }, child, s) => `${y} + ${child(`Places(${s.tokens}, ${s.width})`)}(${x})`],
  [
    1,
    ({ x, y }) =>
      `einsum(softmax(einsum(${x}[b, i, d], ${y}[b, j, d] -> [b, i, j]), axis = -1)[b, i, j], ${y}[b, j, d] -> [b, i, d])`,
  ],
];

const onFeatures: readonly (readonly [weight: number, make: Statement])[] = [
  [
    3,
    ({ x, y }, child, s) => `${y} + expand(${child(`Linear(${s.width}, 1)`)}(${x}), shape = [B, ${s.width}])`,
  ],
  [1, ({ x, y }, child, s) => `${y} * sigmoid(${child(`Linear(${s.width}, 1)`)}(${x}))`],
  [1, ({ x }) => `${x} - mean(${x}, axis = 1, keep = true)`],
];

/** Blocks that programs use beside the library's. */
const helpers = `block Mlp(width: int, hidden: int) {
  up: Linear(width, hidden)
  down: Linear(hidden, width)
  forward(x: [..., width]) -> [..., width] = x + down(gelu(up(x)))
}
block Scale(width: int) {
  param gamma: [width] = const(0.5)
  forward(x: [..., width]) -> [..., width] = x * gamma
}
block Places(tokens: int, width: int) {
  param embedding: [tokens, width] = normal(0.1)
  param offset: [tokens, 1] = normal(0.1)
  forward(x: [B, tokens, width]) -> [B, tokens, width] = x + embedding + offset
}
`;

export interface Program {
  readonly number: number;
  /** Numbers of statements that are left out. */
  readonly without: ReadonlySet<number>;
}

interface Written {
  readonly text: string;
  readonly statements: number;
}

/** Statements of a tower's body; `values` are of one shape each time. */
function stretch(
  draw: Draw,
  {
    first,
    count,
    without,
  }: { readonly first: number; readonly count: number; readonly without: ReadonlySet<number> },
  sizes: Sizes,
  table: typeof anyShape,
  start: string,
  children: Children,
): { readonly lines: string[]; readonly last: string } {
  const lines: string[] = [];
  const values = [start];
  for (let i = 0; i < count; i++) {
    // Every statement has draws of its own, so that leaving others out changes nothing in it.
    const own = new Draw(Math.floor(draw.unit() * 2 ** 31));
    const operand = () => (own.chance(0.6) ? values.at(-1)! : own.pick(values));
    const [x, y] = [operand(), operand()];
    const make = own.weighted(table);
    const name = `v${first + i}`;
    if (without.has(first + i)) {
      values.push(x);
      continue;
    }
    const child = (declaration: string) => childNamed(children, declaration, `c${first + i}`, own);
    lines.push(`    let ${name} = ${make({ x, y }, child, sizes, own)}`);
    values.push(name);
  }
  return { lines, last: values.at(-1)! };
}

/** A new child, or, now and then, one that is there already: its weights then have two users. */
function childNamed(children: Children, declaration: string, name: string, draw: Draw): string {
  const same = [...children].find(([, text]) => text === declaration);
  if (same && draw.chance(0.3)) return same[0];
  const free = children.has(name) ? `${name}b` : name;
  children.set(free, declaration);
  return free;
}

function write({ number, without }: Program): Written {
  const draw = new Draw(number * 2 + 7);
  const width = draw.pick([4, 8, 8, 16, 20]);
  const tokens = 4;
  const children: Children = new Map([['enter', `Linear(48, ${width})`]]);
  const sizes = { tokens, width };
  const [onTokenCount, onFeatureCount] = [1 + draw.below(5), draw.below(4)];
  const tokenTable = [...anyShape, ...onTokens];
  const a = stretch(draw, { first: 0, count: onTokenCount, without }, sizes, tokenTable, 'entered', children);
  const pooled = draw.pick([
    'mean(LAST, axis = 1)',
    'LAST[:, 0]',
    'sum(LAST, axis = 1) * 0.25',
    'max(LAST, axis = 1)',
  ]);
  const b = stretch(
    draw,
    { first: onTokenCount, count: onFeatureCount, without },
    sizes,
    [...anyShape, ...onFeatures],
    'pooled',
    children,
  );
  const declared = [...children].map(([name, text]) => `  ${name}: ${text}`).join('\n');
  const heads = width % 2 === 0 && draw.chance(0.5) ? 2 : 1;
  const text = `import nn { Linear, LayerNorm, MultiheadAttention, gelu, gelu_tanh, quick_gelu, silu }
import clip { CLIP, TextTransformer, ResidualAttentionBlock }
${helpers}block Vision() {
${declared}
  forward(image: [B, 3, 8, 8]) -> [B, ${width}] {
    let entered = enter(rearrange(image, [b, c, (h p), (w q)] -> [b, (h w), (c p q)], p = 4, q = 4))
${[...a.lines, `    let pooled = ${pooled.replaceAll('LAST', a.last)}`, ...b.lines].join('\n')}
    return ${b.last}
  }
}
model "random" = CLIP(
  vision = Vision(),
  text = TextTransformer(context = 5, vocab = 11, width = 8, layers = 1, heads = ${heads}, embed = ${width})
)
`;
  return { text, statements: onTokenCount + onFeatureCount };
}

function checked<T>(result: Result<T>, text: string): T {
  if (result.ok) return result.value;
  throw new Error(`${result.diagnostics.map((d) => `${d.code}: ${d.message}`).join('; ')}\n${text}`);
}

const host = nodeHost();

function modelOf(text: string): Model {
  const own = { ...host, read: (name: string) => (name === path ? text : host.read(name)) };
  return checked(resolveModel(own, path), text);
}

/** The program as text. */
export function programText(program: Program): string {
  return write(program).text;
}

export function statementsOf(program: Program): number {
  return write(program).statements;
}

function trace(model: Model, text: string, batch: number, training: boolean): Graph {
  return checked(traceEntry(model, 'loss', { batch, training, objective: { name: 'contrastive' } }), text);
}

/** The case of a program: its loss for a batch, compiled in one of many ways. */
export function caseOfProgram(program: Program): FuzzCase {
  const { text } = write(program);
  const draw = new Draw(program.number * 2 + 8);
  const model = modelOf(text);
  const batch = draw.pick([2, 3, 4]);
  const training = draw.chance(0.4);
  const graph = trace(model, text, batch, training);
  const read = new Set(weightsOf(graph));
  const share = draw.pick([1, 0.7, 0.4]);
  const params = model.weights.filter((w) => w.kind === 'param').map((w) => w.name);
  const wrt = draw.some(params, share).filter((name) => read.has(name));
  const chunked = training && batch % 2 === 0 && wrt.length > 0 && draw.chance(0.5);
  return {
    name: `program ${program.number}`,
    graph,
    wrt,
    precision: draw.chance(0.2) ? 'mixed' : 'f32',
    remat: draw.chance(0.3) ? [draw.pick(['visual', 'visual.*', 'transformer.resblocks.*', '**'])] : [],
    training: training && wrt.length > 0,
    deviation: draw.chance(0.15) ? { schedules: program.number } : {},
    ...(chunked ? { chunk: { graph: trace(model, text, batch / 2, training), batch, size: batch / 2 } } : {}),
  };
}

/** Program number `n`, whole. */
export function randomProgram(n: number): FuzzCase {
  return caseOfProgram({ number: n, without: new Set() });
}
