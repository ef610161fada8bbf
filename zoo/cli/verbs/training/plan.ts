/**
 * `zooc plan`: what a recipe's step costs each of several ranks, by arithmetic; needs neither a GPU nor the ranks.
 */
import type { Recipe } from '../../../../compiler/model/types.ts';
import { type Plan, sectionsAt } from '../../../../compiler/plan/types.ts';
import { fail } from '../../../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../../../grammar/render.ts';
import {
  type Assumptions,
  costOfStep,
  type StepCost,
  type Traffic,
  usualAssumptions,
} from '../../../../runtime/dist/cost.ts';
import { dividedAmong, shareOf } from '../../../../runtime/dist/share.ts';
import { planTraining } from '../../../../runtime/train/plan.ts';
import { checkSupported } from '../../../../runtime/train/supported.ts';
import { loadRecipe, parseCount } from '../../models.ts';
import { count, gigaflop, note, print, printJson, table } from '../../output.ts';
import { memoryTable, type ProfileKind, profiles } from '../../planned.ts';

interface PlanOptions {
  readonly ranks: string;
  readonly network?: string;
  readonly latency?: string;
  readonly tflops?: string;
  readonly profile: ProfileKind;
  readonly set: readonly string[];
  readonly json?: boolean;
}

/** What of a step a loss may take that every rank computes alike, before it is warned of. */
const mostLoss = 0.1;

function amount(option: string, text: string | undefined, usual: number, least: number): number {
  if (text === undefined) return usual;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < least)
    fail(
      'Z703',
      `${option} ${text}: expected a number${least > 0 ? ' above 0' : ', 0 or more'}`,
      `${option} ${usual}`,
    );
  return value;
}

function assumptionsOf({ network, latency, tflops }: PlanOptions): Assumptions {
  const usual = usualAssumptions;
  return {
    ...usual,
    network: amount('--network', network, usual.network, Number.MIN_VALUE),
    latency: amount('--latency', latency, usual.latency, 0),
    tflops: amount('--tflops', tflops, usual.tflops, Number.MIN_VALUE),
  };
}

const time = (seconds: number) =>
  seconds < 10 ? `${(seconds * 1000).toFixed(2)} ms` : `${seconds.toFixed(1)} s`;
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** Which part of the loss a rank computes. */
function lossRemark({ ranks, loss, batch, pairs }: StepCost): string {
  if (ranks > 1 && loss === 'rows') return `${count(pairs)} rows of ${count(batch)} pairs`;
  return `of all ${count(batch)} pairs${ranks > 1 ? ', on every rank' : ''}`;
}

function workTable(cost: StepCost): string {
  const rows = Object.entries(cost.work).map(([name, { flops, seconds }]) => [
    name,
    gigaflop(flops),
    time(seconds),
    name === 'loss' ? lossRemark(cost) : '',
  ]);
  return table([['computing', 'FLOPs', 'time', ''], ...rows], [1, 2]);
}

function trafficTable({ traffic, features }: StepCost, wire: Recipe['wire']): string {
  const remarks: Partial<Record<keyof StepCost['traffic'], string>> = {
    features: `${megabytes(features)} of all pairs`,
    ...(wire === 'f16' ? { gradients: 'in halves' } : {}),
    weights: 'in f32, of the rank that updates them',
    statistics: 'batch norm of all ranks',
    loss: 'results of rows',
    agreement: 'whether to stop',
  };
  const row = ([name, { network, staged, messages, seconds }]: [string, Traffic]) => [
    name,
    megabytes(network),
    megabytes(staged),
    count(messages),
    time(seconds),
    remarks[name as keyof typeof traffic] ?? '',
  ];
  const rows = Object.entries(traffic).filter(([, { messages }]) => messages > 0);
  if (rows.length === 0) return 'nothing is exchanged';
  const head = ['exchanging', 'received', 'device and host', 'messages', 'time', ''];
  return table([head, ...rows.map(row)], [1, 2, 3, 4]);
}

/** What steps with shorter texts compute. */
function lengthsLine(plan: Plan): string[] {
  if (plan.texts === undefined) return [];
  const shares = plan.texts.lengths.map((length) => {
    const sections = sectionsAt(plan, length);
    const work = sections.flatMap((s) =>
      plan.steps.slice(s.first, s.end).map((step) => s.repeat * step.flops),
    );
    return `${length}: ${percent(work.reduce((a, b) => a + b, 0) / plan.flops)}`;
  });
  return [`work by the positions of texts: ${shares.join(', ')}`];
}

function assumptionsLine({ tflops, network, networkEfficiency, latency, staging }: Assumptions): string {
  return `assumed: ${tflops} TFLOP/s (--tflops), a link of ${network} Gbit/s (--network) of which ${percent(networkEfficiency)} are reached, ${latency} ms a message (--latency), ${staging} GB/s between device and host; one rank a link, reading data is not counted`;
}

export async function plan(reference: string, options: PlanOptions): Promise<void> {
  const ranks = parseCount('--ranks', options.ranks);
  const assumed = assumptionsOf(options);
  const recipe = dividedAmong(loadRecipe(reference, options.set), { size: ranks });
  checkSupported(recipe, false, ranks);
  const profile = profiles[options.profile];
  const { plan } = planTraining(recipe, profile, shareOf({ rank: 0, size: ranks }));
  const alone = plan.share === undefined ? plan : planTraining(recipe, profile).plan;
  const cost = costOfStep(plan, ranks, assumed, recipe.wire, alone);
  if (ranks > 1 && cost.loss === 'whole' && cost.lossShare > mostLoss) {
    const message = `every rank computes the loss of all ${count(cost.batch)} pairs, ${percent(cost.lossShare)} of its step`;
    const help =
      'fewer ranks, or a smaller batch: the objective cannot be shared by rows, so its work does not shrink with ranks';
    note(renderDiagnostics([{ code: 'Z639', severity: 'warning', message, help }]));
  }
  if (options.json === true) {
    printJson({
      recipe: recipe.name,
      model: plan.model,
      profile: plan.profile,
      assumptions: assumed,
      ...cost,
    });
    return;
  }
  const { batch, pairs, chunks, chunk, seconds, efficiency, overlapped } = cost;
  const rate = (step: number) => `${count(Math.round(batch / step))} pairs/s`;
  const parts = [
    `${recipe.name} of ${plan.model}: ${count(batch)} pairs a step; on each of ${count(ranks)} ranks ${count(pairs)}, ${chunks === 1 ? 'one chunk' : `${count(chunks)} chunks of ${count(chunk)}`}`,
    workTable(cost),
    trafficTable(cost, recipe.wire),
    [
      `step ${time(seconds.total)}: computing ${time(seconds.compute)}, exchanging ${time(seconds.communication)}`,
      `${rate(seconds.total)}, efficiency ${percent(efficiency)} against one rank that takes all chunks`,
      ...(overlapped.seconds < seconds.total
        ? [
            `where gradients travel while the last chunk goes back: step ${time(overlapped.seconds)}, ${rate(overlapped.seconds)}, efficiency ${percent(overlapped.efficiency)}`,
          ]
        : []),
    ].join('\n'),
    ...lengthsLine(plan),
    `memory of a rank\n${memoryTable(plan)}`,
    assumptionsLine(assumed),
  ];
  print(parts.join('\n\n'));
}
