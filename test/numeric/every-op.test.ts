/**
 * Every op, by its own definition: its reference gives the type that its shape rule says, its gradient rule agrees with central
 * differences of the reference, and the language makes the node that the example shows.
 *
 * An op that is added is tested here without a line. test/gpu/every-op.test.ts does the same for kernels.
 */
import { describe, expect, test } from 'vitest';
import { sizeOf } from '../../compiler/graph/types.ts';
import type { OpName } from '../../compiler/ops/attributes.ts';
import { opNames, opOf } from '../../compiler/ops/index.ts';
import { nodeHost } from '../../zoo/host.ts';
import { expectGradients, type GradientCase } from '../support/differences.ts';
import {
  addOp,
  addOperands,
  bounded,
  type OpCase,
  opCases,
  operandName,
  weightsOf,
} from '../support/op-cases.ts';
import { sayOp } from '../support/said-op.ts';

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
    test(c.label, () => expectGradients(gradientCase(c)));
  }
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
