/**
 * Running sums along an axis, in f32 or i32: sums of pieces, running sums of those, and each piece from where
 * the ones before it end.
 *
 * A piece is walked by one invocation, the same on all devices but for its length, so nothing waits for
 * anything within a kernel and results repeat bit for bit. A sum of n terms is off by the roundings of two or
 * three short sums instead of n.
 */
import { type Origin, sizeOf } from '../../graph/types.ts';
import { bytesOf, flatMain, flatWorkgroup, indexExpression, Operands } from '../text/access.ts';
import { gridOf, type Lower, type LowerContext } from '../text/kernel.ts';
import { computeType } from '../text/memory.ts';
import type { View } from '../text/view.ts';
import { hiddenBound } from '../text/wgsl.ts';

/** Entries that one invocation walks. */
const pieceLength = { cpu: 128, gpu: 64 } as const;

export interface Scan {
  readonly name: string;
  readonly from: View;
  /** Of the shape of `from`; it may be the same view. */
  readonly to: View;
  readonly axis: number;
  /** From the end. */
  readonly reverse: boolean;
  /** Without the entry itself. */
  readonly exclusive: boolean;
  readonly origin: Origin;
}

/** Emits `to` = running sums of `from`. */
function emitScan(ctx: LowerContext, scan: Scan): void {
  const { from, axis } = scan;
  const length = from.shape[axis]!;
  const piece = pieceLength[ctx.profile.kind];
  if (length <= 2 * piece) {
    emitPieces(ctx, scan, length);
    return;
  }
  const pieces = Math.ceil(length / piece);
  const lanes = sizeOf(from.shape) / length;
  const storage = ctx.scratch(pieces * lanes, computeType(from.storage), 'sums of pieces');
  const sums: View = { storage, shape: [lanes, pieces], strides: [1, lanes], offset: 0 };
  emitSums(ctx, scan, piece, sums);
  const inner = { name: scan.name, reverse: false, exclusive: true, origin: scan.origin };
  emitScan(ctx, { ...inner, from: sums, to: sums, axis: 1 });
  emitPieces(ctx, scan, piece, sums);
}

/** Where a piece lies: `lane` and `piece` of an invocation, and the places of entry `i` in walking order. */
class Walk {
  readonly #scan: Scan;
  readonly #piece: number;
  readonly #length: number;
  readonly #others: readonly number[];

  constructor(scan: Scan, piece: number) {
    this.#scan = scan;
    this.#piece = piece;
    this.#length = scan.from.shape[scan.axis]!;
    this.#others = scan.from.shape.map((_, a) => a).filter((a) => a !== scan.axis);
  }

  get lanes(): number {
    return sizeOf(this.#others.map((a) => this.#scan.from.shape[a]!));
  }

  get invocations(): number {
    return this.lanes * Math.ceil(this.#length / this.#piece);
  }

  /** The statement that binds `${name}_base`, the place of a lane's first entry. */
  base(name: string, { shape, strides, offset }: View): string {
    const of = (list: readonly number[]) => this.#others.map((a) => list[a]!);
    return `let ${name}_base = ${indexExpression('lane', of(shape), of(strides), offset)};`;
  }

  /** The place of entry `i`. */
  at(name: string, { strides }: View): string {
    const along = this.#scan.reverse ? `(${this.#length - 1}u - i)` : 'i';
    return `${name}_base + ${along} * ${strides[this.#scan.axis]!}u`;
  }

  /** The head of a kernel, and of its loop over `i`. */
  open(size: number): { readonly head: string; readonly loop: string } {
    const whole = this.#piece >= this.#length;
    const start = whole ? '0u' : `piece * ${this.#piece}u`;
    const end = whole
      ? hiddenBound(this.#length, 'id.z')
      : `min(${start} + ${this.#piece}u, ${this.#length}u)`;
    return {
      head: `${flatMain(size, this.invocations)}  let lane = index % ${this.lanes}u;
  let piece = index / ${this.lanes}u;
`,
      loop: `for (var i = ${start}; i < ${end}; i += 1u)`,
    };
  }
}

/** sums[lane, piece] = the sum of a piece. */
function emitSums(ctx: LowerContext, scan: Scan, piece: number, sums: View): void {
  const walk = new Walk(scan, piece);
  const { from, name, origin } = scan;
  const operands = new Operands([
    { role: 'x', view: from, access: 'read', vector: false },
    { role: 'sums', view: sums, access: 'read_write', vector: false },
  ]);
  const size = flatWorkgroup(ctx.profile);
  const { head, loop } = walk.open(size);
  ctx.emit({
    name: `${name}_sums`,
    args: operands.args,
    body: `${head}  ${walk.base('x', from)}
  var total = ${computeType(from.storage)}();
  ${loop} { total += ${operands.load('x', walk.at('x', from))}; }
  ${operands.store('sums', 'index', 'total')}
}
`,
    workgroups: gridOf(Math.ceil(walk.invocations / size), ctx.profile),
    origin,
    flops: sizeOf(from.shape),
    bytes: bytesOf(from, sums),
  });
}

/** to = running sums of each piece, from what `before` says for it. */
function emitPieces(ctx: LowerContext, scan: Scan, piece: number, before?: View): void {
  const walk = new Walk(scan, piece);
  const { from, to, exclusive, name, origin } = scan;
  const type = computeType(from.storage);
  const operands = new Operands([
    { role: 'x', view: from, access: 'read', vector: false },
    ...(before ? [{ role: 'before', view: before, access: 'read', vector: false } as const] : []),
    { role: 'out', view: to, access: 'read_write', vector: false },
  ]);
  const size = flatWorkgroup(ctx.profile);
  const { head, loop } = walk.open(size);
  const put = (value: string) => operands.store('out', walk.at('out', to), value);
  const start = before ? operands.load('before', 'index') : `${type}()`;
  ctx.emit({
    name,
    args: operands.args,
    body: `${head}  ${walk.base('x', from)}
  ${walk.base('out', to)}
  let before = ${start};
  var total = ${type}();
  ${loop} {
    let value = ${operands.load('x', walk.at('x', from))};
    ${exclusive ? `${put('before + total')}\n    total += value;` : `total += value;\n    ${put('before + total')}`}
  }
}
`,
    workgroups: gridOf(Math.ceil(walk.invocations / size), ctx.profile),
    origin,
    flops: 2 * sizeOf(from.shape),
    bytes: bytesOf(from, to, ...(before ? [before] : [])),
  });
}

const lowerCumsum: Lower<'cumsum'> = (ctx, node) => {
  const from = ctx.view(node.inputs[0]);
  const { axis, reverse } = node.attrs;
  const { origin } = node;
  const to = ctx.result(node);
  emitScan(ctx, { name: 'cumsum', from, to, axis, reverse, exclusive: false, origin });
};

export const scanLowerings = { cumsum: lowerCumsum };
