/**
 * The optimizer over flat memory: global gradient norm, AdamW with clipping, clamps of scalar weights.
 *
 * All trainable weights lie in one arena, their gradients and moments in arenas of the same layout, so one dispatch updates
 * them all (several where an arena passes the binding limit). The order of operations is that of PyTorch's AdamW:
 * decay first, then the moments, then p -= lr / bc1 * m / (sqrt(v) / sqrt(bc2) + eps). The norm is a sum of squares in a fixed
 * tree: vec4 partial sums of blocks, then their sum, so reruns give the same bits.
 * In mixed precision the pass over the squares also looks for overflow, which makes a partial sum negative; then weights and
 * moments stay as they are (loss-scale.ts).
 */
import { alignUp } from '../graph/dims.ts';
import type { Origin } from '../graph/types.ts';
import { hyperSlots } from '../plan/types.ts';
import type { DeviceProfile } from '../profile.ts';
import { flatMain, flatWorkgroup } from './access.ts';
import { withHalfStorage } from './half.ts';
import { gridOf, type Kernel, type KernelArg } from './kernel.ts';
import { biasCorrection, nonFiniteBits, printScalerStep, scalerValue } from './loss-scale.ts';
import { treeReduction } from './rows.ts';
import type { Storage } from './view.ts';
import { literal } from './wgsl.ts';
import { bindingStart, startOf, type Window, windowArg, windowsOf } from './windows.ts';

export interface UpdateSpec {
  readonly weights: Storage;
  readonly gradients: Storage;
  readonly moment1: Storage;
  readonly moment2: Storage;
  /** f32 scalars in the order of `hyperSlots`. */
  readonly hyper: Storage;
  /** Elements of the arenas that are trained: `[0, elements)`, a multiple of 4. Gaps must hold zero gradients. */
  readonly elements: number;
  /** Weight decay applies to `[0, decayElements)`, a multiple of 4. */
  readonly decayElements: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Scale gradients by min(1, clip_norm / (norm + 1e-6)). */
  readonly clip: boolean;
  /** Weights (by place in the arena) that are kept within bounds after the step. */
  readonly clamps: readonly { readonly index: number; readonly min: number; readonly max: number }[];
  /** Mixed precision: the state of the loss scale, and the weights as f16. */
  readonly mixed?: MixedUpdate;
  /** One f32: the global L2 norm of the gradients before clipping. */
  readonly normOut: Storage;
  readonly profile: DeviceProfile;
  scratch(elements: number, dtype: Storage['dtype'], label: string): Storage;
}

export interface MixedUpdate {
  readonly scaler: Storage;
  readonly halves: Storage;
  /** Whether the loss scale follows overflows. */
  readonly dynamic: boolean;
}

const origin: Origin = { path: 'optimizer' };

/** The kernels of one optimizer step, in order. */
export function updateKernels(spec: UpdateSpec): Kernel[] {
  if (spec.elements % 4 !== 0 || spec.decayElements % 4 !== 0) {
    throw new Error('optimizer arenas must be multiples of 4 elements');
  }
  return [...normKernels(spec), ...adamKernels(spec), ...clampKernels(spec)].map(withHalfStorage);
}

/** Elements of one partial sum of squares. */
const BLOCK = { cpu: 4096, gpu: 16384 } as const;
const GPU_THREADS = 256;

function normKernels(spec: UpdateSpec): Kernel[] {
  const block = BLOCK[spec.profile.kind];
  const windows = windowsOf(spec.elements, 4, spec.profile);
  const counts = windows.map((w) => Math.ceil(w.elements / block));
  const total = counts.reduce((a, b) => a + b, 0);
  const partials = spec.scratch(alignUp(total, 4), 'f32', 'partial squared norms');
  let first = 0;
  const kernels = windows.map((window, w): Kernel => {
    const kernel = squares(spec, window, partials, first);
    first += counts[w]!;
    return kernel;
  });
  return [...kernels, normOf(spec, partials, total)];
}

/** partials[first + b] = sum of squares of block b of the window. */
function squares(spec: UpdateSpec, window: Window, partials: Storage, first: number): Kernel {
  const { profile } = spec;
  const block = BLOCK[profile.kind];
  const blocks = Math.ceil(window.elements / block);
  const gpu = profile.kind === 'gpu';
  const step = gpu ? GPU_THREADS : 1;
  const mixed = spec.mixed !== undefined;
  const head = gpu
    ? `${sharedTree()}${mixed ? 'var<workgroup> overflow: atomic<u32>;\n' : ''}@compute @workgroup_size(${GPU_THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let index = group.x + group.y * groups.x;
  if (index >= ${blocks}u) { return; }
`
    : flatMain(8, blocks);
  const from = `index * ${block / 4}u`;
  const total = '((total.x + total.y) + (total.z + total.w))';
  const place = `partials_data[index + ${first}u]`;
  const marked = (sum: string, found: string) => (mixed ? `select(${sum}, -1.0, ${found})` : sum);
  const write = gpu
    ? `${mixed ? '  if (found) { atomicStore(&overflow, 1u); }\n' : ''}  let joined = tree_sum(lane, ${total});
  if (lane == 0u) { ${place} = ${marked('joined', 'atomicLoad(&overflow) == 1u')}; }`
    : `  ${place} = ${marked(total, 'found')};`;
  const look = `    found = found || any((bitcast<vec4<u32>>(g) & vec4<u32>(${nonFiniteBits})) == vec4<u32>(${nonFiniteBits}));\n`;
  return {
    name: 'gradient_squares',
    args: [
      windowArg('gradients_data', 'array<vec4<f32>>', spec.gradients, 'read', window),
      { name: 'partials_data', type: 'array<f32>', storage: partials, access: 'read_write' },
    ],
    body: `${head}  var total = vec4<f32>();
${mixed ? '  var found = false;\n' : ''}  let end = min(${from} + ${block / 4}u, ${window.elements / 4}u);
  for (var i = ${from}${gpu ? ' + lane' : ''}; i < end; i += ${step}u) {
    let g = gradients_data[i];
${mixed ? look : ''}    total += g * g;
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
  const finish = (total: string, found: string) =>
    mixed ? printScalerStep(total, found, mixed.dynamic) : `norm_data[0] = sqrt(${total});`;
  const body = gpu
    ? `${sharedTree()}${mixed ? 'var<workgroup> overflow: atomic<u32>;\n' : ''}@compute @workgroup_size(${GPU_THREADS})
fn main(@builtin(local_invocation_index) lane: u32) {
  var total = 0.0;
  for (var i = lane; i < ${count}u; i += ${GPU_THREADS}u) {
    let x = partials_data[i];
${mixed ? '    if (x < 0.0) { atomicStore(&overflow, 1u); }\n' : ''}    total += x;
  }
  let joined = tree_sum(lane, total);
  if (lane == 0u) { ${finish('joined', 'atomicLoad(&overflow) == 1u')} }
}
`
    : `@compute @workgroup_size(1)
fn main() {
  var low = vec4<f32>();
  var high = vec4<f32>();
${mixed ? '  var found = false;\n' : ''}  for (var i = 0u; i < ${count}u; i += 8u) {
    let last = ${count - 1}u;
    let a = vec4<u32>(i, i + 1u, i + 2u, i + 3u);
    let b = a + 4u;
    let x = vec4<f32>(${[0, 1, 2, 3].map((k) => `partials_data[min(a[${k}], last)]`).join(', ')});
    let y = vec4<f32>(${[0, 1, 2, 3].map((k) => `partials_data[min(b[${k}], last)]`).join(', ')});
${mixed ? '    found = found || any(x < vec4<f32>()) || any(y < vec4<f32>());\n' : ''}    low += select(vec4<f32>(), x, a <= vec4<u32>(last));
    high += select(vec4<f32>(), y, b <= vec4<u32>(last));
  }
  let total = low + high;
  ${finish('(total.x + total.y) + (total.z + total.w)', 'found')}
}
`;
  return {
    name: 'gradient_norm',
    args: [
      { name: 'partials_data', type: 'array<f32>', storage: partials, access: 'read' },
      { name: 'norm_data', type: 'array<f32>', storage: spec.normOut, access: 'read_write' },
      ...(mixed ? [scalerArg(mixed, 'read_write')] : []),
    ],
    body,
    workgroups: [1, 1, 1],
    origin,
    flops: count,
    bytes: 4 * count + 4,
  };
}

function scalerArg({ scaler }: MixedUpdate, access: KernelArg['access']): KernelArg {
  return { name: 'scaler_data', type: 'array<f32>', storage: scaler, access };
}

function adamKernels(spec: UpdateSpec): Kernel[] {
  const hyper = (name: (typeof hyperSlots)[number]) => `hyper_data[${hyperSlots.indexOf(name)}]`;
  const size = flatWorkgroup(spec.profile);
  const decays = spec.weightDecay !== 0 && spec.decayElements > 0;
  const { mixed } = spec;
  // Halves of a window begin at a multiple of 256 bytes as well.
  return windowsOf(spec.elements, mixed ? startOf(mixed.halves) : 4, spec.profile).map((window): Kernel => {
    const end = window.start + window.elements;
    const until = Math.max(0, Math.min(spec.decayElements, end) - window.start) / 4;
    const decay = decays && until > 0 ? `  p -= ${decayFactor(until, window, spec)} * p;\n` : '';
    const correction = (slot: 'bias_correction1' | 'bias_correction2', beta: number) =>
      mixed ? `bias_correction(${literal(Math.log(beta))})` : hyper(slot);
    const skip = mixed ? `  if (${scalerValue('inverse')} == 0.0) { return; }\n` : '';
    const unscaled = mixed ? ` * ${scalerValue('inverse')}` : '';
    const clipping = spec.clip ? ` * min(1.0, ${hyper('clip_norm')} / (norm_data[0] + 1e-6f))` : '';
    return {
      name: 'adamw',
      args: [
        windowArg('weights_data', 'array<vec4<f32>>', spec.weights, 'read_write', window),
        windowArg('gradients_data', 'array<vec4<f32>>', spec.gradients, 'read', window),
        windowArg('moment1_data', 'array<vec4<f32>>', spec.moment1, 'read_write', window),
        windowArg('moment2_data', 'array<vec4<f32>>', spec.moment2, 'read_write', window),
        { name: 'hyper_data', type: 'array<f32>', storage: spec.hyper, access: 'read' },
        ...(spec.clip
          ? [{ name: 'norm_data', type: 'array<f32>', storage: spec.normOut, access: 'read' } as const]
          : []),
        ...(mixed
          ? [
              scalerArg(mixed, 'read'),
              windowArg('halves_data', 'array<vec4<f32>>', mixed.halves, 'read_write', window),
            ]
          : []),
      ],
      body: `${mixed ? biasCorrection : ''}${flatMain(size, window.elements / 4)}${skip}  let lr = ${hyper('lr')};
  let g = gradients_data[index]${unscaled}${clipping};
  var p = weights_data[index];
${decay}  let m = moment1_data[index] + (g - moment1_data[index]) * ${literal(1 - spec.beta1)};
  let v = moment2_data[index] * ${literal(spec.beta2)} + g * g * ${literal(1 - spec.beta2)};
  moment1_data[index] = m;
  moment2_data[index] = v;
  let deviation = sqrt(v) / sqrt(${correction('bias_correction2', spec.beta2)}) + ${literal(spec.eps)};
  p -= lr / ${correction('bias_correction1', spec.beta1)} * (m / deviation);
  weights_data[index] = p;
${mixed ? '  halves_data[index] = p;\n' : ''}}
`,
      workgroups: gridOf(Math.ceil(window.elements / 4 / size), spec.profile),
      origin,
      flops: 14 * window.elements,
      bytes: 28 * window.elements,
    };
  });
}

/** lr * weight decay within the decayed part of a window, which ends at vec4 number `until`. */
function decayFactor(until: number, window: Window, spec: UpdateSpec): string {
  const factor = `lr * ${literal(spec.weightDecay)}`;
  return until === window.elements / 4 ? `(${factor})` : `select(0.0, ${factor}, index < ${until}u)`;
}

function clampKernels(spec: UpdateSpec): Kernel[] {
  return spec.clamps.map(({ index, min, max }): Kernel => {
    const start = Math.floor(index / bindingStart) * bindingStart;
    const window = { start, elements: Math.min(bindingStart, spec.weights.elements - start) };
    const at = `weights_data[${index - start}]`;
    return {
      name: 'clamp_weight',
      args: [windowArg('weights_data', 'array<f32>', spec.weights, 'read_write', window)],
      body: `@compute @workgroup_size(1)
fn main() {
  ${at} = clamp(${at}, ${literal(min)}, ${literal(max)});
}
`,
      workgroups: [1, 1, 1],
      origin,
      flops: 2,
      bytes: 8,
    };
  });
}
