/**
 * What a training step costs each of several ranks, by arithmetic over its plan: before a cluster is rented.
 *
 * Computing, copies between device and host, and the network take turns; beside it stands the time where gradients
 * travel while the last chunk goes back, as in `exchange.ts`. Collectives cost what the textbook's algorithms do
 * (Thakur, Rabenseifner and Gropp 2005): a ring for features and gradients, R - 1 messages one behind the other;
 * recursive doubling for what is small, log2 R.
 */
import { forLongest, type Plan, type PlanSection, type RankExchange } from '../../compiler/plan/types.ts';
import { bucketBytes } from '../../compiler/shards.ts';
import { bytesAtOnce } from './exchange.ts';
import type { Wire } from './reduction.ts';

export interface Assumptions {
  /** TFLOP/s that kernels sustain on one device. */
  readonly tflops: number;
  /** Gbit/s of the link that a rank has to the others, each way. */
  readonly network: number;
  /** What of it is reached. */
  readonly networkEfficiency: number;
  /** Milliseconds of a message, whatever its length. */
  readonly latency: number;
  /** GB/s between device and host, each way. */
  readonly staging: number;
}

export const usualAssumptions: Assumptions = {
  tflops: 50,
  network: 100,
  networkEfficiency: 0.8,
  latency: 0.02,
  staging: 12,
};

/** What a rank exchanges of one kind in a step. */
export interface Traffic {
  /** Bytes that it receives; it sends as many. */
  readonly network: number;
  /** Bytes between its device and the host. */
  readonly staged: number;
  /** Messages one behind the other. */
  readonly messages: number;
  readonly seconds: number;
}

interface Work {
  readonly flops: number;
  readonly seconds: number;
}

export interface StepCost {
  readonly ranks: number;
  readonly batch: number;
  /** Of a rank. */
  readonly pairs: number;
  readonly chunk: number;
  readonly chunks: number;
  /** Bytes of the features of all pairs. */
  readonly features: number;
  /** Whether a rank computes its rows of the loss, or that of all pairs as every other one. */
  readonly loss: 'rows' | 'whole';
  /** Of a rank. A step that is not cut into chunks is `whole`. */
  readonly work: Readonly<Partial<Record<PlanSection['name'] | 'whole', Work>>>;
  readonly traffic: Readonly<
    Record<'features' | 'gradients' | 'weights' | 'statistics' | 'loss' | 'agreement', Traffic>
  >;
  readonly seconds: { readonly compute: number; readonly communication: number; readonly total: number };
  /** Time of one rank that takes all chunks, over the time that the ranks take together. */
  readonly efficiency: number;
  /** The same where gradients are exchanged while others are computed. */
  readonly overlapped: { readonly seconds: number; readonly efficiency: number };
  /** What of the step a rank spends on the loss. */
  readonly lossShare: number;
  readonly memory: Plan['memory'];
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

function flopsOf({ steps }: Pick<Plan, 'steps'>, { first, end }: Pick<PlanSection, 'first' | 'end'>): number {
  return sum(steps.slice(first, end).map((step) => step.flops));
}

/** Repetitions of a section that are a rank's. */
function ownOf({ repeat }: PlanSection, ranks: number): number {
  return repeat === 1 ? 1 : repeat / ranks;
}

type Steps = Pick<Plan, 'steps' | 'sections' | 'texts'>;

/**
 * With the longest texts.
 * @param whole the plan of the recipe as `ranks` divide it: in chunks, unless there is one rank
 * @param wire how the recipe has gradients cross
 * @param one the plan of one rank that takes all chunks, where that of several has other steps
 */
export function costOfStep(
  whole: Steps & Pick<Plan, 'batch' | 'chunk' | 'share' | 'shard' | 'buffers' | 'memory'>,
  ranks: number,
  assumed: Assumptions = usualAssumptions,
  wire?: Wire,
  one: Steps = whole,
): StepCost {
  const [plan, alone] = [forLongest(whole), forLongest(one)];
  const { batch, chunk = batch, sections = [] } = plan;
  const pairs = batch / ranks;
  const features = featureBytes(sections);
  const work = workOf(plan, ranks, assumed);
  const traffic = trafficOf(plan, ranks, assumed, wire);
  const secondsOf = (of: StepCost['work']) => sum(Object.values(of).map(({ seconds }) => seconds));
  const compute = secondsOf(work);
  const communication = sum(Object.values(traffic).map(({ seconds }) => seconds));
  const total = compute + communication;
  const efficiencyOf = (seconds: number) => secondsOf(workOf(alone, 1, assumed)) / (ranks * seconds);
  const overlapped = total - hiddenSeconds(plan, assumed, traffic.gradients.seconds);
  return {
    ranks,
    batch,
    pairs,
    chunk,
    chunks: pairs / chunk,
    features,
    loss: plan.share?.loss ?? 'whole',
    work,
    traffic,
    seconds: { compute, communication, total },
    efficiency: efficiencyOf(total),
    overlapped: { seconds: overlapped, efficiency: efficiencyOf(overlapped) },
    lossShare: (work.loss?.seconds ?? 0) / total,
    memory: plan.memory,
  };
}

function workOf(plan: Steps, ranks: number, { tflops }: Assumptions): StepCost['work'] {
  const work = (flops: number): Work => ({ flops, seconds: flops / (tflops * 1e12) });
  if (plan.sections === undefined)
    return { whole: work(flopsOf(plan, { first: 0, end: plan.steps.length })) };
  const flops = new Map<PlanSection['name'], number>();
  for (const section of plan.sections) {
    const own = flopsOf(plan, section) * ownOf(section, ranks);
    flops.set(section.name, (flops.get(section.name) ?? 0) + own);
  }
  return Object.fromEntries([...flops].map(([name, own]) => [name, work(own)]));
}

/**
 * What of the exchange of gradients passes while the last chunk goes back: pieces travel one behind the other, each from
 * when it is complete. Exchanges of statistics wait for those under way.
 * @param exchange seconds that all of them take
 */
function hiddenSeconds(plan: Steps, { tflops }: Assumptions, exchange: number): number {
  const sections = (plan.sections ?? []).filter(({ name }) => name === 'backward');
  const pieces = sections.flatMap(({ ready }) => ready ?? []);
  if (pieces.length === 0) return 0;
  const bytes = sum(pieces.map((piece) => piece.bytes));
  let compute = 0;
  let now = 0;
  let arrived = 0;
  for (const { ready = [], exchanges, ...section } of sections) {
    const own = flopsOf(plan, section) / (tflops * 1e12);
    compute += own;
    now += own;
    if (exchanges !== undefined) now = Math.max(now, arrived);
    for (const piece of ready) arrived = Math.max(now, arrived) + (exchange * piece.bytes) / bytes;
  }
  return compute + exchange - Math.max(now, arrived);
}

/** The features of all pairs: what the copies behind the chunks put together. */
function featureBytes(sections: readonly PlanSection[]): number {
  return sum(sections.flatMap(({ after, repeat }) => after.map(({ bytes }) => bytes * repeat)));
}

function trafficOf(
  { sections = [], buffers, shard }: Pick<Plan, 'sections' | 'buffers' | 'shard'>,
  ranks: number,
  { network, networkEfficiency, latency, staging }: Assumptions,
  wire?: Wire,
): StepCost['traffic'] {
  const bytesPerSecond = (network * networkEfficiency * 1e9) / 8;
  const traffic = (received: number, staged: number, messages: number): Traffic => {
    if (ranks === 1) return { network: 0, staged: 0, messages: 0, seconds: 0 };
    const seconds = received / bytesPerSecond + staged / (staging * 1e9) + (messages * latency) / 1000;
    return { network: received, staged, messages, seconds };
  };
  const ring = ranks - 1;
  const doubling = Math.ceil(Math.log2(ranks));
  const others = ring / ranks;
  const features = featureBytes(sections);
  const cuts = sum(sections.map(({ after }) => after.length));
  const gradients = sum(buffers.filter(({ role }) => role === 'gradients').map(({ bytes }) => bytes));
  const crossing = wire === 'f16' ? gradients / 2 : gradients;
  const handed = sections.flatMap(({ parts }) => parts ?? []);
  const small = (ofLoss: boolean): Traffic => {
    const calls = sections.flatMap((s) =>
      s.exchanges === undefined || (s.name === 'loss') !== ofLoss
        ? []
        : [{ exchanges: s.exchanges, own: ownOf(s, ranks) }],
    );
    // Of a mean a rank receives as many numbers from each other one, of what is gathered their parts.
    const perStep = (bytes: (exchange: RankExchange) => number) =>
      sum(calls.map(({ exchanges, own }) => own * sum(exchanges.map(bytes))));
    return traffic(
      perStep(({ kind, bytes }) => (kind === 'mean' ? bytes * ring : bytes * others)),
      perStep(({ kind, bytes }) => bytes * (kind === 'mean' ? 2 : 1 + 1 / ranks)),
      sum(calls.map(({ own }) => own)) * doubling,
    );
  };
  return {
    // A rank reads its own and writes all.
    features: traffic(features * others, features * (1 + 1 / ranks), cuts * ring),
    // A rank hands its gradients out and sums a part; all get the sums, unless each has use for its own alone. Each way
    // once through the host. Pieces are counted in f32, however they cross.
    gradients:
      shard === undefined
        ? traffic(
            2 * crossing * others,
            crossing * (3 + 1 / ranks),
            2 * Math.ceil(gradients / bucketBytes) * ring,
          )
        : traffic(crossing * others, 2 * crossing, Math.ceil(gradients / (4 * shard.part * ranks)) * ring),
    // In f32, and so is what the norm is summed of: each reads its own and writes all.
    weights: traffic(
      sum(handed.map(({ bytes }) => bytes * others)),
      sum(handed.map(({ bytes }) => bytes * (1 + 1 / ranks))),
      sum(handed.map(({ bytes, part }) => Math.ceil(bytes / bytesAtOnce(part, ranks)) * ring)),
    ),
    statistics: small(false),
    loss: small(true),
    // Whether to stop, in a few bytes.
    agreement: traffic(0, 0, doubling),
  };
}
