/**
 * What becomes of a word: its values and gradients by WebGPU against the reference, with both kinds of schedules, in f32 and in
 * mixed precision; and the reference's gradients against central differences.
 *
 * How far WebGPU may be off is measured on the graph itself (test/fuzz/noise.ts). In mixed precision the reference rounds what the
 * plan stores as f16.
 */
import type { Precision } from '../../compiler/compile.ts';
import { roundToHalf } from '../../compiler/graph/half.ts';
import { type Graph, numericShape, sizeOf } from '../../compiler/graph/types.ts';
import { hashOf } from '../../compiler/model/values/randomness.ts';
import { randomInput, randomKeys } from '../../compiler/ops/philox.ts';
import type { DeviceKind } from '../../compiler/profile.ts';
import type { Device } from '../../runtime/types.ts';
import type { CaseFeeds } from '../fuzz/cases/fuzz-case.ts';
import { Judge, type Outcome, runCase } from '../fuzz/execute.ts';
import { differencesOf } from '../support/ops/differences.ts';
import { graphOf } from '../support/ops/tensor-words.ts';
import { randomNumbers } from '../support/random.ts';
import type { Sample } from './samples.ts';

const precisions: readonly Precision[] = ['f32', 'mixed'];
const kinds: readonly DeviceKind[] = ['cpu', 'gpu'];

/** Largest deviations, of the largest element of a result: of y and moved statistics, and of the gradients, if there are any. */
export interface Errors {
  readonly values: number;
  readonly gradients: number | undefined;
}

export interface Measured {
  /** By precision and kind of schedules: `f32 cpu`. */
  readonly errors: ReadonlyMap<string, Errors>;
  /** Largest |rule - difference| / (1 + |difference|) of a gradient, where differences were asked for. */
  readonly differences: number | undefined;
  /** The largest deviation of any result, of what it may be. */
  readonly worst: number;
  /** What is wrong, in words. */
  readonly faults: readonly string[];
}

/** As in differences.ts: central differences are good to about 1e-9 of the scale. */
const leastDifference = 1e-6;

/** Weights of floats that training moves. */
export function differentiable({ shapes }: Sample): string[] {
  return Object.keys(shapes).filter((name) => name.startsWith('w'));
}

/** f32 holds them exactly; where the graph halves what they are, f16 does. */
function valuesFor(sample: Sample, name: string, size: number, precision: Precision): Float64Array {
  const given = sample.values.get(name);
  if (given !== undefined) return given;
  const random = randomNumbers(hashOf(`${name} ${size}`));
  const [low, high] = name === 'r' ? [-1, 1] : name.startsWith('s') ? [0.5, 1.5] : sample.range;
  return Float64Array.from({ length: size }, () => {
    if (name.startsWith('i')) return Math.floor(random() * 200) - 100;
    const value = low + (high - low) * random();
    return precision === 'mixed' ? roundToHalf(value) : Math.fround(value);
  });
}

function feedsFor(sample: Sample, graph: Graph, precision: Precision): CaseFeeds {
  const inputs = new Map<string, { shape: number[]; data: Float64Array }>();
  const params = new Map<string, { shape: number[]; data: Float64Array }>();
  for (const node of graph.nodes) {
    if (node.op !== 'input' && node.op !== 'param') continue;
    const { name } = node.attrs;
    const shape = numericShape(node.type);
    const data =
      name === 'tokens'
        ? Float64Array.from({ length: sizeOf(shape) }, (_, i) => 1 + i)
        : name === randomInput
          ? Float64Array.from(randomKeys(1, 2, 0, shape[0]!))
          : valuesFor(sample, name, sizeOf(shape), precision);
    (node.op === 'input' ? inputs : params).set(name, { shape, data });
  }
  return { inputs, params };
}

const isGradient = (name: string) => name.startsWith('grad.');

/** All results but the loss, which is there to be differentiated: a sum that cancels. */
const resultsOf = ({ comparisons }: Outcome) => [...comparisons].filter(([name]) => name !== 'loss');

function errorsOf(outcome: Outcome): Errors {
  const found = resultsOf(outcome);
  const largest = (some: typeof found) => Math.max(...some.map(([, { error }]) => error));
  const gradients = found.filter(([name]) => isGradient(name));
  return {
    values: largest(found.filter(([name]) => !isGradient(name))),
    gradients: gradients.length === 0 ? undefined : largest(gradients),
  };
}

function faultsOf(outcome: Outcome): string[] {
  const wrong = outcome.mismatches.map(
    ({ output, element, found, expected, tolerance }) =>
      `${output}[${element}] is ${found}, expected ${expected} ± ${tolerance}`,
  );
  const unknown = resultsOf(outcome).filter(([, { verdict }]) => verdict !== 'compared');
  return [...wrong, ...unknown.map(([name, { verdict }]) => `${name} is ${verdict}`)];
}

/** @param device runs on this adapter; without it by the text of the kernels */
export async function measure(sample: Sample, device?: Device): Promise<Measured> {
  const errors = new Map<string, Errors>();
  const faults: string[] = [];
  const wrt = differentiable(sample);
  let worst = 0;
  for (const precision of precisions) {
    const graph = graphOf(sample, precision === 'mixed' ? sample.activations : []);
    const feeds = feedsFor(sample, graph, precision);
    const plain = { remat: [], training: false, deviation: {} };
    const c = { name: sample.expression, graph, wrt, precision, ...plain };
    const judge = new Judge(c, feeds);
    for (const kind of kinds) {
      const outcome = await runCase(c, judge, kind, device);
      const way = `${precision} ${kind}`;
      errors.set(way, errorsOf(outcome));
      faults.push(...faultsOf(outcome).map((fault) => `${way}: ${fault}`));
      worst = Math.max(worst, ...resultsOf(outcome).map(([, { excess }]) => excess));
    }
  }
  const found = sample.differences && wrt.length > 0 ? differencesFrom(sample, wrt) : undefined;
  return { errors, differences: found?.largest, worst, faults: [...faults, ...(found?.faults ?? [])] };
}

function differencesFrom(sample: Sample, wrt: readonly string[]): { largest: number; faults: string[] } {
  const graph = graphOf(sample);
  const faults: string[] = [];
  let largest = 0;
  for (const found of differencesOf(graph, wrt, feedsFor(sample, graph, 'f32'))) {
    const { name, element, rule, difference } = found;
    const error = Math.abs(rule - difference) / (1 + Math.abs(difference));
    if (!(error < leastDifference))
      faults.push(`grad.${name}[${element}] is ${rule}, difference ${difference}`);
    largest = Math.max(largest, error);
  }
  return { largest, faults };
}
