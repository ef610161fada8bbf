/**
 * The optimizer over flat memory: gradient norm (gradient-norm.ts), then one pass that moves all weights.
 *
 * All trainable weights lie in one arena, their gradients and moments in arenas of the same layout, so one
 * dispatch updates them all (several where an arena passes the binding limit): clipping, the rule (rules.ts)
 * at each weight's own rates (rates.ts), bounds of scalar weights, the moving average. In mixed precision it
 * unscales the gradients, leaves everything as it is where one overflowed (loss-scale.ts), and writes halves of
 * the weights along.
 */
import { momentPrefixes } from '../../optimizers.ts';
import type { OwnPart } from '../../shards.ts';
import { flatMain, flatWorkgroup } from '../text/access.ts';
import { gridOf, type Kernel } from '../text/kernel.ts';
import { store } from '../text/memory.ts';
import type { Storage } from '../text/view.ts';
import { literal } from '../text/wgsl.ts';
import { startOf, type Window, windowArg, windowsOf } from '../text/windows.ts';
import { gradientNorm } from './gradient-norm.ts';
import { biasCorrection, scalerArg, scalerValue } from './loss-scale.ts';
import { printRates } from './rates.ts';
import { printRule } from './rules.ts';
import { clipFactor, hyperArg, hyperValue, origin, type UpdateSpec } from './update-spec.ts';

/** One optimizer step. */
export interface UpdateKernels {
  readonly squares: readonly Kernel[];
  /** What `squares` leave: a number for each block of the gradients. Ranks that divide them have those of theirs. */
  readonly partials: Storage;
  /** The norm of all gradients, and the update. */
  readonly moves: readonly Kernel[];
}

export function updateKernels(spec: UpdateSpec): UpdateKernels {
  if (spec.elements % 4 !== 0 || spec.rates.some(({ end }) => end % 4 !== 0)) {
    throw new Error('optimizer arenas must be multiples of 4 elements');
  }
  if (spec.rates.at(-1)?.end !== spec.elements) throw new Error('rates must reach over all elements');
  if (spec.moments.length !== momentPrefixes(spec.rule).length)
    throw new Error(`${spec.rule.kind} does not keep ${spec.moments.length} moments`);
  // Halves of a window begin at a multiple of 256 bytes as well.
  const row = spec.mixed?.halves ? startOf(spec.mixed.halves) : 4;
  const windows = spec.parts.flatMap(({ start, elements, kept }) =>
    windowsOf(elements, row, spec.profile).map(
      (w): OwnPart => ({ start: start + w.start, elements: w.elements, kept: kept + w.start }),
    ),
  );
  const { squares, partials, norm } = gradientNorm(spec);
  return { squares, partials, moves: [norm, ...windows.map((window) => moveWeights(spec, window))] };
}

function moveWeights(spec: UpdateSpec, window: OwnPart): Kernel {
  const { rule, mixed, moments, average } = spec;
  const size = flatWorkgroup(spec.profile);
  const rates = printRates(spec.rates, window);
  const skip = mixed ? `  if (${scalerValue('inverse')} == 0.0) { return; }\n` : '';
  // In mixed precision the scaler's factor clips as well.
  const clips = spec.clip && mixed === undefined;
  const factor = mixed ? ` * ${scalerValue('inverse')}` : clips ? ` * ${clipFactor('norm_data[0]')}` : '';
  const halves = mixed?.halves && windowArg('halves_data', 4, mixed.halves, 'read_write', window);
  const kept = { start: window.kept, elements: window.elements };
  const counts = mixed !== undefined && rule.kind === 'adamw';
  const moved = 2 + 2 * (moments.length + (average ? 1 : 0));
  return {
    name: rule.kind,
    args: [
      windowArg('weights_data', 4, spec.weights, 'read_write', window),
      windowArg('gradients_data', 4, spec.gradients, 'read', window),
      ...moments.map((m, i) => windowArg(`moment${i + 1}_data`, 4, m, 'read_write', kept)),
      ...(average ? [windowArg('average_data', 4, average.storage, 'read_write', kept)] : []),
      hyperArg(spec),
      ...(clips ? [{ name: 'norm_data', width: 1, storage: spec.normOut, access: 'read' } as const] : []),
      ...(mixed ? [scalerArg(mixed, 'read')] : []),
      ...(halves ? [halves] : []),
    ],
    body: `${counts ? biasCorrection : ''}${rates.declaration}${flatMain(size, window.elements / 4)}${skip}${rates.lookup}  let lr = ${hyperValue('lr')}${rates.scale === undefined ? '' : ` * ${rates.scale}`};
  let g = gradients_data[index]${factor};
  var p = weights_data[index];
${printRule(rule, { decay: rates.decay, countsUpdates: counts })}${printClamps(spec, window)}  weights_data[index] = p;
${
  average
    ? `  average_data[index] += (p - average_data[index]) * ${literal(1 - average.decay)};
`
    : ''
}${halves ? `  ${store(halves, 'index', 'p')}\n` : ''}}
`,
    workgroups: gridOf(Math.ceil(window.elements / 4 / size), spec.profile),
    origin,
    flops: (rule.kind === 'adamw' ? 14 : 6) * window.elements,
    bytes: (4 * (1 + moved) + (halves ? 2 : 0)) * window.elements,
  };
}

/** Bounds of the scalar weights in a window. */
function printClamps({ clamps }: UpdateSpec, { start, elements }: Window): string {
  return clamps
    .filter(({ index }) => index >= start && index < start + elements)
    .map(({ index, min, max }) => {
      const at = `p.${'xyzw'[index % 4]!}`;
      return `  if (index == ${(index - start - (index % 4)) / 4}u) { ${at} = clamp(${at}, ${literal(min)}, ${literal(max)}); }\n`;
    })
    .join('');
}
