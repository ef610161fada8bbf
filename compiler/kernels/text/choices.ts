/** What plans record of the choices that kernels were made by. */

/**
 * What ranks make of a value: its `mean` over all of them, element by element; or, of equal parts of its first axis,
 * each from the rank whose number it has (`gather`).
 */
export type ExchangeKind = 'mean' | 'gather';

/** Families with a choice of schedules. `contract` are all products: matrix products and convolutions. */
export type ScheduleFamily = 'contract' | 'attention' | 'rows';

/** A choice that was made, as the plan records it. */
export interface ScheduleChoice {
  readonly family: ScheduleFamily;
  readonly key: string;
  readonly id: string;
}
