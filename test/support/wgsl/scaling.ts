/** The state of a loss scale before the first step, as sessions write it. */
import type { ScalerInfo } from '../../../compiler/plan/types.ts';
import { scalerSlots } from '../../../compiler/slots.ts';

export function initialScaling({ initial }: ScalerInfo): number[] {
  return scalerSlots.map((slot) => (slot === 'scale' ? initial : 0));
}
