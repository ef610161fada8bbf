/**
 * Attention on GPUs: a workgroup owns 32 rows of one head and walks the other side in tiles of 32 rows.
 *
 * Its 8×8 invocations (on Apple 16×16) take 4×4 (2×2) products each from tiles staged in workgroup memory, 32 (64) columns at a time,
 * turn them into weights (online softmax in the forward pass), share those through workgroup memory, and add
 * up weights times walked rows in registers. Rows and columns of an invocation lie 8 apart and tile rows are
 * padded by one vec4, so neighbours read different banks. Workgroup memory is 13.5 KiB (24 KiB) for every width, below
 * the default limit of 16 KiB (Apple's of 32).
 */
import type { Origin } from '../../graph/types.ts';
import type { DeviceProfile } from '../../profile.ts';
import { bytesOf, LOWEST } from '../text/access.ts';
import { gridOf, type Kernel, type LowerContext } from '../text/kernel.ts';
import { literal } from '../text/wgsl.ts';
import { type AttentionWork, ownsQueries, pairsOf } from './work.ts';

/** Rows of a tile, on both sides. */
const TILE = 32;
/**
 * Invocations along each side of the workgroup; each has TILE / side rows and columns. With four times four Apple's M1 keeps 43
 * registers of the forward pass in memory, with two times two none: 256 invocations take 24 KiB.
 */
const sideOf = ({ vendor, limits }: DeviceProfile) =>
  vendor === 'apple' && limits.maxComputeWorkgroupStorageSize >= 24576 ? 16 : 8;

export function gpuAttention(work: AttentionWork, ctx: LowerContext, origin: Origin): Kernel {
  const tiles = Math.ceil(work.rows / TILE);
  const total = tiles * work.heads;
  return {
    name: `${work.name}_${TILE}x${TILE}`,
    args: work.operands.bindings.args,
    body: new Printer(work, tiles, total, sideOf(ctx.profile)).print(),
    workgroups: gridOf(total, ctx.profile),
    origin,
    flops: pairsOf(work) * (2 * work.width * (work.products + (work.added === undefined ? 0 : 1)) + 12),
    bytes: bytesOf(...work.operands.views.values()),
  };
}

class Printer {
  private readonly work: AttentionWork;
  private readonly tiles: number;
  private readonly total: number;
  /** vec4s of a row, and groups of them that are staged together. */
  private readonly chunks: number;
  private readonly stages: number;
  private readonly side: number;
  private readonly own: number;
  /** vec4s from row to row, one of them padding. */
  private readonly pitch: number;

  constructor(work: AttentionWork, tiles: number, total: number, side: number) {
    this.work = work;
    this.tiles = tiles;
    this.total = total;
    this.chunks = Math.ceil(work.width / 4);
    this.side = side;
    this.own = TILE / side;
    this.pitch = side + 1;
    this.stages = Math.ceil(this.chunks / side);
  }

  /** Of each row or column that an invocation has. */
  private each<T>(make: (i: number) => T): T[] {
    return Array.from({ length: this.own }, (_, i) => make(i));
  }

  /** The same, joined in pairs. */
  private joined(make: (i: number) => string, join: (a: string, b: string) => string): string {
    const over = (from: number, to: number): string =>
      to - from === 1 ? make(from) : join(over(from, (from + to) / 2), over((from + to) / 2, to));
    return over(0, this.own);
  }

  print(): string {
    const { work } = this;
    const softmax = work.kind === 'forward' || work.kind === 'lse';
    const lines = [
      ...this.prologue(softmax),
      `for (var j = ${this.firstWalked()}; j < ${this.endWalked()}; j += ${TILE}u) {`,
      ...indent([
        ...this.products(),
        ...this.pairs(),
        ...(softmax ? this.onlineSoftmax() : []),
        ...(work.added === undefined ? [] : this.accumulate(work.added)),
      ]),
      '}',
      ...(softmax ? this.joinNorms() : []),
      ...this.results(),
    ];
    return `${this.declarations(softmax)}@compute @workgroup_size(${this.side * this.side})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let number = group.x + group.y * groups.x;
  if (number >= ${this.total}u) { return; }
  let head = number / ${this.tiles}u;
  let start = (number % ${this.tiles}u) * ${TILE}u;
  let tx = lane % ${this.side}u;
  let ty = lane / ${this.side}u;
${indent(lines).join('\n')}
}
`;
  }

  private declarations(softmax: boolean): string {
    return [
      `var<workgroup> own_tile: array<vec4<f32>, ${TILE * this.pitch}>;`,
      `var<workgroup> walked_tile: array<vec4<f32>, ${TILE * this.pitch}>;`,
      ...(this.work.added === undefined ? [] : [`var<workgroup> weights: array<f32, ${TILE * (TILE + 1)}>;`]),
      ...(softmax ? [`var<workgroup> shares: array<f32, ${TILE * this.side}>;`] : []),
      '',
    ].join('\n');
  }

  private prologue(softmax: boolean): string[] {
    const { work } = this;
    const { operands } = work;
    const lines = [
      ...[...operands.views.keys()].map((role) => `let ${role}_head = ${operands.base(role, 'head')};`),
      ...this.each((r) => `let row${r} = start + ${r * this.side}u + ty;`),
    ];
    if (softmax) lines.push(...this.each((r) => `var most${r} = ${LOWEST}; var norm${r} = 0.0;`));
    if (work.kind === 'grad_q') {
      const safe = (r: number) => `min(row${r}, ${work.rows - 1}u)`;
      lines.push(
        ...this.each((r) => `let lse${r} = ${operands.scalar('lse', 'lse_head', safe(r))};`),
        ...this.each((r) => `let delta${r} = ${operands.scalar('delta', 'delta_head', safe(r))};`),
      );
    }
    if (work.added !== undefined) {
      for (let m = 0; m < this.stages; m++)
        lines.push(...this.each((r) => `var sum${r}_${m} = vec4<f32>();`));
    }
    return lines;
  }

  /** Keys that the last query of the tile sees; all rows where keys are owned. */
  private endWalked(): string {
    const { work } = this;
    if (!work.causal || !ownsQueries(work.kind)) return `${work.others}u`;
    return `min(${work.others}u, start + ${TILE + work.others - work.rows}u)`;
  }

  /** The first query that sees the first key of the tile, at the beginning of a tile. */
  private firstWalked(): string {
    const { work } = this;
    if (!work.causal || ownsQueries(work.kind)) return '0u';
    const ahead = work.rows - work.others;
    return `(max(start, ${ahead}u) - ${ahead}u) / ${TILE}u * ${TILE}u`;
  }

  /**
   * Copies 32 rows from `first` on, vec4s `this.side * stage` on, to workgroup memory; zeros behind the width.
   */
  private stage(target: string, role: string, first: string, rows: number, stage: string): string[] {
    const { operands } = this.work;
    const whole = this.chunks % this.side === 0;
    return [
      `for (var i = lane; i < ${TILE * this.side}u; i += ${this.side * this.side}u) {`,
      `  let chunk = ${stage} + i % ${this.side}u;`,
      `  let at = ${role}_head + min(${first} + i / ${this.side}u, ${rows - 1}u) * ${operands.rowStride(role)}u;`,
      '  var value = vec4<f32>();',
      `  ${whole ? '' : `if (chunk < ${this.chunks}u) `}{ value = ${operands.load(role, 'at', 'chunk')}; }`,
      `  ${target}[i / ${this.side}u * ${this.pitch}u + i % ${this.side}u] = value;`,
      '}',
    ];
  }

  /** s{r}_{k} and, with two products, g{r}_{k}. */
  private products(): string[] {
    const { work } = this;
    const lines: string[] = [];
    ['s', 'g'].slice(0, work.products).forEach((name, p) => {
      lines.push(
        ...this.each((r) => this.each((k) => `var ${name}${r}_${k} = 0.0;`).join(' ')),
        `for (var c = 0u; c < ${this.stages * this.side}u; c += ${this.side}u) {`,
        ...indent([
          ...this.stage('own_tile', `own${p}`, 'start', work.rows, 'c'),
          ...this.stage('walked_tile', `other${p}`, 'j', work.others, 'c'),
          'workgroupBarrier();',
          `for (var d = 0u; d < ${this.side}u; d += 1u) {`,
          ...this.each((k) => `  let x${k} = walked_tile[(${k * this.side}u + tx) * ${this.pitch}u + d];`),
          ...this.each((r) => [
            `  let q${r} = own_tile[(${r * this.side}u + ty) * ${this.pitch}u + d];`,
            ...this.each((k) => `  ${name}${r}_${k} += dot(q${r}, x${k});`),
          ]).flat(),
          '}',
          'workgroupBarrier();',
        ]),
        '}',
      );
    });
    return lines;
  }

  /** Whether the pair of owned row r and walked row k is hidden: behind the end, or in the future. */
  private hidden(r: number, k: number): string | undefined {
    const { work } = this;
    const tests: string[] = [];
    if (work.others % TILE !== 0) tests.push(`at${k} >= ${work.others}u`);
    if (work.causal) {
      const later = Math.abs(work.others - work.rows);
      const [query, key] = ownsQueries(work.kind) ? [`row${r}`, `at${k}`] : [`at${k}`, `row${r}`];
      tests.push(`${key} > ${query} + ${later}u`);
    }
    return tests.length === 0 ? undefined : tests.join(' || ');
  }

  /** Turns products into scaled scores, or into the weights of the gradients. */
  private pairs(): string[] {
    const { work } = this;
    const { operands } = work;
    const scale = literal(work.scale);
    const gradient = work.kind.startsWith('grad');
    const byOther = work.kind === 'grad_k' || work.kind === 'grad_v';
    const lines = this.each((k) => `let at${k} = j + ${k * this.side}u + tx;`);
    if (byOther) {
      const safe = (k: number) => `min(at${k}, ${work.others - 1}u)`;
      for (const role of work.products === 2 ? ['lse', 'delta'] : ['lse']) {
        lines.push(
          ...this.each((k) => `let ${role}_at${k} = ${operands.scalar(role, `${role}_head`, safe(k))};`),
        );
      }
    }
    for (let r = 0; r < this.own; r++) {
      for (let k = 0; k < this.own; k++) {
        let weight = `s${r}_${k} * ${scale}`;
        if (gradient) {
          weight = `exp(${weight} - ${byOther ? `lse_at${k}` : `lse${r}`})`;
          const delta = byOther ? `delta_at${k}` : `delta${r}`;
          if (work.products === 2) weight = `${weight} * (g${r}_${k} - ${delta}) * ${scale}`;
        }
        const hidden = this.hidden(r, k);
        const none = gradient ? '0.0' : LOWEST;
        lines.push(
          `s${r}_${k} = ${hidden === undefined ? weight : `select(${weight}, ${none}, ${hidden})`};`,
        );
      }
    }
    return lines;
  }

  /**
   * Scores become exp(score - running maximum); sums so far fade to the new maximum. `norm` counts own
   * columns only.
   */
  private onlineSoftmax(): string[] {
    const share = (r: number, x: string) => `shares[(${r * this.side}u + ty) * ${this.side}u + ${x}]`;
    const lines = this.each(
      (r) =>
        `${share(r, 'tx')} = ${this.joined(
          (k) => `s${r}_${k}`,
          (a, b) => `max(${a}, ${b})`,
        )};`,
    );
    lines.push('workgroupBarrier();', ...this.each((r) => `var next${r} = most${r};`));
    lines.push(`for (var x = 0u; x < ${this.side}u; x += 1u) {`);
    lines.push(
      ...this.each((r) => `  next${r} = max(next${r}, ${share(r, 'x')});`),
      '}',
      'workgroupBarrier();',
    );
    for (let r = 0; r < this.own; r++) {
      lines.push(`let fade${r} = exp(most${r} - next${r});`, `most${r} = next${r};`);
      lines.push(...this.each((k) => `s${r}_${k} = exp(s${r}_${k} - next${r});`));
      lines.push(
        `norm${r} = norm${r} * fade${r} + ${this.joined(
          (k) => `s${r}_${k}`,
          (a, b) => `(${a} + ${b})`,
        )};`,
      );
      if (this.work.added === undefined) continue;
      for (let m = 0; m < this.stages; m++) lines.push(`sum${r}_${m} *= fade${r};`);
    }
    return lines;
  }

  private accumulate(added: string): string[] {
    const place = (r: number, x: string) => `weights[(${r * this.side}u + ty) * ${TILE + 1}u + ${x}]`;
    const lines = this.each((r) =>
      this.each((k) => `${place(r, `${k * this.side}u + tx`)} = s${r}_${k};`),
    ).flat();
    for (let m = 0; m < this.stages; m++) {
      lines.push(
        ...this.stage('walked_tile', added, 'j', this.work.others, `${m * this.side}u`),
        'workgroupBarrier();',
        `for (var d = 0u; d < ${TILE}u; d += 1u) {`,
        `  let x = walked_tile[d * ${this.pitch}u + tx];`,
        ...this.each((r) => `  sum${r}_${m} += ${place(r, 'd')} * x;`),
        '}',
        'workgroupBarrier();',
      );
    }
    return lines;
  }

  /** Each row's norm from the columns of its eight invocations. */
  private joinNorms(): string[] {
    const share = (r: number, x: string) => `shares[(${r * this.side}u + ty) * ${this.side}u + ${x}]`;
    return [
      ...this.each((r) => `${share(r, 'tx')} = norm${r};`),
      'workgroupBarrier();',
      ...this.each((r) => `norm${r} = 0.0;`),
      `for (var x = 0u; x < ${this.side}u; x += 1u) {`,
      ...this.each((r) => `  norm${r} += ${share(r, 'x')};`),
      '}',
    ];
  }

  private results(): string[] {
    const { work } = this;
    const { operands } = work;
    const role = work.kind === 'lse' ? 'out' : 'log_sum';
    const keep = (r: number) =>
      operands.storeScalar(role, `${role}_head`, `row${r}`, `most${r} + log(norm${r})`);
    const sums = operands.views.has(role)
      ? this.each((r) => `if (tx == 0u && row${r} < ${work.rows}u) { ${keep(r)} }`)
      : [];
    if (work.kind === 'lse') return sums;
    const rows = this.each((r) => {
      const lines = [`if (row${r} < ${work.rows}u) {`];
      lines.push(`  let out_row = out_head + row${r} * ${operands.rowStride('out')}u;`);
      for (let m = 0; m < this.stages; m++) {
        const value = work.kind === 'forward' ? `(sum${r}_${m} / norm${r})` : `sum${r}_${m}`;
        const chunk = m === 0 ? 'tx' : `(${m * this.side}u + tx)`;
        const inside = (m + 1) * this.side <= this.chunks ? '' : `if (${chunk} < ${this.chunks}u) `;
        lines.push(`  ${inside}{ ${operands.store('out_row', chunk, value)} }`);
      }
      return [...lines, '}'];
    });
    return [...sums, ...rows.flat()];
  }
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
