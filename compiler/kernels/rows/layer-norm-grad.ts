/**
 * All three gradients of a layer norm in one pass over x and dy, for GPUs: an invocation keeps its columns' share of
 * the weight's and the bias's gradient while its team goes from row to row, and a workgroup leaves one row of partial
 * sums.
 *
 * A row is held in registers between its reductions. Sums have a fixed order, which follows from sizes alone.
 */
import { type NodeOf, sizeOf } from '../../graph/types.ts';
import {
  bytesOf,
  indexExpression,
  type Operand,
  Operands,
  repeatsLast,
  vectorizable,
} from '../text/access.ts';
import { gridOf, type LowerContext } from '../text/kernel.ts';
import type { View } from '../text/view.ts';
import { literal, upTo } from '../text/wgsl.ts';
import { arithmeticBehind } from './behind.ts';
import { joinPartials, partials } from './columns.ts';
import { horizontal } from './folds.ts';
import type { RowInput } from './rows.ts';

const invocations = 256;
/** Loads of a row that an invocation holds of each operand at most: three of them and two sums are 80 registers. */
const mostPlaces = 4;
/** Workgroups wanted, about two for each multiprocessor of the largest cards. */
const busy = 256;

/** How a row is shared: loads (of vec4s or elements), invocations that share it, loads of each. */
interface Share {
  readonly vector: boolean;
  readonly loads: number;
  readonly team: number;
  readonly places: number;
}

function shareOf(views: readonly View[]): Share | undefined {
  const length = views[0]!.shape.at(-1)!;
  const vector = views.every(vectorizable);
  const loads = vector ? length / 4 : length;
  let team = 32;
  while (team < invocations && loads > mostPlaces * team) team *= 2;
  const places = Math.ceil(loads / team);
  // A workgroup's sums of both gradients take 16 KiB at most.
  return places <= mostPlaces && (vector ? 32 : 8) * loads <= 16384
    ? { vector, loads, team, places }
    : undefined;
}

/** Sums of two values over a team in three barriers: eight invocations add a part each, all add the eight. */
function teamSum(team: number): string {
  return `fn team_sum(lane: u32, own: vec2<f32>) -> vec2<f32> {
  let base = lane - lane % ${team}u;
  shares[lane] = own;
  workgroupBarrier();
  if (lane % ${team}u < 8u) {
    let first = base + lane % ${team}u * ${team / 8}u;
    var part = shares[first];
    for (var i = 1u; i < ${team / 8}u; i += 1u) { part += shares[first + i]; }
    parts[lane / ${team}u * 8u + lane % ${team}u] = part;
  }
  workgroupBarrier();
  let at = lane / ${team}u * 8u;
  var total = parts[at];
  for (var i = 1u; i < 8u; i += 1u) { total += parts[at + i]; }
  workgroupBarrier();
  return total;
}
`;
}

/** Addresses and values of operands at place number `k` of an invocation's row. */
class Places {
  readonly #operands: Operands;
  readonly #share: Share;

  constructor(operands: Operands, share: Share) {
    this.#operands = operands;
    this.#share = share;
  }

  #unit(view: View): number {
    return this.#share.vector && vectorizable(view) ? 4 : 1;
  }

  /** Where the row begins, for [..., length] and for [length]. */
  base({ role, view }: RowInput): string {
    const unit = this.#unit(view);
    const strides = view.strides.slice(0, -1).map((stride) => stride / unit);
    return `let ${role}_base = ${indexExpression('row', view.shape.slice(0, -1), strides, view.offset / unit)};`;
  }

  load({ role, view }: RowInput, i: string): string {
    const { vector } = this.#share;
    const stride = view.strides.at(-1)!;
    if (repeatsLast(view)) {
      const one = this.#operands.load(role, `${role}_base`);
      return vector ? `vec4<f32>(${one})` : one;
    }
    if (this.#unit(view) === 4) return this.#operands.load(role, `${role}_base + ${i}`);
    if (!vector) return this.#operands.load(role, `${role}_base + ${i} * ${stride}u`);
    const parts = upTo(4).map((q) =>
      this.#operands.load(role, `${role}_base + (4u * ${i} + ${q}u) * ${stride}u`),
    );
    return `vec4<f32>(${parts.join(', ')})`;
  }

  store({ role, view }: RowInput, i: string, value: string): string {
    const stride = view.strides.at(-1)!;
    if (this.#unit(view) === 4) return this.#operands.store(role, `${role}_base + ${i}`, value);
    if (!this.#share.vector) return this.#operands.store(role, `${role}_base + ${i} * ${stride}u`, value);
    return upTo(4)
      .map((q) =>
        this.#operands.store(role, `${role}_base + (4u * ${i} + ${q}u) * ${stride}u`, `${value}[${q}]`),
      )
      .join(' ');
  }
}

/** Whether rows are short enough to be held in registers. */
export function holdsRows({ profile }: LowerContext, views: readonly View[]): boolean {
  return profile.kind === 'gpu' && shareOf(views) !== undefined;
}

/**
 * Emits the gradient of x, and the kernel that joins what it sums.
 * @param sums where the gradient of the weight goes, and of the bias, if it comes along
 */
export function emitLayerNormGradients(
  ctx: LowerContext,
  node: NodeOf<'layer_norm_grad'>,
  sums: readonly View[],
): void {
  const [x, weight, dy] = node.inputs.map((id) => ctx.view(id)) as [View, View, View];
  const share = shareOf([x, weight, dy])!;
  const { vector, loads, team, places } = share;
  const behind = arithmeticBehind(ctx, node, 'rstd * (g - g_mean - c * mixed)');
  const extras = behind?.extras ?? [];
  const out: RowInput = { role: 'out', view: behind?.output ?? ctx.result(node) };
  const length = x.shape.at(-1)!;
  const rows = sizeOf(x.shape.slice(0, -1));
  const teams = invocations / team;
  const turns = Math.max(1, Math.round(rows / (busy * teams)));
  const groups = Math.ceil(rows / (teams * turns));
  const partial = partials(ctx, node, groups, sums.length, length);
  const given: RowInput[] = [
    { role: 'x', view: x },
    { role: 'dy', view: dy },
  ];
  const operands = new Operands([
    ...[...given, { role: 'weight', view: weight }, ...extras].map(
      ({ role, view }): Operand => ({ role, view, access: 'read', vector: vector && vectorizable(view) }),
    ),
    { ...out, access: 'read_write', vector: vector && vectorizable(out.view) },
    { role: 'sums', view: partial, access: 'read_write', vector },
  ]);
  const at = new Places(operands, share);
  const type = vector ? 'vec4<f32>' : 'f32';
  const each = (line: (k: number) => string) => upTo(places).map(line);
  const whole = loads % team === 0;
  const inside = (k: number) => (whole || k < places - 1 ? undefined : `i${k} < ${loads}u`);
  const guarded = (k: number, value: string) =>
    inside(k) ? `select(${type}(), ${value}, ${inside(k)})` : value;
  const clamped = (k: number) => (inside(k) ? `min(i${k}, ${loads - 1}u)` : `i${k}`);
  const when = (k: number, lines: string) => (inside(k) ? `if (${inside(k)}) { ${lines} }` : `{ ${lines} }`);
  const across = (value: (k: number) => string) =>
    upTo(places)
      .map((k) => (vector ? horizontal('sum', value(k)) : value(k)))
      .join(' + ');
  const terms = (k: number) => [`dy${k} * (c${k} * rstd)`, `dy${k}`].slice(0, sums.length);
  const lines = [
    `let number = group.x + group.y * groups.x;`,
    `if (number >= ${groups}u) { return; }`,
    `let team = lane / ${team}u;`,
    ...each((k) => `let i${k} = lane % ${team}u + ${k * team}u;`),
    `let weight_base = ${weight.offset / (vector ? 4 : 1)}u;`,
    ...each((k) => `let w${k} = ${at.load({ role: 'weight', view: weight }, clamped(k))};`),
    ...each((k) => sums.map((_, v) => `var sum${v}_${k} = ${type}();`).join(' ')),
    `for (var turn = 0u; turn < ${turns}u; turn += 1u) {`,
    `let own = (turn * ${groups}u + number) * ${teams}u + team;`,
    // Teams without a row go along, since all of a workgroup meet at barriers.
    `let row = min(own, ${rows - 1}u);`,
    ...[...given, ...extras, out].map((operand) => at.base(operand)),
    ...given.flatMap((operand) =>
      each((k) => `let ${operand.role}${k} = ${guarded(k, at.load(operand, clamped(k)))};`),
    ),
    ...each((k) => `let g${k} = dy${k} * w${k};`),
    `let first = team_sum(lane, vec2<f32>(${across((k) => `x${k}`)}, ${across((k) => `g${k}`)})) / ${literal(length)};`,
    'let mean = first.x; let g_mean = first.y;',
    ...each((k) => `let c${k} = ${guarded(k, `x${k} - mean`)};`),
    ...each((k) => `let square${k} = c${k} * c${k}; let along${k} = g${k} * c${k};`),
    `let second = team_sum(lane, vec2<f32>(${across((k) => `square${k}`)}, ${across((k) => `along${k}`)})) / ${literal(length)};`,
    `let rstd = inverseSqrt(second.x + ${literal(node.attrs.eps)});`,
    'let mixed = second.y * rstd * rstd;',
    `if (own < ${rows}u) {`,
    ...each((k) => {
      const loaded = extras.map((extra) => `let ${extra.role} = ${at.load(extra, `i${k}`)};`).join(' ');
      const value = `let value = ${behind?.value ?? 'rstd * (g - g_mean - c * mixed)'};`;
      return when(k, `let g = g${k}; let c = c${k}; ${loaded} ${value} ${at.store(out, `i${k}`, 'value')}`);
    }),
    ...each((k) =>
      terms(k)
        .map((term, v) => `sum${v}_${k} += ${term};`)
        .join(' '),
    ),
    '}',
    '}',
    // The teams' sums, one after the other.
    ...upTo(teams).flatMap((t) => [
      `if (team == ${t}u) {`,
      ...each((k) =>
        when(
          k,
          sums
            .map((_, v) => `columns[i${k} + ${v * loads}u] ${t === 0 ? '=' : '+='} sum${v}_${k};`)
            .join(' '),
        ),
      ),
      '}',
      'workgroupBarrier();',
    ]),
    `for (var i = lane; i < ${sums.length * loads}u; i += ${invocations}u) {`,
    operands.store('sums', `number * ${sums.length * loads}u + i`, 'columns[i]'),
    '}',
  ];
  ctx.emit({
    name: vector ? 'layer_norm_grad_sums_vec4' : 'layer_norm_grad_sums',
    args: operands.args,
    body: `var<workgroup> shares: array<vec2<f32>, ${invocations}>;
var<workgroup> parts: array<vec2<f32>, ${8 * teams}>;
var<workgroup> columns: array<${type}, ${sums.length * loads}>;
${teamSum(team)}@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  ${lines.join('\n  ')}
}
`,
    workgroups: gridOf(groups, ctx.profile),
    origin: node.origin,
    flops: 23 * sizeOf(x.shape),
    bytes: bytesOf(x, weight, dy, out.view, partial, ...extras.map(({ view }) => view)),
  });
  joinPartials(ctx, node, { op: 'sum', scale: undefined }, partial, sums);
}
