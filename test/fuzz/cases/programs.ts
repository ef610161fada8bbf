/**
 * Random programs in the language: a picture tower of random statements beside a small text tower, an objective, and how they are
 * compiled (frozen weights, recomputation, chunks, mixed precision, training).
 *
 * A statement makes a value of the shape of its first operand, so that one can be left out and everything behind it still means
 * something: that is how failing programs are made small (`without`). A number names a program.
 */

import { type Graph, movedPrefix } from '../../../compiler/graph/types.ts';
import { builtinNamed } from '../../../compiler/model/builtins/builtins.ts';
import { checkFile, resolveModel, traceEntry } from '../../../compiler/model/index.ts';
import type { Model, Result } from '../../../compiler/model/types.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { Draw } from '../../support/draw.ts';
import { type FuzzCase, weightsOf } from './fuzz-case.ts';
import { indices, objectiveNames, withBlocks } from './program-blocks.ts';
import type { Sizes, Statements } from './statements.ts';
import { integersOnAny } from './statements-integers.ts';
import { layersOnAny, layersOnTokens } from './statements-layers.ts';
import { picturesOnTokens } from './statements-pictures.ts';
import { wordsOnAny, wordsOnTokens } from './statements-words.ts';

const path = 'random.zoo';

const onAny: Statements = [...layersOnAny, ...wordsOnAny, ...integersOnAny];
const onTokens: Statements = [...onAny, ...layersOnTokens, ...wordsOnTokens, ...picturesOnTokens];

/** Children of a block by name, with the text of their declaration behind the name. */
type Children = Map<string, string>;

export interface Program {
  readonly number: number;
  /** Numbers of statements that are left out. */
  readonly without: ReadonlySet<number>;
}

interface Written {
  readonly text: string;
  readonly statements: number;
  readonly width: number;
  readonly objective: string;
}

/** What is written while a program is drawn. */
interface Draft {
  readonly draw: Draw;
  readonly without: ReadonlySet<number>;
  readonly children: Children;
  /** Blocks that take another's place, by the path of that. */
  readonly replaced: Map<string, string>;
}

/** Statements of a tower's body; `values` are of one shape each time. */
function stretch(
  { draw, without, children, replaced }: Draft,
  { first, count, start }: { readonly first: number; readonly count: number; readonly start: string },
  s: Sizes,
  table: Statements,
): { readonly lines: string[]; readonly last: string } {
  const lines: string[] = [];
  const values = [start];
  for (let i = 0; i < count; i++) {
    // Every statement has draws of its own, so that leaving others out changes nothing in it.
    const d = new Draw(Math.floor(draw.unit() * 2 ** 31));
    const [x, y] = operands(values, d);
    const make = d.weighted(table);
    const name = `v${first + i}`;
    if (without.has(first + i)) {
      values.push(x);
      continue;
    }
    const child = (declaration: string, links?: number) => {
      const text = links === undefined ? `: ${declaration}` : `[i in 0..${links}]: ${declaration}`;
      const known = children.size;
      const made = childNamed(children, text, `c${first + i}`, d);
      const instead = replacementOf(declaration);
      if (children.size > known && links === undefined && instead !== undefined && d.chance(0.1))
        replaced.set(`visual.${made}`, instead);
      return made;
    };
    const operand = d.chance(0.15) ? d.pick(forms)(x, y) : x;
    lines.push(`    let ${name} = ${make({ x: operand, y, child, s, d })}`);
    values.push(name);
  }
  return { lines, last: values.at(-1)! };
}

/** Expressions of the shape of both. */
const forms: readonly ((x: string, y: string) => string)[] = [
  (x) => `(${x} |> tanh |> identity)`,
  (x, y) => `[${y}, ${x}][1]`,
  (x, y) => `{ a = ${x}, b = ${y} }.a`,
  (x, y) => `(if training then ${x} else ${y})`,
  (x, y) => `sum([${x}, -0.5 * ${y}])`,
  (x) => `(off ?: identity)(${x})`,
];

/** The youngest value is the likeliest, and two that differ. */
function operands(values: readonly string[], d: Draw): readonly [x: string, y: string] {
  const last = values.length - 1;
  const x = d.chance(0.6) ? last : d.below(values.length);
  const another = d.below(Math.max(1, last));
  const y = d.chance(0.3) || last === 0 ? x : another + (another >= x ? 1 : 0);
  return [values[x]!, values[y]!];
}

/** A block that takes what a child of such a declaration takes. */
function replacementOf(declaration: string): string | undefined {
  if (declaration.startsWith('Linear(')) return 'LoRALinear(rank = 2, alpha = 3, drop = 0.2)';
  return declaration.startsWith('LayerNorm(') ? 'RMSNorm(eps = 0.01)' : undefined;
}

/** A new child, or, now and then, one that is there already: its weights then have two users. */
function childNamed(children: Children, declaration: string, name: string, draw: Draw): string {
  const same = [...children].find(([, text]) => text === declaration);
  if (same && draw.chance(0.3)) return same[0];
  const free = children.has(name) ? `${name}b` : name;
  children.set(free, declaration);
  return free;
}

/** How the tokens of a picture become features. */
const pools = [
  'mean(LAST, axis = 1)',
  'LAST[:, 0]',
  'sum(LAST, axis = 1) * 0.25',
  'max(LAST, axis = 1)',
  'min(LAST, axis = 1)',
  'mean(drop_tokens(LAST, 0.5), axis = 1)',
  'take(LAST, argmax(LAST[:, :, 0], axis = 1), axis = 1)',
  'mean(top_k(rearrange(LAST, [b, t, w] -> [b, w, t]), 2).values, axis = -1)',
];

/** A small text tower that gives [B, width]. */
function textTower(d: Draw, width: number): string {
  const common = 'context = 5, vocab = 11, width = 8, layers = 1';
  const heads = `heads = ${width % 2 === 0 && d.chance(0.5) ? 2 : 1}, embed = ${width}`;
  const drop = d.pick([0, 0.2]);
  return d.weighted([
    [5, `TextTransformer(${common}, ${heads})`],
    [2, `Words(5, 11, ${width})`],
    [0.7, `BertTextTransformer(${common}, ${heads}, hidden = 12, positions = 6, drop = ${drop})`],
    [
      0.7,
      `T5TextTransformer(${common}, ${heads}, size = 4, hidden = 12, gated = ${d.pick([true, false])}, buckets = 8, farthest = 16, drop = ${drop})`,
    ],
    [
      0.7,
      `LlamaTextTransformer(${common}, heads = 2, groups = ${d.pick([1, 2])}, hidden = 12, embed = ${width})`,
    ],
    [0.5, `SigLIPTextTransformer(${common}, ${heads}, hidden = 12)`],
    [0.5, `BagOfWords(context = 5, vocab = 11, width = 8, embed = ${width})`],
  ]);
}

/** How pictures become tokens of a square grid: by a child `enter`. */
function entrance(draw: Draw, width: number) {
  const [resolution, patch] = draw.pick([
    [8, 4],
    [8, 4],
    [12, 4],
    [8, 2],
  ] as const);
  const common = { resolution, grid: resolution / patch } as const;
  if (draw.chance(0.3))
    return {
      ...common,
      declaration: `Conv2d(3, ${width}, kernel = ${patch}, stride = ${patch})`,
      expression: 'rearrange(enter(image), [b, c, h, w] -> [b, (h w), c])',
    };
  return {
    ...common,
    declaration: `Linear(${3 * patch * patch}, ${width})`,
    expression: `enter(rearrange(image, [b, c, (h p), (w q)] -> [b, (h w), (c p q)], p = ${patch}, q = ${patch}))`,
  };
}

/** The block `Vision`, which gives [B, width]. */
function visionTower(draft: Draft, width: number): { readonly text: string; readonly statements: number } {
  const { draw, children, replaced } = draft;
  const { resolution, grid, declaration, expression } = entrance(draw, width);
  children.set('enter', `: ${declaration}`);
  const instead = replacementOf(declaration);
  if (instead !== undefined && draw.chance(0.1)) replaced.set('visual.enter', instead);
  const tokens = { rank: 3, grid, tokens: grid * grid, width } as const;
  const features = { ...tokens, rank: 2 } as const;
  const [first, second] = [1 + draw.below(6), draw.below(5)];
  const a = stretch(draft, { first: 0, count: first, start: 'entered' }, tokens, onTokens);
  const pooled = draw.pick(pools).replaceAll('LAST', a.last);
  const b = stretch(draft, { first, count: second, start: 'pooled' }, features, onAny);
  const lines = [`    let entered = ${expression}`, ...a.lines, `    let pooled = ${pooled}`, ...b.lines];
  const declared = [...children].map(([name, made]) => `  ${name}${made}`);
  if (lines.some((line) => line.includes('(off ?: ')))
    declared.push(`  off: Linear(1, 1) when ${width} > 100`);
  const text = `block Vision() {
${declared.join('\n')}
  forward(image: [B, 3, ${resolution}, ${resolution}]) -> [B, ${width}] {
${lines.join('\n')}
    return ${b.last}
  }
}
`;
  return { text, statements: first + second };
}

function write({ number, without }: Program): Written {
  const draw = new Draw(number * 2 + 7);
  const width = draw.pick([4, 4, 8, 8, 8, 8, 16, 16, 20, 20, 64]);
  const draft: Draft = { draw, without, children: new Map(), replaced: new Map() };
  const vision = visionTower(draft, width);
  const [model, own] = draw.chance(0.2) ? ['SigLIP', 'sigmoid_loss'] : ['CLIP', 'contrastive'];
  const objective = draw.weighted([[3, own], ...objectiveNames.map((name) => [0.25, name] as const)]);
  const changes = [...draft.replaced].map(([at, block]) => `"${at}" as ${block}`);
  const variant = changes.length > 0 ? ` with ${changes.join(', ')}` : '';
  const text = `${vision.text}model "random" = ${model}(vision = Vision(), text = ${textTower(draw, width)})${variant}
`;
  return {
    text: withBlocks(text, objective, draw.pick(indices)),
    statements: vision.statements,
    width,
    objective,
  };
}

function checked<T>(result: Result<T>, text: string): T {
  if (result.ok) return result.value;
  throw new Error(`${result.diagnostics.map((d) => `${d.code}: ${d.message}`).join('; ')}\n${text}`);
}

const host = nodeHost();

function modelOf(text: string): Model {
  const own = { ...host, read: (name: string) => (name === path ? text : host.read(name)) };
  checked(checkFile(own, path), text);
  return checked(resolveModel(own, path), text);
}

/** The program as text. */
export function programText(program: Program): string {
  return write(program).text;
}

export function statementsOf(program: Program): number {
  return write(program).statements;
}

/** Pairs of a batch, and of a chunk where it is cut. */
type Pairs = readonly [batch: number, chunk: number];
const few: readonly Pairs[] = [
  [2, 1],
  [3, 1],
  [4, 1],
  [4, 2],
];
/** More than features: their matrix is the largest value of a loss, which is then computed in strips. */
const many: readonly Pairs[] = [
  [8, 4],
  [9, 3],
];

/** The case of a program: its loss for a batch, compiled in one of many ways. */
export function caseOfProgram(program: Program): FuzzCase {
  const { text, objective, width } = write(program);
  const draw = new Draw(program.number * 2 + 8);
  const model = modelOf(text);
  const [batch, size] = draw.pick(width === 4 && draw.chance(0.7) ? many : few);
  const training = draw.chance(0.4);
  const trace = (pairs: number): Graph =>
    checked(traceEntry(model, 'loss', { batch: pairs, training, objective: { name: objective } }), text);
  const graph = trace(batch);
  // What is trained is read by the loss.
  const read = new Set(weightsOf(graph, training ? 'loss' : undefined));
  const share = draw.pick([1, 0.7, 0.4]);
  const params = model.weights.filter((w) => w.kind === 'param').map((w) => w.name);
  const wrt = draw.some(params, share).filter((name) => read.has(name));
  // Batch norms see the rows of a chunk, not of the batch.
  const cuttable = wrt.length > 0 && !graph.outputs.some((o) => o.name.startsWith(movedPrefix));
  const chunked = draw.chance(0.5) && training && cuttable;
  const strips = draw.chance(0.2) ? {} : { strips: 2 * batch };
  return {
    name: `program ${program.number}`,
    graph,
    words: [...new Set(text.match(/\w+(?=\()/g))].filter((name) => builtinNamed(name) !== undefined),
    wrt,
    precision: draw.chance(0.2) ? 'mixed' : 'f32',
    remat: draw.chance(0.3) ? [draw.pick(['visual', 'visual.*', 'transformer.resblocks.*', '**'])] : [],
    training: training && wrt.length > 0,
    deviation: {
      ...(draw.chance(0.15) ? { schedules: program.number } : {}),
      ...(draw.chance(0.06) ? { binding: 4096 } : {}),
    },
    ...(chunked ? { chunk: { graph: trace(size), batch, size, ...strips } } : {}),
  };
}

/** Program number `n`, whole. */
export function randomProgram(n: number): FuzzCase {
  return caseOfProgram({ number: n, without: new Set() });
}
