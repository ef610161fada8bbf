/**
 * Every op's kernels on WebGPU against the f64 reference, by the op's own examples: alone with cpu and gpu
 * schedules (all examples, by the text of the kernels), and one example in a whole plan, forward and backward, and
 * over stored halves where its traits allow them: by the text of both kinds, and on the device the gpu schedules in
 * f32 and the cpu schedules over halves.
 *
 * An op that is added is tested here without a line; the other files of this folder look closer at layouts,
 * sizes and schedules of single families. In mixed precision kernel and reference may round a value near a
 * tie to different neighbours, one unit u = 2^-11 apart: 3 u for a result, 6 u for gradients (half.test.ts).
 */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Precision } from '../../../compiler/compile.ts';
import { lowerings } from '../../../compiler/kernels/lowering/families.ts';
import type { Lower } from '../../../compiler/kernels/text/kernel.ts';
import type { OpName } from '../../../compiler/ops/attributes.ts';
import { halfOf, isKernelOp, opOf } from '../../../compiler/ops/index.ts';
import { isElementwise } from '../../../compiler/ops/map-program.ts';
import { type DeviceKind, lavapipeProfile } from '../../../compiler/profile.ts';
import {
  jointGraph,
  type OpCase,
  oneOfEach,
  opCases,
  operandName,
  weightsOf,
} from '../../../runtime/selftest/op-cases.ts';
import { textDevice } from '../../support/wgsl/text-device.ts';
import { checkOp, kinds } from '../support/check-op.ts';
import { type Comparison, compare, device } from '../support/compiled.ts';

const text = { subgroup: 1 };
const on = await device();
const unit = 2 ** -11;
/** Relative to the largest value: a chain of the op, a tanh, a product and a sum. */
const accuracy = 5e-5;

const sizeOfAll = ({ operands }: OpCase) => Math.max(0, ...operands.map(({ data }) => data.length));

describe('kernels alone, by their text', () => {
  for (const c of opCases) {
    const { op, example, operands } = c;
    if (!isKernelOp(op)) continue;
    test(c.label, async () => {
      const lower = lowerings[op] as Lower<OpName>;
      const terms = Math.max(10, sizeOfAll(c));
      await checkOp<OpName>({ gpu: text, op, lower, attrs: example.attrs, inputs: operands, terms });
    });
  }
});

/** The gradients that a plan with this case can have. */
const gradientsOf = (c: OpCase) => (typeof c.definition.gradient === 'string' ? [] : weightsOf(c));

/** Where plans run: on the device with one kind of schedules, and by the text of both kinds. */
const runs = ['device', ...kinds.map((kind) => `text of ${kind}`)];

/** All ops in one plan, so that equal kernels are compiled once. */
async function inOnePlan(
  cases: readonly OpCase[],
  precision: Precision,
  onDevice: DeviceKind,
): Promise<Comparison[]> {
  const feeds = new Map(
    cases.flatMap((c) => c.operands.map(({ data }, i) => [operandName(c, i), data] as const)),
  );
  const graph = jointGraph(cases, precision === 'mixed');
  const options = { feeds, gradients: cases.flatMap(gradientsOf), precision, least: 1e-2 };
  const found = [await compare(on!, onDevice, graph, options)];
  for (const kind of kinds) found.push(await compare(textDevice(lavapipeProfile), kind, graph, options));
  return found;
}

/** The errors of an op's result and gradients. */
function errorsOf({ errors }: Comparison, c: OpCase): [name: string, error: number][] {
  const own = [`y ${c.op}`, ...gradientsOf(c).map((name) => `grad.${name}`)];
  return own.map((name) => [name, errors.get(name) ?? Number.NaN]);
}

/** Ops that become part of a map. */
const joinsMaps = (op: OpName) => isElementwise(op) || opOf(op).traits.role === 'rewritten';

/**
 * Whether the op's own result is among what a plan stores as halves: by itself, or in the map that it became
 * part of.
 */
function storesHalf({ lowered }: Comparison, op: OpName): boolean {
  return lowered.nodes.some(
    (n) => n.type.dtype === 'f16' && (n.op === op || (n.op === 'map' && joinsMaps(op))),
  );
}

describe.skipIf(!on)('in a plan, forward and backward', () => {
  const cases = oneOfEach();
  let found: Comparison[] = [];
  beforeAll(async () => {
    found = await inOnePlan(cases, 'f32', 'gpu');
  });
  test.each(cases.map((c) => [c.op, c] as const))('%s', (_op, c) => {
    expect(found).toHaveLength(runs.length);
    for (const [i, comparison] of found.entries())
      for (const [name, error] of errorsOf(comparison, c))
        expect(error, `${runs[i]} ${name}`).toBeLessThan(accuracy);
  });
});

describe.skipIf(!on)('over stored halves, forward and backward', () => {
  // Integers (mod) have no halves.
  const cases = oneOfEach().filter(({ op, type }) => halfOf(op) !== 'full' && type.dtype === 'f32');
  let found: Comparison[] = [];
  beforeAll(async () => {
    found = await inOnePlan(cases, 'mixed', 'cpu');
  });
  test.each(cases.map((c) => [c.op, c] as const))('%s', (op, c) => {
    expect(found).toHaveLength(runs.length);
    for (const [i, comparison] of found.entries()) {
      if (halfOf(op) !== 'full product') expect(storesHalf(comparison, op)).toBe(true);
      for (const [name, error] of errorsOf(comparison, c))
        expect(error, `${runs[i]} ${name}`).toBeLessThan((name.startsWith('grad.') ? 6 : 3) * unit);
    }
  });
});
