/**
 * The global norm of the gradients: sums of squares of blocks, then their sum, in a fixed tree, so that
 * reruns give the same bits.
 *
 * In mixed precision the same pass looks for overflow, by the bits of the stored values. A block with one
 * leaves a negative partial sum, which no sum of squares is; the second kernel then moves the loss scale's
 * state on (loss-scale.ts).
 */
import { alignUp } from '../../graph/dims.ts';
import { type DeviceProfile, elementsPerBinding } from '../../profile.ts';
import { treeReduction } from '../rows/folds.ts';
import { flatMain } from '../text/access.ts';
import { gridOf, type Kernel } from '../text/kernel.ts';
import type { Storage } from '../text/view.ts';
import { type Window, windowArg, windowsOf } from '../text/windows.ts';
import { nonFiniteBits, printScalerStep, scalerArg } from './loss-scale.ts';
import { hyperArg, origin, type UpdateSpec } from './update-spec.ts';

const MOST_BLOCK = { cpu: 4096, gpu: 16384 } as const;
const LEAST_BLOCK = 256;

/**
 * Elements of one partial sum of squares of an arena. Ranks that divide it have whole blocks, so that the norm has the
 * same bits; small arenas have smaller ones, so that there is something to divide.
 */
export function normBlock(elements: number, { kind }: Pick<DeviceProfile, 'kind'>): number {
  const some = 2 ** Math.floor(Math.log2(elements / 64));
  return Math.min(MOST_BLOCK[kind], Math.max(LEAST_BLOCK, some));
}
const GPU_THREADS = 256;

/** WGSL that finds overflow along with a sum; all of it empty in f32. */
interface Watch {
  /** Declarations of a workgroup that shares what its invocations found. */
  readonly shared: string;
  /** Statements of an invocation: begin, after a value on a condition, and tell the workgroup. */
  readonly begin: string;
  readonly tell: string;
  look(condition: string): string;
  /** `sum`, or a negative number where something was found, by this invocation or by its workgroup. */
  marked(sum: string): string;
}

/** Whether the workgroup, or the invocation by itself, found something. */
const foundBy = (gpu: boolean) => (gpu ? 'atomicLoad(&overflow) == 1u' : 'found');

function watchOf(spec: UpdateSpec): Watch {
  if (spec.mixed === undefined)
    return { shared: '', begin: '', tell: '', look: () => '', marked: (sum) => sum };
  const gpu = spec.profile.kind === 'gpu';
  return {
    shared: gpu ? 'var<workgroup> overflow: atomic<u32>;\n' : '',
    begin: '  var found = false;\n',
    tell: gpu ? '  if (found) { atomicStore(&overflow, 1u); }\n' : '',
    look: (condition) => `    found = found || ${condition};\n`,
    marked: (sum) => `select(${sum}, -1.0, ${foundBy(gpu)})`,
  };
}

export interface GradientNorm {
  /** Of blocks of the parts that are updated. */
  readonly squares: readonly Kernel[];
  /** Sums of squares of the blocks of all elements, in order. */
  readonly partials: Storage;
  /** Leaves the norm in `spec.normOut`. */
  readonly norm: Kernel;
}

export function gradientNorm(spec: UpdateSpec): GradientNorm {
  const { profile, elements, parts } = spec;
  const block = normBlock(elements, profile);
  // Whole blocks, wherever windows begin: so partial sums do not depend on them.
  const row = elementsPerBinding(profile) < block ? 4 : block;
  let end = 0;
  const windows = parts.flatMap((part) => {
    end = part.start / block;
    return windowsOf(part.elements, row, profile).map((window) => {
      const first = end;
      end += Math.ceil(window.elements / block);
      return { first, window: { ...window, start: part.start + window.start } };
    });
  });
  const total = Math.max(Math.ceil(elements / block), end);
  const partials = spec.scratch(alignUp(total, 4), 'f32', 'partial squared norms');
  const squares = windows.map(({ window, first }) => squaresOf(spec, window, partials, first));
  return { squares, partials, norm: normOf(spec, partials, total) };
}

/** partials[first + b] = sum of squares of block b of the window. */
function squaresOf(spec: UpdateSpec, window: Window, partials: Storage, first: number): Kernel {
  const { profile } = spec;
  const block = normBlock(spec.elements, profile);
  const blocks = Math.ceil(window.elements / block);
  const gpu = profile.kind === 'gpu';
  const step = gpu ? GPU_THREADS : 1;
  const watch = watchOf(spec);
  const head = gpu
    ? `${sharedTree()}${watch.shared}@compute @workgroup_size(${GPU_THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let index = group.x + group.y * groups.x;
  if (index >= ${blocks}u) { return; }
`
    : flatMain(8, blocks);
  const from = `index * ${block / 4}u`;
  const total = '((total.x + total.y) + (total.z + total.w))';
  const place = `partials_data[index + ${first}u]`;
  const write = gpu
    ? `${watch.tell}  let joined = tree_sum(lane, ${total});
  if (lane == 0u) { ${place} = ${watch.marked('joined')}; }`
    : `  ${place} = ${watch.marked(total)};`;
  const notFinite = `any((bitcast<vec4<u32>>(g) & vec4<u32>(${nonFiniteBits})) == vec4<u32>(${nonFiniteBits}))`;
  return {
    name: 'gradient_squares',
    args: [
      windowArg('gradients_data', 4, spec.gradients, 'read', window),
      { name: 'partials_data', width: 1, storage: partials, access: 'read_write' },
    ],
    body: `${head}  var total = vec4<f32>();
${watch.begin}  let end = min(${from} + ${block / 4}u, ${window.elements / 4}u);
  for (var i = ${from}${gpu ? ' + lane' : ''}; i < end; i += ${step}u) {
    let g = gradients_data[i];
${watch.look(notFinite)}    total += g * g;
  }
${write}
}
`,
    workgroups: gridOf(gpu ? blocks : Math.ceil(blocks / 8), profile),
    origin,
    flops: 2 * window.elements,
    bytes: 4 * (window.elements + blocks),
  };
}

function sharedTree(): string {
  return `var<workgroup> shares: array<f32, ${GPU_THREADS}>;\n${treeReduction('sum', GPU_THREADS)}`;
}

/** normOut = sqrt(sum of partials). Eight running sums on CPUs, a tree over a workgroup on GPUs. */
function normOf(spec: UpdateSpec, partials: Storage, count: number): Kernel {
  const gpu = spec.profile.kind === 'gpu';
  const { mixed } = spec;
  const watch = watchOf(spec);
  const finish = (total: string) =>
    mixed ? printScalerStep(total, foundBy(gpu), mixed.dynamic, spec.clip) : `norm_data[0] = sqrt(${total});`;
  const body = gpu
    ? `${sharedTree()}${watch.shared}@compute @workgroup_size(${GPU_THREADS})
fn main(@builtin(local_invocation_index) lane: u32) {
  var total = 0.0;
${watch.begin}  for (var i = lane; i < ${count}u; i += ${GPU_THREADS}u) {
    let x = partials_data[i];
${watch.look('x < 0.0')}    total += x;
  }
${watch.tell}  let joined = tree_sum(lane, total);
  if (lane == 0u) { ${finish('joined')} }
}
`
    : `@compute @workgroup_size(1)
fn main() {
  var low = vec4<f32>();
  var high = vec4<f32>();
${watch.begin}  for (var i = 0u; i < ${count}u; i += 8u) {
    let last = ${count - 1}u;
    let a = vec4<u32>(i, i + 1u, i + 2u, i + 3u);
    let b = a + 4u;
    let x = vec4<f32>(${[0, 1, 2, 3].map((k) => `partials_data[min(a[${k}], last)]`).join(', ')});
    let y = vec4<f32>(${[0, 1, 2, 3].map((k) => `partials_data[min(b[${k}], last)]`).join(', ')});
${watch.look('any(min(x, y) < vec4<f32>())')}    low += select(vec4<f32>(), x, a <= vec4<u32>(last));
    high += select(vec4<f32>(), y, b <= vec4<u32>(last));
  }
  let total = low + high;
  ${finish('(total.x + total.y) + (total.z + total.w)')}
}
`;
  return {
    name: 'gradient_norm',
    args: [
      { name: 'partials_data', width: 1, storage: partials, access: 'read' },
      { name: 'norm_data', width: 1, storage: spec.normOut, access: 'read_write' },
      ...(mixed ? [scalerArg(mixed, 'read_write')] : []),
      ...(mixed && spec.clip ? [hyperArg(spec)] : []),
    ],
    body,
    workgroups: [1, 1, 1],
    origin,
    flops: count,
    bytes: 4 * count + 4,
  };
}
