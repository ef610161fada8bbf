/**
 * Attention on GPUs: an invocation owns one row and keeps it and its result in registers; the workgroup stages the walked
 * rows through workgroup memory, a tile at a time.
 *
 * Forward and lse keep a running maximum and sum (online softmax), so nothing of size T×S exists anywhere. The gradients
 * recompute p = exp(s - lse). Each row is walked in order by one invocation: reruns give the same bits.
 */
import type { Origin } from '../graph/types.ts';
import { bytesOf, LOWEST } from './access.ts';
import { type AttentionWork, ownsQueries, pairsOf } from './attention.ts';
import { gridOf, type Kernel, type LowerContext } from './kernel.ts';
import { literal } from './wgsl.ts';

/** Invocations of a workgroup, each with one owned row. */
const threads = 64;
/** Walked rows staged at a time, where workgroup memory allows as many. */
const mostStaged = 32;

export function gpuAttention(work: AttentionWork, ctx: LowerContext, origin: Origin): Kernel {
  const tiles = Math.ceil(work.rows / threads);
  return {
    name: `${work.name}_${threads}`,
    args: work.operands.bindings.args,
    body: new Printer(work, tiles, ctx.profile.limits.maxComputeWorkgroupStorageSize).print(),
    workgroups: gridOf(tiles * work.heads, ctx.profile),
    origin,
    flops: pairsOf(work) * (2 * work.width * (work.products + (work.added === undefined ? 0 : 1)) + 12),
    bytes: bytesOf(...work.operands.views.values()),
  };
}

class Printer {
  private readonly work: AttentionWork;
  private readonly tiles: number;
  private readonly chunks: number;
  /** Roles of walked rows, each staged once. */
  private readonly staged: readonly string[];
  private readonly depth: number;

  constructor(work: AttentionWork, tiles: number, memory: number) {
    this.work = work;
    this.tiles = tiles;
    this.chunks = Math.ceil(work.width / 4);
    const walked = work.products === 2 ? ['other0', 'other1'] : ['other0'];
    this.staged = [...new Set([...walked, ...(work.added === undefined ? [] : [work.added])])];
    const rowBytes = 16 * this.chunks * this.staged.length;
    this.depth = Math.max(1, Math.min(mostStaged, work.others, Math.floor(memory / rowBytes)));
  }

  print(): string {
    const { work, chunks, depth } = this;
    const arrays = this.staged.map(
      (role) => `var<workgroup> ${role}_tile: array<vec4<f32>, ${depth * chunks}>;`,
    );
    const lines = [...this.prologue(), ...this.walk(), ...this.epilogue()];
    return `${arrays.join('\n')}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let number = group.x + group.y * groups.x;
  if (number >= ${this.tiles * work.heads}u) { return; }
  ${lines.join('\n  ')}
}
`;
  }

  private chunksOf(make: (c: number) => string): string[] {
    return Array.from({ length: this.chunks }, (_, c) => make(c));
  }

  private get online(): boolean {
    return this.work.kind === 'forward' || this.work.kind === 'lse';
  }

  private prologue(): string[] {
    const { work } = this;
    const { operands } = work;
    const lines = [
      `let head = number / ${this.tiles}u;`,
      `let start = (number % ${this.tiles}u) * ${threads}u;`,
      'let row = start + lane;',
      `let safe = min(row, ${work.rows - 1}u);`,
      ...[...operands.views.keys()].map((role) => `let ${role}_head = ${operands.base(role, 'head')};`),
    ];
    for (let p = 0; p < work.products; p++) {
      const role = `own${p}`;
      lines.push(
        `let ${role}_row = ${role}_head + safe * ${operands.rowStride(role)}u;`,
        ...this.chunksOf((c) => `let ${role}_${c} = ${operands.load(role, `${role}_row`, `${c}u`)};`),
      );
    }
    if (work.added !== undefined) lines.push(...this.chunksOf((c) => `var sum_${c} = vec4<f32>();`));
    if (this.online) lines.push(`var most = ${LOWEST};`, 'var norm = 0.0;');
    if (work.kind === 'grad_q') {
      for (const role of ['lse', 'delta'])
        lines.push(`let ${role} = ${operands.scalar(role, `${role}_head`, 'safe')};`);
    }
    return lines;
  }

  private walk(): string[] {
    const { work, depth } = this;
    return [
      `for (var tile = 0u; tile < ${work.others}u; tile += ${depth}u) {`,
      `let count = min(${depth}u, ${work.others}u - tile);`,
      ...this.stage(),
      'workgroupBarrier();',
      'for (var t = 0u; t < count; t++) {',
      'let j = tile + t;',
      ...this.pair(),
      '}',
      'workgroupBarrier();',
      '}',
    ];
  }

  /** Neighbouring invocations load neighbouring vec4s. */
  private stage(): string[] {
    const { work, chunks } = this;
    const loads = this.staged.flatMap((role) => {
      const row = `(${role}_head + (tile + i / ${chunks}u) * ${work.operands.rowStride(role)}u)`;
      return [`${role}_tile[i] = ${this.loadChunk(role, row)};`];
    });
    return [
      `for (var i = lane; i < count * ${chunks}u; i += ${threads}u) {`,
      `let c = i % ${chunks}u;`,
      ...loads,
      '}',
    ];
  }

  private loadChunk(role: string, row: string): string {
    return this.work.operands.load(role, row, 'c');
  }

  private pair(): string[] {
    const { work, chunks } = this;
    const lines: string[] = [];
    ['s', 'g'].slice(0, work.products).forEach((name, p) => {
      lines.push(
        `var ${name} = 0.0;`,
        ...this.chunksOf((c) => `${name} += dot(own${p}_${c}, other${p}_tile[t * ${chunks}u + ${c}u]);`),
      );
    });
    lines.push(
      `s *= ${literal(work.scale)};`,
      ...(this.online ? this.onlineWeight() : this.gradientWeight()),
    );
    if (work.added !== undefined) {
      lines.push(
        ...this.chunksOf(
          (c) => `sum_${c} = fma(vec4<f32>(w), ${work.added}_tile[t * ${chunks}u + ${c}u], sum_${c});`,
        ),
      );
    }
    return lines;
  }

  /** Whether a causal mask hides the pair: the key lies in the query's future. */
  private hidden(): string | undefined {
    const { work } = this;
    if (!work.causal) return undefined;
    const later = Math.abs(work.others - work.rows);
    return ownsQueries(work.kind) ? `j > row + ${later}u` : `row > j + ${later}u`;
  }

  private onlineWeight(): string[] {
    const hidden = this.hidden();
    const rescale = this.work.added === undefined ? [] : this.chunksOf((c) => `sum_${c} *= shrink;`);
    return [
      ...(hidden === undefined ? [] : [`s = select(s, ${LOWEST}, ${hidden});`]),
      'let larger = max(most, s);',
      'let shrink = exp(most - larger);',
      'let w = exp(s - larger);',
      'most = larger;',
      'norm = norm * shrink + w;',
      ...rescale,
    ];
  }

  private gradientWeight(): string[] {
    const { work } = this;
    const byOther = !ownsQueries(work.kind);
    const scalar = (role: string) => (byOther ? work.operands.scalar(role, `${role}_head`, 'j') : role);
    const p = `exp(s - ${scalar('lse')})`;
    const weight = work.products === 2 ? `${p} * (g - ${scalar('delta')}) * ${literal(work.scale)}` : p;
    const hidden = this.hidden();
    return [`let w = ${hidden === undefined ? weight : `select(${weight}, 0.0, ${hidden})`};`];
  }

  private epilogue(): string[] {
    const { work } = this;
    const { operands } = work;
    const lines = [`if (row >= ${work.rows}u) { return; }`];
    if (work.kind === 'lse')
      return [...lines, `${operands.scalar('out', 'out_head', 'row')} = most + log(norm);`];
    const value = (c: number) => (work.kind === 'forward' ? `(sum_${c} / norm)` : `sum_${c}`);
    return [
      ...lines,
      `let out_row = out_head + row * ${operands.rowStride('out')}u;`,
      ...this.chunksOf((c) => operands.store('out_row', `${c}u`, value(c))),
    ];
  }
}
