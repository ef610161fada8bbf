/**
 * What kernels of attention by subgroup matrices share: tiles in workgroup memory, products of matrices, weights of
 * pairs, results. See attention-matrix.ts.
 */
import { type AttentionTile, type AttentionUse, attentionArrays } from '../../attention-tiles.ts';
import { linePadding } from '../../profile.ts';
import { literal, upTo } from '../text/wgsl.ts';
import { type AttentionWork, ownsQueries } from './work.ts';

/**
 * Loads of an invocation that are in flight together; half of them in a loop over tiles, before which compilers compute all
 * addresses that stay. For the same reason more of them are loaded in a loop.
 */
const inFlight = 8;

/** An array of rows in workgroup memory. */
export interface Rows {
  readonly name: string;
  readonly element: 'f16' | 'f32';
  /** Elements from row to row. */
  readonly pitch: number;
}

/** `to{i}_{j} += left · right` over `depth` steps. */
export interface Product {
  readonly to: string;
  readonly columns: number;
  readonly left: (i: number) => string;
  readonly right: (j: number) => string;
  readonly depth: number;
}

/** Where a result goes: `factor` is by name of the row in its strips. */
export interface Target {
  readonly role: string;
  readonly first: string;
  readonly bound: number;
  readonly factor: string;
}

export abstract class MatrixPrinter {
  protected readonly work: AttentionWork;
  protected readonly use: AttentionUse;
  protected readonly tile: AttentionTile;
  protected readonly rows: number;
  protected readonly team: number;
  protected readonly invocations: number;
  protected readonly own: Rows;
  protected readonly walked: Rows;
  protected readonly weights: Rows;
  protected readonly results: Rows;
  protected readonly arrays: ReturnType<typeof attentionArrays>;
  /** vec4s of a row that an invocation has. */
  protected readonly parts: number;

  constructor(work: AttentionWork, use: AttentionUse, tile: AttentionTile) {
    const { strip, strips, subgroup, width, walked, chunk } = tile;
    const element = tile.config.component;
    const pitch = (length: number) => length + linePadding[element];
    this.work = work;
    this.use = use;
    this.tile = tile;
    this.rows = strip * strips;
    this.team = subgroup.size / strip;
    this.invocations = strips * subgroup.size;
    this.arrays = attentionArrays(tile, use, work.others);
    this.own = { name: 'own_tile', element, pitch: pitch(width) };
    this.walked = { name: 'walked_tile', element, pitch: pitch(width) };
    this.weights = {
      name: this.arrays.shared ? 'own_tile' : 'weight_tile',
      element,
      pitch: pitch(walked),
    };
    this.results = { name: 'result_tile', element: 'f32', pitch: chunk + linePadding.f32 };
    this.parts = walked / (4 * this.team);
  }

  /** What a workgroup does, behind where its rows start. */
  protected abstract lines(): readonly string[];

  print(tiles: number, total: number): string {
    const { operands } = this.work;
    const { strip, subgroup } = this.tile;
    const bases = [...operands.views.keys()].map(
      (role) => `let ${role}_head = ${operands.base(role, 'head')};`,
    );
    const lines = [...bases, `let row = start + lane / ${this.team}u;`, ...this.lines()];
    const asked = subgroup.known === 'asked' ? ` @subgroup_size(${subgroup.size})` : '';
    return `${this.declarations()}@compute @workgroup_size(${this.invocations})${asked}
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) subgroup: u32) {
  let number = group.x + group.y * groups.x;
  if (number >= ${total}u) { return; }
  let head = number / ${tiles}u;
  let start = number % ${tiles}u * ${this.rows}u;
  let strip = subgroup * ${strip}u;
  ${lines.join('\n  ')}
}
`;
  }

  protected declarations(): string {
    const { own, walked, weights, results, scalars } = this.arrays;
    const array = ({ name, element }: Rows, size: number) =>
      `var<workgroup> ${name}: array<${this.tile.packed ? `vec4<${element}>, ${size / 4}` : `${element}, ${size}`}>;\n`;
    return [
      array(this.own, own),
      array(this.walked, walked),
      weights > 0 ? array(this.weights, weights) : '',
      array(this.results, results),
      scalars > 0 ? `var<workgroup> scalars: array<f32, ${scalars}>;\n` : '',
    ].join('');
  }

  /** vec4 of an array at an element's place. */
  protected take({ name, element }: Rows, at: string): string {
    if (this.tile.packed) return `${name}[(${at}) / 4u]`;
    return `vec4<${element}>(${upTo(4)
      .map((q) => `${name}[${at} + ${q}u]`)
      .join(', ')})`;
  }

  protected put({ name }: Rows, at: string, value: string): string {
    if (this.tile.packed) return `${name}[(${at}) / 4u] = ${value};`;
    return `{ let to = ${at}; let four = ${value}; ${upTo(4)
      .map((q) => `${name}[to + ${q}u] = four[${q}];`)
      .join(' ')} }`;
  }

  /** The number of an array's element that begins a matrix, and the distance of its lines. */
  protected place({ pitch }: Rows, line: string, along: string): string {
    const unit = this.tile.packed ? 4 : 1;
    return `(${line}) * ${pitch / unit}u + (${along})${unit === 4 ? ' / 4u' : ''}`;
  }

  protected matrix(side: 'left' | 'right', rows: Rows, line: string, along: string, order: string): string {
    const { m, n, k, component } = this.tile.config;
    const sizes = side === 'left' ? `${k}, ${m}` : `${n}, ${k}`;
    const pitch = rows.pitch / (this.tile.packed ? 4 : 1);
    return `subgroupMatrixLoad<subgroup_matrix_${side}<${component}, ${sizes}>, ${order}>(&${rows.name}, ${this.place(rows, line, along)}, ${pitch}u)`;
  }

  /** Rows from `first` on as the left operand; their columns as rows. */
  protected rowsOf(rows: Rows, first: string) {
    return (i: number) =>
      this.matrix('left', rows, `${first} + ${i * this.tile.config.m}u`, 'kk', 'row_major');
  }

  protected columnsOf(rows: Rows, first: string) {
    return (i: number) =>
      this.matrix('left', rows, 'kk', `${first} + ${i * this.tile.config.m}u`, 'col_major');
  }

  /** Rows as the right operand; or what they are columns of. */
  protected plain(rows: Rows, first = 0) {
    return (j: number) => this.matrix('right', rows, 'kk', `${first + j * this.tile.config.n}u`, 'row_major');
  }

  protected transposed(rows: Rows, first: number) {
    return (j: number) => this.matrix('right', rows, `${first + j * this.tile.config.n}u`, 'kk', 'col_major');
  }

  /** Matrices of zeros; said so, since Dawn clears one that has no value before its loop and not in each turn. */
  protected sums(to: string, columns: number): string[] {
    const { m, n } = this.tile.config;
    return upTo(this.tile.strip / m).flatMap((i) =>
      upTo(columns).map((j) => `var ${to}${i}_${j} = subgroup_matrix_result<f32, ${n}, ${m}>();`),
    );
  }

  /** Statements of subgroups that have a strip, of so many from that of the first on. */
  protected bySubgroups(lines: readonly string[], strips = this.tile.strips): string[] {
    const { subgroup } = this.tile;
    if (subgroup.known !== 'most' && strips >= this.tile.strips) return [...lines];
    return [`if (subgroup < ${Math.min(strips, this.tile.strips)}u) {`, ...lines, '}'];
  }

  protected product({ to, columns, left, right, depth }: Product): string[] {
    const { m, k } = this.tile.config;
    const lefts = upTo(this.tile.strip / m);
    return [
      `for (var kk = 0u; kk < ${depth}u; kk += ${k}u) {`,
      ...lefts.map((i) => `let x${i} = ${left(i)};`),
      ...upTo(columns).flatMap((j) => [
        `{ let b = ${right(j)};`,
        ...lefts.map((i) => `${to}${i}_${j} = subgroupMatrixMultiplyAccumulate(x${i}, b, ${to}${i}_${j});`),
        '}',
      ]),
      '}',
    ];
  }

  /** Matrices of every strip to the results' array. */
  protected show(to: string, first: number, columns: number): string[] {
    const { m, n } = this.tile.config;
    const pitch = this.results.pitch / (this.tile.packed ? 4 : 1);
    return upTo(this.tile.strip / m).flatMap((i) =>
      upTo(columns).map(
        (j) =>
          `subgroupMatrixStore<row_major>(&result_tile, ${this.place(this.results, `strip + ${i * m}u`, `${j * n}u`)}, ${to}${i}_${first + j}, ${pitch}u);`,
      ),
    );
  }

  /** `[first, length]` of the pieces of so many columns that pass through the results' array. */
  protected chunks(length: number): (readonly [number, number])[] {
    const { chunk } = this.tile;
    return upTo(Math.ceil(length / chunk)).map(
      (i) => [i * chunk, Math.min(chunk, length - i * chunk)] as const,
    );
  }

  /**
   * Copies a tile of rows from `first` on to workgroup memory, zeros behind the rows and behind the width, without a
   * branch around a load.
   */
  protected stage(to: Rows, role: string, first: string, length: number, bound: number): string[] {
    const { operands } = this.work;
    const chunks = Math.ceil(this.work.width / 4);
    const [line, { element }] = [this.tile.width / 4, to];
    const units = length * line;
    const stored = operands.vector && element === 'f16';
    const type = `vec4<${element}>`;
    const inside = [
      ...(bound % length === 0 ? [] : [`row < ${bound}u`]),
      ...(line === chunks ? [] : [`chunk < ${chunks}u`]),
    ].join(' && ');
    const shares = Math.ceil(units / this.invocations);
    const most = this.tile.walked < this.work.others ? inFlight / 2 : inFlight;
    const together = Math.min(shares, most);
    const whole = units % (together * this.invocations) === 0;
    const unit = (i: number) =>
      `let unit = turn + ${i * this.invocations}u; let chunk = unit % ${line}u; let line = unit / ${line}u;`;
    const load = (i: number) => {
      const at = `${role}_head + min(row, ${bound - 1}u) * ${operands.rowStride(role)}u`;
      const chunk = line === chunks ? 'chunk' : `min(chunk, ${chunks - 1}u)`;
      const value = stored ? operands.loadStored(role, 'at', 'safe') : operands.load(role, 'at', 'safe');
      const made = element === 'f16' && !stored ? `${type}(${value})` : value;
      return [
        `var value${i}: ${type};`,
        `{ ${unit(i)} let row = ${first} + line; let at = ${at}; let safe = ${chunk};`,
        `value${i} = ${inside === '' ? made : `select(${type}(), ${made}, ${inside})`}; }`,
      ];
    };
    const keep = (i: number) => {
      const put = this.put(to, `line * ${to.pitch}u + 4u * chunk`, `value${i}`);
      return `{ ${unit(i)} ${whole ? put : `if (unit < ${units}u) { ${put} }`} }`;
    };
    const head =
      shares === together
        ? '{ let turn = lane;'
        : `for (var turn = lane; turn < ${units}u; turn += ${together * this.invocations}u) {`;
    return [head, ...upTo(together).flatMap(load), ...upTo(together).map(keep), '}'];
  }

  protected stageOwn(role: string): string[] {
    return this.stage(this.own, role, 'start', this.rows, this.work.rows);
  }

  protected stageWalked(role: string, first = 'j'): string[] {
    return this.stage(this.walked, role, first, this.tile.walked, this.work.others);
  }

  /** The column of an invocation's vec4 number `part`, in the tile. */
  protected column(part: number): string {
    const { chunk } = this.tile;
    const each = chunk / (4 * this.team);
    const [piece, rest] = [Math.floor(part / each), part % each];
    const first = piece * chunk + rest * 4 * this.team;
    return this.team === 1 ? `${first}u` : `${first}u + lane % ${this.team}u * 4u`;
  }

  protected each(make: (part: number) => string): string[] {
    return upTo(this.parts).map(make);
  }

  /** `{name}{part}`: products of the own rows with the walked ones. Behind them both tiles are free. */
  protected scores(name: string): string[] {
    const { tile, results } = this;
    const each = tile.chunk / (4 * this.team);
    return this.chunks(tile.walked).flatMap(([first, length], piece) => {
      const columns = length / tile.config.n;
      const left = this.rowsOf(this.own, 'strip');
      const right = this.transposed(this.walked, first);
      return [
        '{',
        ...this.sums('c', columns),
        ...this.bySubgroups([
          ...this.product({ to: 'c', columns, left, right, depth: tile.width }),
          ...this.show('c', 0, columns),
        ]),
        '}',
        'workgroupBarrier();',
        ...upTo(length / (4 * this.team)).map((i) => {
          const column = this.team === 1 ? `${4 * i}u` : `${4 * this.team * i}u + lane % ${this.team}u * 4u`;
          const at = `lane / ${this.team}u * ${results.pitch}u + ${column}`;
          return `var ${name}${piece * each + i} = ${this.take(results, at)};`;
        }),
        'workgroupBarrier();',
      ];
    });
  }

  /** Whether pairs of a row with vec4 number `part` of the columns are hidden: behind an end, or in the future. */
  protected hidden(part: number): string | undefined {
    const { work, tile } = this;
    const gradient = this.use !== 'forward';
    const tests: string[] = [];
    const at = `(j + ${this.column(part)} + vec4<u32>(0u, 1u, 2u, 3u))`;
    if (work.others % tile.walked !== 0) tests.push(`(${at} >= vec4<u32>(${work.others}u))`);
    if (gradient && work.rows % this.rows !== 0) tests.push(`vec4<bool>(row >= ${work.rows}u)`);
    if (work.causal) {
      const later = Math.abs(work.others - work.rows);
      const [query, key] = ownsQueries(work.kind) ? ['vec4<u32>(row)', at] : [at, 'vec4<u32>(row)'];
      tests.push(`(${key} > ${query} + vec4<u32>(${later}u))`);
    }
    return tests.length === 0 ? undefined : tests.join(' | ');
  }

  protected unless(part: number, value: string, otherwise: string): string {
    const hidden = this.hidden(part);
    return hidden === undefined ? value : `select(${value}, vec4<f32>(${otherwise}), ${hidden})`;
  }

  /** Puts the weights down, as a left operand. */
  protected weigh(value: (part: number) => string): string[] {
    const { weights } = this;
    return this.each((part) => {
      const at = `lane / ${this.team}u * ${weights.pitch}u + ${this.column(part)}`;
      return this.put(weights, at, weights.element === 'f16' ? `vec4<f16>(${value(part)})` : value(part));
    });
  }

  /** What halves of weights are multiples of. */
  protected get unit(): number {
    return this.weights.element === 'f16' ? 2 ** 15 : 1;
  }

  protected scaled(value: string): string {
    return this.unit === 1 ? value : `${value} * ${literal(this.unit)}`;
  }

  /** `value` of both invocations of a row, joined by `join`. */
  protected meet(name: string, join: (other: string) => string): string[] {
    return this.team === 1
      ? []
      : [`let other_${name} = quadSwapX(${name});`, `${name} = ${join(`other_${name}`)};`];
  }

  /** Keys that the last query of the tile sees. */
  protected endWalked(): string {
    const { work } = this;
    if (!work.causal) return `${work.others}u`;
    return `min(${work.others}u, start + ${this.rows + work.others - work.rows}u)`;
  }

  /** A product with some of the columns of `right` at a time, so that few of its matrices are held, to storage. */
  protected give(
    left: Product['left'],
    right: Rows,
    depth: number,
    target: Target,
    strips?: number,
  ): string[] {
    const { config, width } = this.tile;
    return this.chunks(width).flatMap(([column, length]) => {
      const columns = length / config.n;
      const product = this.product({ to: 'c', columns, left, right: this.plain(right, column), depth });
      return [
        '{',
        ...this.sums('c', columns),
        ...this.bySubgroups([...product, ...this.show('c', 0, columns)], strips),
        '}',
        ...this.store(target, column, length),
      ];
    });
  }

  /** The matrices of a result, some columns at a time, to storage. */
  protected deliver(to: string, target: Target): string[] {
    const { config, width } = this.tile;
    return this.chunks(width).flatMap(([column, length]) => [
      ...this.bySubgroups(this.show(to, column / config.n, length / config.n)),
      ...this.store(target, column, length),
    ]);
  }

  /** Columns of a result that every subgroup has put down, to storage. */
  protected store({ role, first, bound, factor }: Target, column: number, length: number): string[] {
    const { results } = this;
    const { operands } = this.work;
    const chunks = Math.ceil(this.work.width / 4);
    const inside = column + length > 4 * chunks ? ` && chunk < ${chunks}u` : '';
    return [
      'workgroupBarrier();',
      `for (var t = lane; t < ${(this.rows * length) / 4}u; t += ${this.invocations}u) {`,
      `let line = t / ${length / 4}u; let along = t % ${length / 4}u; let chunk = ${column / 4}u + along;`,
      `let to_row = ${first} + line;`,
      `if (to_row < ${bound}u${inside}) {`,
      `let value = ${this.take(results, `line * ${results.pitch}u + 4u * along`)} * ${factor};`,
      `let at = ${role}_head + to_row * ${operands.rowStride(role)}u;`,
      operands.store('at', 'chunk', 'value', role),
      '}',
      '}',
      'workgroupBarrier();',
    ];
  }
}
