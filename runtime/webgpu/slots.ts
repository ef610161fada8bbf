/** Slots of a plan and the host's arrays: looked up by name, checked, and seen in bytes that were read. */
import type { ScalerInfo, Slot } from '../../compiler/plan/types.ts';
import { scalerSlots } from '../../compiler/slots.ts';
import { slotBytes } from '../submits.ts';
import type { HostArray } from '../types.ts';

/** Throws where data do not have a slot's length and type. */
export function checkData(slot: Slot, data: HostArray): void {
  const elements = slotBytes(slot) / 4;
  const wanted = slot.dtype === 'i32' ? Int32Array : Float32Array;
  if (data.length !== elements || !(data instanceof wanted))
    throw new Error(
      `${slot.name} wants ${elements} ${slot.dtype} values, got ${data.length} (${data.constructor.name})`,
    );
}

/** The state of a loss scale before the first step. */
export function initialScaling({ initial }: ScalerInfo): Float32Array {
  return Float32Array.from(scalerSlots, (slot) => (slot === 'scale' ? initial : 0));
}

export function find<T>(slots: ReadonlyMap<string, T>, name: string, what: string): T {
  const slot = slots.get(name);
  if (slot === undefined) throw new Error(`the plan has no ${what} ${name}`);
  return slot;
}

export function view(bytes: ArrayBuffer, slot: Slot, at: number, length: number): HostArray {
  return slot.dtype === 'i32' ? new Int32Array(bytes, at, length) : new Float32Array(bytes, at, length);
}
