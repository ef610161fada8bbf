/**
 * One attention kernel's work as both printers see it: sizes, products, and operands by role.
 */
import { indexExpression, type Operand, Operands, vectorizable } from '../text/access.ts';
import type { View } from '../text/view.ts';

/**
 * What a pair's products become: forward keeps a running maximum and sum, `lse` only those, gradients read
 * lse and delta.
 */
export type AttentionKind = 'forward' | 'lse' | 'grad_q' | 'grad_k' | 'grad_v';

/** Whether a kernel writes an operand: `out`, `out_k`, `out_v`, `log_sum`. */
const isWritten = (role: string) => role.startsWith('out') || role === 'log_sum';

export interface AttentionWork {
  readonly kind: AttentionKind;
  readonly name: string;
  readonly heads: number;
  /** Owned rows of a head, and the rows walked for each. */
  readonly rows: number;
  readonly others: number;
  readonly width: number;
  readonly scale: number;
  readonly causal: boolean;
  /**
   * Products: role `own0` with `other0` (scores) and, for grad_q and grad_k, `own1` with `other1` (dout · v).
   */
  readonly products: 1 | 2;
  /** The walked operand whose rows are added up: a role, or undefined for lse. */
  readonly added: string | undefined;
  readonly operands: AttentionOperands;
}

/** The owned side is the queries; else it is the keys. */
export function ownsQueries(kind: AttentionKind): boolean {
  return kind === 'forward' || kind === 'lse' || kind === 'grad_q';
}

/** Pairs of rows over all heads; half of them under a causal mask. */
export function pairsOf({ heads, rows, others, causal, kind }: AttentionWork): number {
  const [queries, keys] = ownsQueries(kind) ? [rows, others] : [others, rows];
  return heads * queries * (causal ? keys - (queries - 1) / 2 : keys);
}

/**
 * Operands by role: own0, own1, other0, other1, added, lse, delta (or `result`, of which it is made), out, log_sum
 * (of the forward pass, for the gradients), out_k and out_v (gradients that come with another); with rows of
 * `width` elements where it applies.
 */
export class AttentionOperands {
  readonly bindings: Operands;
  /** Rows are read as vec4; else as four guarded scalars. */
  readonly vector: boolean;
  readonly views: ReadonlyMap<string, View>;
  private readonly width: number;

  constructor(rows: ReadonlyMap<string, View>, scalars: ReadonlyMap<string, View>, width: number) {
    this.vector = [...rows].every(([role, view]) => isWritten(role) || vectorizable(view));
    this.views = new Map([...rows, ...scalars]);
    this.width = width;
    const list = [...this.views].map(
      ([role, view]): Operand => ({
        role,
        view,
        access: isWritten(role) ? 'read_write' : 'read',
        vector: rows.has(role) && this.#vectorIn(role),
      }),
    );
    const written = ({ access }: Operand) => Number(access === 'read_write');
    this.bindings = new Operands(list.sort((a, b) => written(a) - written(b)));
  }

  #vectorIn(role: string): boolean {
    return this.vector && (!isWritten(role) || vectorizable(this.view(role)));
  }

  private view(role: string): View {
    const view = this.views.get(role);
    if (view === undefined) throw new Error(`attention has no operand ${role}`);
    return view;
  }

  private unit(role: string): number {
    return this.view(role).shape.length === 4 && this.#vectorIn(role) ? 4 : 1;
  }

  /** Where a head's first row begins, in the operand's units. */
  base(role: string, head: string): string {
    const { shape, strides, offset } = this.view(role);
    const unit = this.unit(role);
    return indexExpression(
      head,
      shape.slice(0, 2),
      strides.slice(0, 2).map((s) => s / unit),
      offset / unit,
    );
  }

  /** Distance of a head's rows, in the operand's units. */
  rowStride(role: string): number {
    return this.view(role).strides[2]! / this.unit(role);
  }

  /** vec4 number `chunk` (a u32 expression) of the row that begins at `row`; zeros behind the width. */
  load(role: string, row: string, chunk: string): string {
    if (this.vector) return this.bindings.load(role, `${row} + ${chunk}`);
    const parts = [0, 1, 2, 3].map((lane) => {
      const d = `4u * ${chunk} + ${lane}u`;
      return `select(0.0, ${this.bindings.load(role, `${row} + ${d}`)}, ${d} < ${this.width}u)`;
    });
    return `vec4<f32>(${parts.join(', ')})`;
  }

  /** The same in the storage's own type, where rows are read as vec4. */
  loadStored(role: string, row: string, chunk: string): string {
    return this.bindings.loadStored(role, `${row} + ${chunk}`);
  }

  /** Statements that store vec4 number `chunk` of a row of a result. */
  store(row: string, chunk: string, value: string, role = 'out'): string {
    if (this.#vectorIn(role)) return this.bindings.store(role, `${row} + ${chunk}`, value);
    const stride = this.view(role).strides[3]!;
    const parts = [0, 1, 2, 3].map((lane) => {
      const d = `4u * ${chunk} + ${lane}u`;
      const one = this.bindings.store(role, `${row} + (${d}) * ${stride}u`, `${value}[${lane}]`);
      return `if (${d} < ${this.width}u) { ${one} }`;
    });
    return parts.join(' ');
  }

  /** The scalar of `role` (lse or delta) at a row of a head whose base is known. */
  scalar(role: string, base: string, row: string): string {
    return this.bindings.load(role, this.#scalarPlace(role, base, row));
  }

  /** The statement that stores a scalar (the result of lse, or log_sum) there. */
  storeScalar(role: string, base: string, row: string, value: string): string {
    return this.bindings.store(role, this.#scalarPlace(role, base, row), value);
  }

  #scalarPlace(role: string, base: string, row: string): string {
    const stride = this.view(role).strides[2]!;
    return `${base} + ${stride === 1 ? row : `${row} * ${stride}u`}`;
  }
}

/** `attention 96*50x50x64 causal 4args`: the forward pass has one more where gradients want its sums. */
export function attentionKey(work: AttentionWork): string {
  const { name, heads, rows, others, width, causal, operands } = work;
  const size = `${heads}*${rows}x${others}x${width}`;
  return `${name} ${size}${causal ? ' causal' : ''} ${operands.bindings.args.length}args`;
}
