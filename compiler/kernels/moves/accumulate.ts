/**
 * Sums in place: a chunk's gradients are added to those of the chunks before.
 *
 * Dense values are added in windows, because a gradient may be larger than one binding (ViT-L/14's token
 * embedding).
 */
import type { Origin } from '../../graph/types.ts';
import { sizeOf } from '../../graph/types.ts';
import { flatMain, flatWorkgroup } from '../text/access.ts';
import { type Emitter, gridOf } from '../text/kernel.ts';
import { load } from '../text/memory.ts';
import { isDense, type View } from '../text/view.ts';
import { windowArg, windowsOf } from '../text/windows.ts';
import { emitMap } from './map.ts';

/** Emits `to += from`; `to` is dense. */
export function emitAccumulate(ctx: Emitter, from: View, to: View, origin: Origin): void {
  if (!isDense(from) || from.offset !== 0) {
    const program = { inputs: 2, instructions: [{ op: 'add', args: [0, 1] }] } as const;
    emitMap(ctx, { name: 'accumulate', program, inputs: [to, from], result: to, origin });
    return;
  }
  const count = sizeOf(to.shape);
  const lanes = count % 4 === 0 ? 4 : 1;
  const size = flatWorkgroup(ctx.profile);
  for (const window of windowsOf(count, lanes, ctx.profile)) {
    const units = window.elements / lanes;
    const source = windowArg('from_data', lanes, from.storage, 'read', window);
    // Gradients are f32.
    ctx.emit({
      name: 'accumulate',
      args: [source, windowArg('to_data', lanes, to.storage, 'read_write', window)],
      body: `${flatMain(size, units)}  to_data[index] += ${load(source, 'index')};\n}\n`,
      workgroups: gridOf(Math.ceil(units / size), ctx.profile),
      origin,
      flops: window.elements,
      bytes: 12 * window.elements,
    });
  }
}
