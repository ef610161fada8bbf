/**
 * What a run is compared by with the checkpoint that it goes on from, and what becomes of each kind of change.
 *
 * `docs/how-to/training.md` has the same table. What is not listed may change freely: checkpoints, decoder threads,
 * cache, starting weights.
 */
import { clipNormalization, sameNormalization } from '../../compiler/model/index.ts';
import type { Recipe } from '../../compiler/model/types.ts';
import type { DataIdentity } from '../data/types.ts';
import type { Schedule } from './schedule.ts';

/** Refused: the steps behind would not be those of one run. Taken over: what a recipe may change on its way. */
type Verdict = 'refused' | 'taken over';

const kindsOfChange = {
  batch: 'refused',
  precision: 'refused',
  seed: 'refused',
  rows: 'refused',
  order: 'refused',
  tables: 'refused',
  normalization: 'refused',
  draws: 'taken over',
  optimizer: 'taken over',
  rates: 'taken over',
  schedule: 'taken over',
  grad_clip: 'taken over',
  clamp: 'taken over',
  ema: 'taken over',
  loss_scale: 'taken over',
  chunk: 'taken over',
  lengths: 'taken over',
  remat: 'taken over',
  batch_norm: 'taken over',
  wire: 'taken over',
  shard: 'taken over',
  ranks: 'taken over',
} as const satisfies Readonly<Record<string, Verdict>>;

type Kind = keyof typeof kindsOfChange;

/** Values by name; a kind of several values has names such as `optimizer.lr`. */
export type RunSettings = Readonly<Record<string, string | number>>;

export interface Change {
  readonly setting: string;
  /** Absent on the side that does not have it. */
  readonly from?: string | number;
  readonly to?: string | number;
}

/** The values of a kind that has several, by their names. */
function named(kind: Kind, values: object): [string, string | number][] {
  return Object.entries(values).map(([name, value]) => [
    `${kind}.${name}`,
    typeof value === 'number' ? value : String(value),
  ]);
}

export function runSettings(
  recipe: Recipe,
  schedule: Schedule,
  data: DataIdentity = {},
  ranks = 1,
): RunSettings {
  const { batch, precision, seed, optimizer, rates, gradClip, clamps, ema, chunk, lengths, remat } = recipe;
  const { normalization } = recipe.model;
  // The base rate is the optimizer's.
  const { lr: _, ...course } = schedule;
  const values: Partial<Record<Kind, string | number>> = {
    batch,
    precision: precision.kind,
    seed,
    ...data,
    ...(sameNormalization(normalization, clipNormalization)
      ? {}
      : { normalization: JSON.stringify(normalization) }),
    ...(gradClip === undefined ? {} : { grad_clip: gradClip }),
    ...(ema === undefined ? {} : { ema }),
    ...(precision.kind === 'mixed' ? { loss_scale: precision.lossScale } : {}),
    ...(chunk === undefined ? {} : { chunk }),
    ...(lengths === undefined ? {} : { lengths: lengths.join(', ') }),
    ...(remat.length === 0 ? {} : { remat: remat.join(', ') }),
    ...(recipe.batchNorm === undefined ? {} : { batch_norm: recipe.batchNorm }),
    ...(recipe.wire === undefined ? {} : { wire: recipe.wire }),
    ...(recipe.shard === undefined ? {} : { shard: recipe.shard }),
    ...(ranks === 1 ? {} : { ranks }),
  };
  return {
    ...values,
    ...Object.fromEntries([
      ...named('optimizer', optimizer),
      ...named('schedule', course),
      ...named(
        'rates',
        Object.fromEntries(rates.map((r, i) => [i, `${r.rate} "${r.pattern}" = ${r.value}`])),
      ),
      ...named('clamp', Object.fromEntries(clamps.map((c) => [c.weight, `${c.min} .. ${c.max}`]))),
    ]),
  };
}

/** Every difference, in the order of the table. */
export function changesBetween(from: RunSettings, to: RunSettings): Change[] {
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].filter((n) => from[n] !== to[n]);
  const order = Object.keys(kindsOfChange);
  return names
    .sort((a, b) => order.indexOf(kindOf(a)) - order.indexOf(kindOf(b)))
    .map((setting) => ({
      setting,
      ...(from[setting] === undefined ? {} : { from: from[setting] }),
      ...(to[setting] === undefined ? {} : { to: to[setting] }),
    }));
}

function kindOf(setting: string): string {
  return setting.split('.', 1)[0]!;
}

export function isRefused({ setting }: Change): boolean {
  return kindsOfChange[kindOf(setting) as Kind] === 'refused';
}

/** `optimizer.lr: 0.001, now 0.01` */
export function describeChange({ setting, from, to }: Change): string {
  return `${setting}: ${from ?? 'none'}, now ${to ?? 'none'}`;
}
