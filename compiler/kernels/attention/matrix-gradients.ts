/**
 * Gradients of attention by subgroup matrices: all of a head that a workgroup holds, or those of the owned rows.
 * See attention-matrix.ts.
 */
import { literal, upTo } from '../text/wgsl.ts';
import { MatrixPrinter, type Product, type Rows, type Target } from './matrix-printer.ts';
import { ownsQueries } from './work.ts';

export class GradientsPrinter extends MatrixPrinter {
  /** A weight that this invocation has put down. */
  private weight(part: number): string {
    const at = `lane / ${this.team}u * ${this.weights.pitch}u + ${this.column(part)}`;
    const value = this.take(this.weights, at);
    return this.unit === 1 ? value : `(vec4<f32>(${value}) * ${literal(1 / this.unit)})`;
  }

  /** The first query that sees the first key of the tile, at the beginning of a tile. */
  private firstWalked(): string {
    const { work, tile } = this;
    if (!work.causal || ownsQueries(work.kind)) return '0u';
    const ahead = work.rows - work.others;
    return `(max(start, ${ahead}u) - ${ahead}u) / ${tile.walked}u * ${tile.walked}u`;
  }

  /** The sum of dout · out of a query, where delta is not at hand. */
  private delta(name: string, dout: string, row: string): string[] {
    const { operands, width } = this.work;
    if (operands.views.has('delta')) return [`${name} = ${operands.scalar('delta', 'delta_head', row)};`];
    const at = (role: string) => `${role}_head + ${row} * ${operands.rowStride(role)}u`;
    return [
      `let dout_row = ${at(dout)}; let result_row = ${at('result')};`,
      `for (var c = 0u; c < ${Math.ceil(width / 4)}u; c += 1u) {`,
      `${name} += dot(${operands.load(dout, 'dout_row', 'c')}, ${operands.load('result', 'result_row', 'c')});`,
      '}',
    ];
  }

  /** log-sum-exp and delta of the walked queries, in `scalars`. */
  private stageScalars(): string[] {
    const { work, tile } = this;
    return [
      `for (var t = lane; t < ${tile.walked}u; t += ${this.invocations}u) {`,
      `let query = min(j + t, ${work.others - 1}u);`,
      `scalars[t] = ${work.operands.scalar('lse', 'lse_head', 'query')};`,
      ...(work.products < 2
        ? []
        : [
            'var delta = 0.0;',
            ...this.delta('delta', 'other1', 'query'),
            `scalars[${tile.walked}u + t] = delta;`,
          ]),
      '}',
    ];
  }

  protected lines(): string[] {
    const { work } = this;
    const lse = `let lse = ${work.operands.scalar('lse', 'lse_head', this.safeRow())};`;
    return [
      ...(ownsQueries(work.kind) ? [lse] : []),
      ...(this.use === 'gradients' ? this.head() : this.tiles()),
    ];
  }

  private safeRow(): string {
    return `min(row, ${this.work.rows - 1}u)`;
  }

  /** Owned rows of `own0` with walked ones become weights, which are put down; no invocation holds a row of them. */
  private pairWeights(): string[] {
    const { work } = this;
    const lse = this.scalar('lse', 0);
    const score = (p: number) => `s${p} * ${literal(work.scale)}`;
    return [
      ...this.stageOwn('own0'),
      ...this.stageWalked('other0'),
      ...(ownsQueries(work.kind) ? [] : this.stageScalars()),
      'workgroupBarrier();',
      ...this.scores('s'),
      ...this.each((p) => `s${p} = ${this.unless(p, `exp(${score(p)} - ${lse(p)})`, '0.0')};`),
      ...this.weigh((p) => this.scaled(`s${p}`)),
    ];
  }

  /** The weights' gradients in their place. */
  private scoreGradients(): string[] {
    const delta = this.scalar('delta', this.tile.walked);
    return this.weigh((p) => `${this.weight(p)} * (d${p} - ${delta(p)})`);
  }

  /** Four values of queries: the row's own, or of those walked. */
  private scalar(name: string, first: number): (part: number) => string {
    if (ownsQueries(this.work.kind)) return () => name;
    const at = (part: number, q: number) => `scalars[${first}u + ${this.column(part)} + ${q}u]`;
    return (part) =>
      `vec4<f32>(${upTo(4)
        .map((q) => at(part, q))
        .join(', ')})`;
  }

  /** Weights are multiples of `unit`. */
  private target(role: string, isValue: boolean): Target {
    const { rows, scale } = this.work;
    return { role, first: 'start', bound: rows, factor: literal(isValue ? 1 / this.unit : scale) };
  }

  /** All of a head: queries are owned, and all keys are in one tile. */
  private head(): string[] {
    const { own, tile } = this;
    return [
      'let j = 0u;',
      ...this.pairWeights(),
      ...this.stageOwn('own1'),
      ...this.stageWalked('other1'),
      'workgroupBarrier();',
      ...this.ofWalked('out_v', own, this.target('out_v', true).factor),
      ...this.scores('d'),
      `let both = ${this.each((p) => `${this.weight(p)} * d${p}`).join(' + ')};`,
      'var delta = (both.x + both.y) + (both.z + both.w);',
      ...this.meet('delta', (other) => `delta + ${other}`),
      ...this.scoreGradients(),
      ...this.stageOwn('own0'),
      ...this.stageWalked('other0'),
      'workgroupBarrier();',
      ...this.give(this.rowsOf(this.weights, 'strip'), this.walked, tile.walked, this.target('out', false)),
      ...this.ofWalked('out_k', own, this.target('out_k', false).factor),
    ];
  }

  /** Gradients of the owned rows, added up over the walked ones. */
  private tiles(): string[] {
    const { work, tile } = this;
    const byRow = ownsQueries(work.kind);
    const [onlyValues, values] = [
      work.products < 2,
      !byRow && (work.products < 2 || work.operands.views.has('out_v')),
    ];
    const columns = tile.width / tile.config.n;
    const left = this.rowsOf(this.weights, 'strip');
    const add = (to: string) => {
      const product: Product = { to, columns, left, right: this.plain(this.walked), depth: tile.walked };
      return this.bySubgroups(this.product(product));
    };
    const end = byRow ? this.endWalked() : `${work.others}u`;
    return [
      ...(byRow ? ['var delta = 0.0;', ...this.delta('delta', 'own1', this.safeRow())] : []),
      ...(onlyValues ? [] : this.sums('sum', columns)),
      ...(values ? this.sums('value', columns) : []),
      `for (var j = ${this.firstWalked()}; j < ${end}; j += ${tile.walked}u) {`,
      ...this.pairWeights(),
      ...(onlyValues ? this.stageWalked('added') : [...this.stageOwn('own1'), ...this.stageWalked('other1')]),
      'workgroupBarrier();',
      ...(values ? add('value') : []),
      ...(onlyValues
        ? []
        : [
            ...this.scores('d'),
            ...this.scoreGradients(),
            ...this.stageWalked('other0'),
            'workgroupBarrier();',
            ...add('sum'),
          ]),
      'workgroupBarrier();',
      '}',
      ...(values ? this.deliver('value', this.target(onlyValues ? 'out' : 'out_v', true)) : []),
      ...(onlyValues ? [] : this.deliver('sum', this.target('out', false))),
    ];
  }

  /** Sums over a head's rows: a result for each of the walked ones, in turns of so many as there are strips. */
  private ofWalked(role: string, right: Rows, factor: string): string[] {
    const { tile, work } = this;
    const all = Math.ceil(tile.walked / tile.strip);
    return upTo(Math.ceil(all / tile.strips)).flatMap((turn) => {
      const strips = all - turn * tile.strips;
      const first = `${turn * this.rows}u`;
      const left = this.columnsOf(this.weights, `${first} + strip`);
      return this.give(left, right, this.rows, { role, first, bound: work.others, factor }, strips);
    });
  }
}
