/** Runs numbered cases of one kind of fault, counts how they end, and keeps what fails. */
import { hashOf } from '../../compiler/model/values/randomness.ts';
import { Draw } from '../support/draw.ts';
import { damaged } from './kinds/damaged.ts';
import { disks } from './kinds/disks.ts';
import { ends } from './kinds/ends.ts';
import { inputs } from './kinds/inputs.ts';
import { kills } from './kinds/kills.ts';
import { stops } from './kinds/stops.ts';
import type { Laboratory } from './laboratory.ts';
import { Fault, Trial } from './trial.ts';

/** What is done to the command line; each returns how that ended, for the count. */
export const faults = { kills, stops, ends, disks, damaged, inputs } as const satisfies Record<
  string,
  (trial: Trial) => Promise<string>
>;
export type FaultKind = keyof typeof faults;

interface Campaign {
  readonly seed: number;
  /** The first number. */
  readonly from: number;
  readonly count: number;
  /** Failures after which to stop. */
  readonly most: number;
  /** Called behind every case. */
  readonly progress?: (done: number, failed: number) => void;
}

export interface CampaignResult {
  readonly done: number;
  /** How cases ended, with how many. */
  readonly endings: ReadonlyMap<string, number>;
  /** Everything that a reader needs: what is wrong, what was done, where it lies, how to repeat it. */
  readonly failures: readonly string[];
}

function describe(trial: Trial, kind: FaultKind, seed: number, error: unknown): string {
  // What is no claim is a defect of the campaign: its stack says where.
  const why = error instanceof Fault ? error.message : ((error as Error).stack ?? String(error));
  const again = `npm run faults -- --${kind} 1 --from ${trial.number} --seed ${seed}`;
  return [
    `${kind} ${trial.number}: ${why}`,
    ...trial.record,
    `kept in ${trial.at()}; again: ${again}`,
    '',
  ].join('\n');
}

export async function runCampaign(
  lab: Laboratory,
  kind: FaultKind,
  campaign: Campaign,
): Promise<CampaignResult> {
  const { seed, from, count, most, progress = () => {} } = campaign;
  const endings = new Map<string, number>();
  const failures: string[] = [];
  let done = 0;
  for (let n = from; n < from + count && failures.length < most; n++) {
    const trial = new Trial(lab, kind, n, new Draw(hashOf(`${seed} ${kind} ${n}`)));
    try {
      const ending = await faults[kind](trial);
      endings.set(ending, (endings.get(ending) ?? 0) + 1);
      trial.remove();
    } catch (error) {
      failures.push(describe(trial, kind, seed, error));
    }
    progress(++done, failures.length);
  }
  return { done, endings, failures };
}
