/** The optimizer's part of a training plan: AdamW over the flat arenas, behind the gradients. */
import { fail } from '../../grammar/diagnostics.ts';
import { type DType, gradientPrefix } from '../graph/types.ts';
import type { Lowered } from '../kernels/lowering/lower.ts';
import type { Storage, Storages } from '../kernels/text/view.ts';
import { scalerElements } from '../kernels/update/loss-scale.ts';
import { updateKernels } from '../kernels/update/update.ts';
import type { DeviceProfile } from '../profile.ts';
import { type Arenas, mebibytes } from './assemble.ts';
import type { WeightInfo } from './layout.ts';
import type { BufferRole } from './types.ts';

export interface UpdateOptions {
  /** Names of the weights that are trained. */
  readonly trainable: readonly string[];
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Decay applies to weights with at least this many dimensions. */
  readonly decayMinDims: number;
  /** Largest global gradient norm; the host writes it as `clip_norm` with the other hyper values. */
  readonly clip?: number;
  /** The loss scale of mixed precision: `dynamic`, or one that stays. Without it gradients carry none. */
  readonly lossScale?: 'dynamic' | number;
  /** Bounds of scalar weights, applied behind each step. */
  readonly clamps: readonly { readonly weight: string; readonly min: number; readonly max: number }[];
}

export function appendUpdate(
  lowered: Lowered,
  options: UpdateOptions,
  weights: readonly WeightInfo[],
  arenas: Arenas,
  profile: DeviceProfile,
  storages: Storages,
): Lowered {
  const gradients = arenas.get('gradients')!;
  const bytes = gradients.parts.reduce((a, b) => a + b, 0);
  if (gradients.parts.length > 1) {
    fail(
      'Z604',
      `training needs ${mebibytes(bytes)} MiB in one buffer for the trained weights, the device allows ${mebibytes(profile.limits.maxBufferSize)} MiB`,
      'freeze a part of the model, or train on a device with larger buffers',
    );
  }
  const elements = bytes / 4;
  const arena = (role: BufferRole & Storage['place'], size: number, dtype: DType = 'f32'): Storage =>
    storages.make({ dtype, elements: size, label: role, place: role });
  const decaying = new Set(
    weights
      .filter((w) => w.trainable && w.shape.length >= options.decayMinDims)
      .map((w) => gradientPrefix + w.name),
  );
  const decayBytes = [...gradients.places].reduce(
    (sum, [name, p]) => sum + (decaying.has(name) ? p.bytes : 0),
    0,
  );
  const kernels = updateKernels({
    weights: arena('weights', elements),
    gradients: arena('gradients', elements),
    moment1: arena('moment1', elements),
    moment2: arena('moment2', elements),
    hyper: arena('hyper', 64),
    elements,
    decayElements: decayBytes / 4,
    beta1: options.beta1,
    beta2: options.beta2,
    eps: options.eps,
    weightDecay: options.weightDecay,
    clip: options.clip !== undefined,
    ...(options.lossScale === undefined
      ? {}
      : {
          mixed: {
            scaler: arena('scaler', scalerElements),
            halves: arena('halves', elements, 'f16'),
            dynamic: options.lossScale === 'dynamic',
          },
        }),
    clamps: options.clamps.map(({ weight, min, max }) => ({
      index: arenas.get('weights')!.places.get(weight)!.offset / 4,
      min,
      max,
    })),
    normOut: storages.make({
      dtype: 'f32',
      elements: 1,
      label: 'grad_norm',
      place: 'output',
      name: 'grad_norm',
    }),
    profile,
    scratch: (elements, dtype, label) => storages.make({ dtype, elements, label, place: 'workspace' }),
  });
  return { setup: lowered.setup, kernels: [...lowered.kernels, ...kernels] };
}
