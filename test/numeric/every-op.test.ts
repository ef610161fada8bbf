/**
 * Every op, by its own definition: its reference gives the type that its shape rule says, its gradient rule
 * agrees with central differences of the reference, and the language makes the node that the example shows.
 *
 * An op that is added is tested here without a line. test/gpu/kernels/every-op.test.ts does the same for kernels.
 */
import { describe, expect, test } from 'vitest';
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { sizeOf } from '../../compiler/graph/types.ts';
import { verify } from '../../compiler/graph/verify.ts';
import type { OpName } from '../../compiler/ops/attributes.ts';
import { opNames, opOf } from '../../compiler/ops/index.ts';
import {
  addOp,
  addOperands,
  bounded,
  type OpCase,
  opCases,
  operandName,
  sumOf,
  weightsOf,
} from '../../runtime/selftest/op-cases.ts';
import { nodeHost } from '../../zoo/host.ts';
import { expectGradients, type GradientCase } from '../support/ops/differences.ts';
import { sayOp } from '../support/ops/said-op.ts';

describe('references give what shape rules say', () => {
  for (const c of opCases) {
    const { definition, operands, example, type } = c;
    // The values of leaves are fed by the executor.
    if (definition.traits.role === 'leaf') continue;
    test(c.label, () => {
      const shape = type.shape as number[];
      const found = definition.reference(operands, example.attrs, shape, type.dtype);
      expect(found.shape).toEqual(shape);
      expect(found.data).toHaveLength(sizeOf(shape));
      for (const value of found.data) {
        expect(value).toSatisfy(Number.isFinite);
        if (type.dtype === 'i32') expect(value).toSatisfy(Number.isInteger);
      }
      const { flops, bytes } = definition.cost(operands, example.attrs, type);
      expect(Math.min(flops, bytes)).toBeGreaterThanOrEqual(0);
    });
  }
});

function gradientCase(c: OpCase): GradientCase {
  const named = c.operands.map((operand, i) => [operandName(c, i), operand] as const);
  const floats = named.filter(([, { dtype }]) => dtype === 'f32');
  return {
    weights: Object.fromEntries(floats.map(([name, { shape }]) => [name, shape])),
    values: Object.fromEntries(floats),
    integers: Object.fromEntries(named.filter(([, { dtype }]) => dtype === 'i32')),
    build(b) {
      const operands = addOperands(b, c);
      return bounded(b, addOp(b, c, operands));
    },
  };
}

describe('gradient rules agree with central differences', () => {
  for (const c of opCases) {
    if (typeof c.definition.gradient === 'string' || weightsOf(c).length === 0) continue;
    // Gradients end here by intent: its rule is no derivative.
    if (c.op === 'stop_gradient') continue;
    test(c.label, () => expectGradients(gradientCase(c)));
  }

  test('stop_gradient: d(x stop(x)) = stop(x) dx', () => {
    const b = createBuilder();
    const x = b.add('param', [], { name: 'x', shape: [3], role: 'param' });
    const loss = sumOf(b, b.add('mul', [x, b.add('stop_gradient', [x], {})], {}));
    const graph = differentiate(verify(b.finish([{ name: 'loss', node: loss }])), {
      loss: 'loss',
      wrt: ['x'],
    });
    const params = new Map([['x', { shape: [3], data: Float64Array.of(2, -3, 5) }]]);
    const { data } = executeReference(verify(graph), { inputs: new Map(), params }).get('grad.x')!;
    expect([...data]).toEqual([2, -3, 5]);
  });
});

describe('the language says it', () => {
  for (const op of opNames) {
    const { language } = opOf<OpName>(op);
    if (language === 'none') continue;
    if ('fuses' in language) {
      test(`${op}: a body of the library fuses ${language.fuses}`, () => {
        const host = nodeHost();
        const library = host.bundledNames().map((name) => host.bundled(name)?.text ?? '');
        expect(library.join('\n')).toContain(`fuses ${language.fuses}`);
      });
      continue;
    }
    test(op, () => {
      const said = opCases.filter((c) => c.op === op).filter((c) => sayOp(c));
      expect(said).not.toEqual([]);
    });
  }
});
