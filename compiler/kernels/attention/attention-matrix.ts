/**
 * Attention by subgroup matrices: a workgroup owns some strips of rows of a head, one for each subgroup, and walks
 * the other side's rows in tiles (FlashAttention, Dao et al. 2022).
 *
 * Products of rows with rows pass through workgroup memory some columns at a time, since matrices hide their
 * elements; each row has one or two invocations, which turn them into weights in f32 and put those down as the
 * left operand of the next product. The softmax is of whole rows: a row of several tiles has its scores taken
 * twice, first for their maximum and norm, so that no result is ever scaled anew. Gradients of a head that a
 * workgroup can hold come from one kernel; delta is the sum of p dp along the row there, else of dout · out.
 *
 * Weights are at most 1 and become halves as multiples of 2^-15, small ones included; score gradients become
 * halves as they are, like all gradients of activations in mixed precision. Sums are f32, and without atomics.
 */
import type { AttentionTile, AttentionUse } from '../../attention-tiles.ts';
import type { Origin } from '../../graph/types.ts';
import { bytesOf, LOWEST } from '../text/access.ts';
import { gridOf, type Kernel, type LowerContext } from '../text/kernel.ts';
import { literal } from '../text/wgsl.ts';
import { GradientsPrinter } from './matrix-gradients.ts';
import { MatrixPrinter } from './matrix-printer.ts';
import { type AttentionWork, attentionKey, pairsOf } from './work.ts';

export function matrixAttention(
  work: AttentionWork,
  use: AttentionUse,
  tile: AttentionTile,
  ctx: LowerContext,
  origin: Origin,
): Kernel {
  const tiles = Math.ceil(work.rows / (tile.strip * tile.strips));
  const total = tiles * work.heads;
  const results = [...work.operands.views].filter(([role]) => role.startsWith('out')).length;
  const Printer = use === 'forward' ? ForwardPrinter : GradientsPrinter;
  const asked = tile.subgroup.known === 'asked' ? ['subgroup_size_control'] : [];
  return {
    name: `${use === 'forward' ? work.name : `attention_${use}`}_matrix_${tile.strip * tile.strips}x${tile.walked}`,
    args: work.operands.bindings.args,
    body: new Printer(work, use, tile).print(tiles, total),
    enables: ['subgroups', ...asked, 'chromium_experimental_subgroup_matrix'],
    workgroups: gridOf(total, ctx.profile),
    origin,
    flops: pairsOf(work) * (2 * work.width * (work.products + results) + 12),
    bytes: bytesOf(...work.operands.views.values()),
    schedule: { family: 'attention', key: attentionKey(work), id: tile.id },
  };
}

class ForwardPrinter extends MatrixPrinter {
  protected lines(): string[] {
    const { work, tile } = this;
    const once = tile.walked >= work.others;
    const masked = [
      ...this.scores('s'),
      ...this.each((p) => `s${p} = ${this.unless(p, `s${p} * ${literal(work.scale)}`, LOWEST)};`),
    ];
    const most = this.each((p) => `s${p}`).reduce((a, b) => `max(${a}, ${b})`);
    const highest = [
      `let high = ${most};`,
      'let next = max(most, max(max(high.x, high.y), max(high.z, high.w)));',
    ];
    const exponentials = this.each((p) => `s${p} = exp(s${p} - most);`);
    const total = [
      `let all = ${this.each((p) => `s${p}`).join(' + ')};`,
      'norm += (all.x + all.y) + (all.z + all.w);',
    ];
    const loop = `for (var j = 0u; j < ${this.endWalked()}; j += ${tile.walked}u) {`;
    const left = this.rowsOf(this.weights, 'strip');
    const target = { role: 'out', first: 'start', bound: work.rows, factor: 'scalars[line]' };
    const weighted = [
      ...this.weigh((p) => this.scaled(`s${p}`)),
      ...this.stageWalked('added'),
      'workgroupBarrier();',
    ];
    const summed = [
      ...this.bySubgroups(
        this.product({
          to: 'sum',
          columns: tile.width / tile.config.n,
          left,
          right: this.plain(this.walked),
          depth: tile.walked,
        }),
      ),
      'workgroupBarrier();',
    ];
    const start = [
      `var most = ${LOWEST}; var norm = 0.0;`,
      ...(once ? [] : this.sums('sum', tile.width / tile.config.n)),
      ...this.stageOwn('own0'),
    ];
    const scored = [...this.stageWalked('other0'), 'workgroupBarrier();', ...masked];
    const body = once
      ? [
          'let j = 0u;',
          ...scored,
          ...highest,
          'most = next;',
          ...this.meet('most', (other) => `max(most, ${other})`),
          ...exponentials,
          ...total,
          ...this.meet('norm', (other) => `norm + ${other}`),
          ...this.keepSums(),
          ...weighted,
          ...this.give(left, this.walked, tile.walked, target),
        ]
      : [
          loop,
          ...scored,
          ...highest,
          'norm *= exp(most - next);',
          'most = next;',
          ...exponentials,
          ...total,
          '}',
          'let own_most = most;',
          ...this.meet('most', (other) => `max(most, ${other})`),
          'norm *= exp(own_most - most);',
          ...this.meet('norm', (other) => `norm + ${other}`),
          loop,
          ...scored,
          ...exponentials,
          ...weighted,
          ...summed,
          '}',
          ...this.keepSums(),
          ...this.deliver('sum', target),
        ];
    return [...start, ...body];
  }

  /** Each row's factor, in `scalars`, and its log-sum-exp. */
  private keepSums(): string[] {
    const { work } = this;
    const { operands } = work;
    const first = this.team === 1 ? '' : `lane % ${this.team}u == 0u && `;
    const keep = () => operands.storeScalar('log_sum', 'log_sum_head', 'row', 'most + log(norm)');
    return [
      `scalars[lane / ${this.team}u] = ${literal(1 / this.unit)} / norm;`,
      ...(operands.views.has('log_sum') ? [`if (${first}row < ${work.rows}u) { ${keep()} }`] : []),
    ];
  }
}
