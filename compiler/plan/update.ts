/** The optimizer's part of a training plan: its rule over the flat arenas, behind the gradients. */
import { fail } from '../../grammar/diagnostics.ts';
import type { DType } from '../graph/types.ts';
import type { Lowered } from '../kernels/lowering/lower.ts';
import type { Storage, Storages } from '../kernels/text/view.ts';
import { normBlock } from '../kernels/update/gradient-norm.ts';
import { scalerElements } from '../kernels/update/loss-scale.ts';
import { updateKernels } from '../kernels/update/update.ts';
import type { RateRun } from '../kernels/update/update-spec.ts';
import { averagePrefix, momentPrefixes, rateOf, type UpdateRates, type UpdateRule } from '../optimizers.ts';
import type { DeviceProfile } from '../profile.ts';
import { type OwnPart, ownParts, partElements, type Share } from '../shards.ts';
import { type Arenas, mebibytes } from './assemble.ts';
import type { ArenaLayout, WeightInfo } from './layout.ts';
import type { BufferRole } from './types.ts';

export interface UpdateOptions extends UpdateRates {
  /** Names of the weights that are trained. */
  readonly trainable: readonly string[];
  readonly rule: UpdateRule;
  /** Keeps a moving average of the weights, of which each step leaves this part. */
  readonly ema?: number;
  /** Largest global gradient norm; the host writes it as `clip_norm` with the other hyper values. */
  readonly clip?: number;
  /** The loss scale of mixed precision: `dynamic`, or one that stays. Without it gradients carry none. */
  readonly lossScale?: 'dynamic' | number;
  /** This rank keeps its parts of what the optimizer keeps, among others that keep theirs; `bucket` in bytes. */
  readonly shard?: Share & { readonly bucket?: number };
  /** Bounds of scalar weights, applied behind each step. */
  readonly clamps: readonly { readonly weight: string; readonly min: number; readonly max: number }[];
}

/** Where a rule's moments lie, in its order. */
const momentRoles = ['moment1', 'moment2'] as const;

/** What the optimizer keeps of each trainable weight: how it is called and where it lies. */
export function keptPlaces({ rule, ema }: Pick<UpdateOptions, 'rule' | 'ema'>) {
  const moments = momentPrefixes(rule).map((prefix, i) => ({ prefix, role: momentRoles[i]! }));
  return ema === undefined ? moments : [...moments, { prefix: averagePrefix, role: 'average' as const }];
}

/** What of the trained weights a step updates here. */
export interface UpdatedParts {
  readonly parts: readonly OwnPart[];
  /** Elements of them together. */
  readonly elements: number;
  /** Elements of a part, where ranks divide them. */
  readonly part?: number;
}

/** @param elements of the arena */
export function updatedParts(
  { shard }: Pick<UpdateOptions, 'shard'>,
  elements: number,
  profile: DeviceProfile,
): UpdatedParts {
  if (shard === undefined) return { parts: [{ start: 0, elements, kept: 0 }], elements };
  const part = partElements(elements, shard.ranks, normBlock(elements, profile), shard.bucket);
  const parts = ownParts(elements, part, shard);
  return { parts, elements: parts.reduce((sum, p) => sum + p.elements, 0), part };
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
  const own = updatedParts(options, elements, profile);
  const arena = (role: BufferRole & Storage['place'], size: number, dtype: DType = 'f32'): Storage =>
    storages.make({ dtype, elements: size, label: role, place: role });
  const arenaOfWeights = arena('weights', elements);
  const { squares, partials, moves } = updateKernels({
    weights: arenaOfWeights,
    gradients: arena('gradients', elements),
    moments: momentPrefixes(options.rule).map((_, i) => arena(momentRoles[i]!, own.elements)),
    ...(options.ema === undefined
      ? {}
      : { average: { storage: arena('average', own.elements), decay: options.ema } }),
    hyper: arena('hyper', 64),
    elements,
    parts: own.parts,
    rule: options.rule,
    rates: rateRuns(options, weights, arenas.get('weights')!, elements),
    clip: options.clip !== undefined,
    ...(options.lossScale === undefined
      ? {}
      : {
          mixed: {
            scaler: arena('scaler', scalerElements),
            ...(options.shard ? {} : { halves: arena('halves', elements, 'f16') }),
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
  const kernels = [...lowered.kernels, ...squares, ...moves];
  if (own.part === undefined) return { setup: lowered.setup, kernels };
  const handed = [
    {
      behind: lowered.kernels.length + squares.length,
      storage: partials,
      part: own.part / normBlock(elements, profile),
    },
    { behind: kernels.length, storage: arenaOfWeights, part: own.part },
  ];
  return { setup: lowered.setup, kernels, handed };
}

/** Rates along the arena: weights with the same ones lie side by side. */
function rateRuns(
  options: UpdateOptions,
  weights: readonly WeightInfo[],
  { places }: ArenaLayout,
  elements: number,
): RateRun[] {
  const runs: RateRun[] = [];
  for (const weight of weights.filter((w) => w.trainable)) {
    const { offset, bytes } = places.get(weight.name)!;
    runs.push({ ...rateOf(options, weight), end: (offset + bytes) / 4 });
  }
  runs.sort((a, b) => a.end - b.end);
  const last = runs.filter((run, i) => {
    const next = runs[i + 1];
    return next === undefined || next.scale !== run.scale || next.decay !== run.decay;
  });
  if (last.at(-1)?.end !== elements) throw new Error('gradients and trained weights do not lie alike');
  return last;
}
