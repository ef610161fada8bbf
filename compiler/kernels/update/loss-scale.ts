/**
 * The dynamic loss scale of mixed precision, kept on the device so that no step waits for the host.
 *
 * Gradients carry a factor that lifts small ones over the smallest half (Micikevicius et al. 2018, section
 * 3.2). Where one overflowed, the step is skipped and the factor halved; after 2 000 steps without, it is
 * doubled. Overflow is found by the bits of stored values: shader compilers may assume that comparisons never
 * see infinities.
 */
import { type ScalerSlot, scalerSlots } from '../../slots.ts';
import type { KernelArg } from '../text/kernel.ts';
import { literal } from '../text/wgsl.ts';
import { clipFactor, type MixedUpdate } from './update-spec.ts';

/** The graph's input that holds the scale. */
export const lossScaleInput = 'loss_scale';
/** Name of the state in its arena. */
export const scalerName = 'loss_scaler';
/** f32 values that its buffer holds: a whole unit of alignment. */
export const scalerElements = 64;

/** The factor of gradients that nobody updates with, in plans that only compute them. */
export const constantScale = 1024;

/** Where a dynamic scale begins. */
export const initialScale = 65536;

const growthInterval = 2000;

/** WGSL: an exponent of all ones, as infinities and NaN have. */
export const nonFiniteBits = '0x7f800000u';

export const scalerValue = (slot: ScalerSlot) => `scaler_data[${scalerSlots.indexOf(slot)}]`;

export function scalerArg({ scaler }: MixedUpdate, access: KernelArg['access']): KernelArg {
  return { name: 'scaler_data', width: 1, storage: scaler, access };
}

/**
 * WGSL behind the sum of squares: moves the state on and leaves the norm of the unscaled gradients, which
 * means nothing where they overflowed.
 * @param total f32 expression: the sum of squares of the scaled gradients
 * @param found bool expression: whether a gradient is not finite
 * @param dynamic whether the scale moves at all
 * @param clips whether gradients are bounded by their norm
 */
export function printScalerStep(total: string, found: string, dynamic: boolean, clips: boolean): string {
  const at = scalerValue;
  return `let squares = ${total};
  let scale = ${at('scale')};
  let overflow = ${found} || (bitcast<u32>(squares) & ${nonFiniteBits}) == ${nonFiniteBits};
  norm_data[0] = sqrt(squares) / scale;
  if (overflow) {
    ${at('clean')} = 0.0;
    ${at('skipped')} += 1.0;
    ${at('skipped_in_row')} += 1.0;
    ${at('inverse')} = 0.0;
    ${dynamic ? `${at('scale')} = scale * 0.5;` : ''}
  } else {
    let clean = ${at('clean')} + 1.0;
    ${at('clean')} = ${dynamic ? `select(clean, 0.0, clean >= ${literal(growthInterval)})` : 'clean'};
    ${at('updates')} += 1.0;
    ${at('skipped_in_row')} = 0.0;
    ${at('inverse')} = 1.0 / scale${clips ? ` * ${clipFactor('norm_data[0]')}` : ''};
    ${dynamic ? `${at('scale')} = select(scale, scale * 2.0, clean >= ${literal(growthInterval)});` : ''}
  }`;
}

/**
 * WGSL function `bias_correction(log_beta)` = 1 - beta^updates, right where beta^updates is close to 1.
 * Skipped steps are no updates, so the host cannot know it.
 */
export const biasCorrection = `fn bias_correction(log_beta: f32) -> f32 {
  let x = ${scalerValue('updates')} * log_beta;
  let series = -x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0)))));
  return select(1.0 - exp(x), series, x > -0.25);
}
`;
