/**
 * Attention on software adapters: two small matrix products for each tile of rows, with the weights between
 * them in scratch.
 *
 * The eight invocations of a workgroup (one SIMD batch) own neighbouring rows of one head, so walked rows are
 * read at uniform addresses, which software rasterisers load once for the batch. A tile's weights for all
 * walked rows lie in scratch that belongs to the workgroup; a fixed number of workgroups take the tiles in
 * turn, so scratch grows with the length of a row, not with heads or batch. Loops over the width stay loops:
 * unrolled, such a kernel takes LLVM many seconds to compile.
 */
import { alignUp } from '../../graph/dims.ts';
import type { Origin } from '../../graph/types.ts';
import { attentionLanes as LANES } from '../schedules/attention.ts';
import { chooseSchedule } from '../schedules/schedules.ts';
import { bytesOf, LOWEST } from '../text/access.ts';
import type { Kernel, LowerContext } from '../text/kernel.ts';
import { hiddenBound, literal } from '../text/wgsl.ts';
import { type AttentionWork, attentionKey, ownsQueries, pairsOf } from './work.ts';

/** Walked rows whose products are taken together. */
const BLOCK = 4;
/** Workgroups that share the tiles; odd, so that causal tiles of unequal length spread evenly. */
const MOST_GROUPS = 61;

export function cpuAttention(work: AttentionWork, ctx: LowerContext, origin: Origin): Kernel {
  const size = { key: attentionKey(work), rows: work.rows };
  const { schedule, choice } = chooseSchedule(ctx.profile, 'attention', size);
  const { own } = schedule;
  const tiles = Math.ceil(work.rows / (LANES * own));
  const groups = Math.min(tiles * work.heads, MOST_GROUPS);
  const walked = alignUp(work.others, BLOCK);
  const scratch = ctx.scratch(groups * walked * LANES * lanesOf(own), 'f32', `${work.name} of a tile`);
  return {
    name: `${work.name}_${own}x${BLOCK}`,
    args: [
      ...work.operands.bindings.args,
      { name: 'weights_data', width: lanesOf(own), storage: scratch, access: 'read_write' },
    ],
    body: new Printer(work, own, tiles, groups).print(),
    workgroups: [groups, 1, 1],
    origin,
    flops: pairsOf(work) * (2 * work.width * (work.products + (work.added === undefined ? 0 : 1)) + 12),
    bytes: bytesOf(...work.operands.views.values()),
    schedule: choice,
  };
}

/** Components of the vectors that hold one value for each owned row. */
function lanesOf(own: number): 2 | 4 {
  return own <= 2 ? 2 : 4;
}

function vectorType(own: number, element = 'f32'): string {
  return `vec${lanesOf(own)}<${element}>`;
}

class Printer {
  private readonly work: AttentionWork;
  private readonly own: number;
  private readonly tiles: number;
  private readonly groups: number;
  private readonly chunks: number;

  constructor(work: AttentionWork, own: number, tiles: number, groups: number) {
    this.work = work;
    this.own = own;
    this.tiles = tiles;
    this.groups = groups;
    this.chunks = Math.ceil(work.width / 4);
  }

  print(): string {
    const { work } = this;
    const softmax = work.kind === 'forward' || work.kind === 'lse';
    const walked = alignUp(work.others, BLOCK);
    const lines = [
      ...this.rowStarts(),
      ...(softmax ? [`var most = ${vectorType(this.own)}(${LOWEST});`] : []),
      `for (var j = ${this.firstWalked()}; j < end; j += ${BLOCK}u) {`,
      ...indent([...this.products(), ...this.weights()]),
      '}',
      ...(softmax ? this.softmax() : []),
      ...(work.added === undefined ? [] : this.sums(work.added)),
    ];
    return `@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let place = group.x * ${walked * LANES}u + lane;
  let chunks = ${hiddenBound(this.chunks, 'group.z')};
  for (var number = group.x; number < ${this.tiles * work.heads}u; number += ${this.groups}u) {
${indent(indent(lines)).join('\n')}
  }
}
`;
  }

  private rowsOf(make: (r: number) => string): string[] {
    return Array.from({ length: this.own }, (_, r) => make(r));
  }

  private blockOf(make: (k: number) => string): string[] {
    return Array.from({ length: BLOCK }, (_, k) => make(k));
  }

  private rowStarts(): string[] {
    const { work, own } = this;
    const { operands } = work;
    const lines = [
      `let head = number / ${this.tiles}u;`,
      `let start = (number % ${this.tiles}u) * ${LANES * own}u;`,
      ...[...operands.views.keys()].map((role) => `let ${role}_head = ${operands.base(role, 'head')};`),
      ...this.rowsOf((r) => `let row${r} = start + ${r * LANES}u + lane;`),
      ...this.rowsOf((r) => `let safe${r} = min(row${r}, ${work.rows - 1}u);`),
    ];
    for (let p = 0; p < work.products; p++) {
      const stride = operands.rowStride(`own${p}`);
      lines.push(...this.rowsOf((r) => `let own${p}_row${r} = own${p}_head + safe${r} * ${stride}u;`));
    }
    if (work.kind === 'grad_q') {
      for (const role of ['lse', 'delta']) {
        const values = this.rowsOf((r) => operands.scalar(role, `${role}_head`, `safe${r}`));
        lines.push(`let ${role} = ${this.vector(values)};`);
      }
    }
    lines.push(`let end = ${this.endWalked()};`);
    return lines;
  }

  /** One component for each owned row. */
  private vector(values: readonly string[]): string {
    return `${vectorType(this.own)}(${[...values, '0.0'].slice(0, lanesOf(this.own)).join(', ')})`;
  }

  /** Keys that the last query of the workgroup sees; all rows where keys are owned. */
  private endWalked(): string {
    const { work, own } = this;
    if (!work.causal || !ownsQueries(work.kind)) return hiddenBound(work.others, 'group.z');
    return `min(${hiddenBound(work.others, 'group.z')}, start + ${LANES * own + work.others - work.rows}u)`;
  }

  /** The first query that sees the first key of the workgroup, at the beginning of a block. */
  private firstWalked(): string {
    const { work } = this;
    if (!work.causal || ownsQueries(work.kind)) return '0u';
    const ahead = work.rows - work.others;
    return `(max(start, ${ahead}u) - ${ahead}u) / ${BLOCK}u * ${BLOCK}u`;
  }

  /** s_r_k and, with two products, g_r_k: dot products of owned row r with walked row k of the block. */
  private products(): string[] {
    const { work } = this;
    const { operands } = work;
    const lines = this.blockOf((k) => `let at${k} = min(j + ${k}u, ${work.others - 1}u);`);
    ['s', 'g'].slice(0, work.products).forEach((name, p) => {
      const stride = operands.rowStride(`other${p}`);
      lines.push(
        ...this.blockOf((k) => `let other${p}_at${k} = other${p}_head + at${k} * ${stride}u;`),
        ...this.rowsOf((r) => this.blockOf((k) => `var ${name}_${r}_${k} = 0.0;`).join(' ')),
        `for (var c = 0u; c < chunks; c += 1u) {`,
        ...this.rowsOf((r) => `  let q${r} = ${operands.load(`own${p}`, `own${p}_row${r}`, 'c')};`),
      );
      for (let k = 0; k < BLOCK; k++) {
        lines.push(
          `  let x${k} = ${operands.load(`other${p}`, `other${p}_at${k}`, 'c')};`,
          ...this.rowsOf((r) => `  ${name}_${r}_${k} = ${dotInto(`q${r}`, `x${k}`, `${name}_${r}_${k}`)};`),
        );
      }
      lines.push('}');
    });
    return lines;
  }

  /** Whether pairs of the owned rows with walked row k are hidden: behind the end, or in the future. */
  private hidden(k: number): string | undefined {
    const { work } = this;
    const tests: string[] = [];
    if (work.others % BLOCK !== 0 && k > 0)
      tests.push(`${vectorType(this.own, 'bool')}(j + ${k}u >= ${work.others}u)`);
    if (work.causal) {
      const type = vectorType(this.own, 'u32');
      const owned = Array.from({ length: lanesOf(this.own) }, (_, r) => `row${Math.min(r, this.own - 1)}`);
      const rows = `${type}(${owned.join(', ')})`;
      const walked = `${type}(j + ${k}u)`;
      const later = Math.abs(work.others - work.rows);
      tests.push(
        ownsQueries(work.kind)
          ? `(${walked} > ${rows} + ${type}(${later}u))`
          : `(${rows} > ${walked} + ${type}(${later}u))`,
      );
    }
    return tests.length === 0 ? undefined : tests.join(' | ');
  }

  /** Scores (forward, lse) or the factor of each pair (gradients), to scratch. */
  private weights(): string[] {
    const { work } = this;
    const { operands } = work;
    const scale = literal(work.scale);
    const gradient = work.kind.startsWith('grad');
    const byOther = work.kind === 'grad_k' || work.kind === 'grad_v';
    const lines: string[] = [];
    for (let k = 0; k < BLOCK; k++) {
      let weight = `${this.vector(this.rowsOf((r) => `s_${r}_${k}`))} * ${scale}`;
      if (gradient) {
        const lse = byOther ? operands.scalar('lse', 'lse_head', `at${k}`) : 'lse';
        const delta =
          work.products < 2 ? '' : byOther ? operands.scalar('delta', 'delta_head', `at${k}`) : 'delta';
        weight = `exp(${weight} - ${lse})`;
        if (work.products === 2) {
          weight = `${weight} * (${this.vector(this.rowsOf((r) => `g_${r}_${k}`))} - ${delta}) * ${scale}`;
        }
      }
      const hidden = this.hidden(k);
      const none = `${vectorType(this.own)}(${gradient ? '0.0' : LOWEST})`;
      lines.push(`let w${k} = ${hidden === undefined ? weight : `select(${weight}, ${none}, ${hidden})`};`);
      if (!gradient) lines.push(`most = max(most, w${k});`);
      lines.push(`weights_data[place + (j + ${k}u) * ${LANES}u] = w${k};`);
    }
    return lines;
  }

  /** Replaces scores by exp(score - maximum) and sums them; for lse that is all. */
  private softmax(): string[] {
    const { work } = this;
    const lse = work.kind === 'lse';
    const at = `weights_data[place + j * ${LANES}u]`;
    const lines = [
      `var norm = ${vectorType(this.own)}();`,
      'for (var j = 0u; j < end; j += 1u) {',
      `  let w = exp(${at} - most);`,
      ...(lse ? [] : [`  ${at} = w;`]),
      '  norm += w;',
      '}',
    ];
    if (!lse) lines.push('let factor = 1.0 / norm;');
    const role = lse ? 'out' : 'log_sum';
    if (!work.operands.views.has(role)) return lines;
    const keep = (r: number) => work.operands.storeScalar(role, `${role}_head`, `row${r}`, `total[${r}]`);
    return [
      ...lines,
      'let total = most + log(norm);',
      ...this.rowsOf((r) => `if (row${r} < ${work.rows}u) { ${keep(r)} }`),
    ];
  }

  /** The result: weights times walked rows, some columns at a time. */
  private sums(added: string): string[] {
    const { work } = this;
    const { operands } = work;
    const columns = this.chunks % 2 === 0 ? 2 : 1;
    const each = (make: (c: number) => string[]) => Array.from({ length: columns }, (_, c) => make(c)).flat();
    const forward = work.kind === 'forward';
    const value = (r: number, c: number) => (forward ? `(sum_${r}_${c} * factor[${r}])` : `sum_${r}_${c}`);
    return [
      `for (var c = 0u; c < chunks; c += ${columns}u) {`,
      ...each((c) => this.rowsOf((r) => `  var sum_${r}_${c} = vec4<f32>();`)),
      `  for (var j = ${this.firstWalked()}; j < end; j += 1u) {`,
      `    let w = weights_data[place + j * ${LANES}u];`,
      `    let at = ${added}_head + j * ${operands.rowStride(added)}u + ${operands.vector ? 'c' : '0u'};`,
      ...each((c) => [
        `    let x${c} = ${operands.load(added, 'at', operands.vector ? `${c}u` : `(c + ${c}u)`)};`,
        ...this.rowsOf((r) => `    sum_${r}_${c} = fma(vec4<f32>(w[${r}]), x${c}, sum_${r}_${c});`),
      ]),
      '  }',
      ...this.rowsOf((r) =>
        [
          `  if (row${r} < ${work.rows}u) {`,
          `    let out_row = out_head + row${r} * ${operands.rowStride('out')}u;`,
          ...each((c) => [`    ${operands.store('out_row', `(c + ${c}u)`, value(r, c))}`]),
          '  }',
        ].join('\n    '),
      ),
      '}',
    ];
  }
}

/** `sum + a · b` as a chain of fused multiply-adds. */
function dotInto(a: string, b: string, sum: string): string {
  return ['x', 'y', 'z', 'w'].reduce((s, part) => `fma(${a}.${part}, ${b}.${part}, ${s})`, sum);
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
