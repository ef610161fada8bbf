/**
 * The optimizer over flat memory: gradient norm (gradient-norm.ts), AdamW with clipping, clamps of scalar
 * weights.
 *
 * All trainable weights lie in one arena, their gradients and moments in arenas of the same layout, so one
 * dispatch updates them all (several where an arena passes the binding limit). The order of operations is
 * that of PyTorch's AdamW: decay first, then the moments, then p -= lr / bc1 * m / (sqrt(v) / sqrt(bc2) +
 * eps). In mixed precision it unscales the gradients, leaves everything as it is where one overflowed
 * (loss-scale.ts), and writes halves of the weights along.
 */
import { hyperSlots } from '../../slots.ts';
import { flatMain, flatWorkgroup } from '../text/access.ts';
import { gridOf, type Kernel } from '../text/kernel.ts';
import { store } from '../text/memory.ts';
import { literal } from '../text/wgsl.ts';
import { bindingStart, startOf, type Window, windowArg, windowsOf } from '../text/windows.ts';
import { gradientNorm } from './gradient-norm.ts';
import { biasCorrection, scalerArg, scalerValue } from './loss-scale.ts';
import { origin, type UpdateSpec } from './update-spec.ts';

/** The kernels of one optimizer step, in order. */
export function updateKernels(spec: UpdateSpec): Kernel[] {
  if (spec.elements % 4 !== 0 || spec.decayElements % 4 !== 0) {
    throw new Error('optimizer arenas must be multiples of 4 elements');
  }
  return [...gradientNorm(spec), ...adamKernels(spec), ...clampKernels(spec)];
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
    const halves = mixed && windowArg('halves_data', 4, mixed.halves, 'read_write', window);
    return {
      name: 'adamw',
      args: [
        windowArg('weights_data', 4, spec.weights, 'read_write', window),
        windowArg('gradients_data', 4, spec.gradients, 'read', window),
        windowArg('moment1_data', 4, spec.moment1, 'read_write', window),
        windowArg('moment2_data', 4, spec.moment2, 'read_write', window),
        { name: 'hyper_data', width: 1, storage: spec.hyper, access: 'read' },
        ...(spec.clip
          ? [{ name: 'norm_data', width: 1, storage: spec.normOut, access: 'read' } as const]
          : []),
        ...(mixed && halves ? [scalerArg(mixed, 'read'), halves] : []),
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
${halves ? `  ${store(halves, 'index', 'p')}\n` : ''}}
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
      args: [windowArg('weights_data', 1, spec.weights, 'read_write', window)],
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
