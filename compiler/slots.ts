/**
 * What kernels, plans and the host agree on: the meaning of the values in the small buffers of a training
 * step.
 */

/**
 * Meaning of the f32 values in the `hyper` buffer, in this order. Written by the host before each training
 * step.
 */
export const hyperSlots = ['lr', 'bias_correction1', 'bias_correction2', 'clip_norm'] as const;
export type HyperSlot = (typeof hyperSlots)[number];

/**
 * Meaning of the f32 values in the `scaler` buffer, in this order: the scale that gradients carry, steps
 * without overflow since it last changed, updates done, steps skipped in all and in a row, and what the last
 * step's gradients were multiplied by (0 where it was skipped), clipping included.
 */
export const scalerSlots = ['scale', 'clean', 'updates', 'skipped', 'skipped_in_row', 'inverse'] as const;
export type ScalerSlot = (typeof scalerSlots)[number];
