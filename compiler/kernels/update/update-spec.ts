/** What the optimizer's kernels work on: flat memory, settings, and what mixed precision adds. */
import type { Origin } from '../../graph/types.ts';
import type { DeviceProfile } from '../../profile.ts';
import type { Storage } from '../text/view.ts';

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

export const origin: Origin = { path: 'optimizer' };
