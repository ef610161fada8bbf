/**
 * A program in which a sum of dy has the shape of a layer norm's bias gradient and is another one: gradients
 * as the reference's; the schedules of GPUs by the text of their kernels.
 */
import { describe, expect, it } from 'vitest';
import { resolveModel, traceEntry } from '../../../compiler/model/index.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { softwareText } from '../../support/wgsl/text-device.ts';
import { compare, device } from '../support/compiled.ts';

const on = await device();
const resolved = resolveModel(nodeHost(), 'test/fixtures/programs/ln-bias.zoo');

describe('with the bias of a layer norm frozen', () => {
  for (const [kind, runner] of [
    ['cpu', on ?? softwareText],
    ['gpu', softwareText],
  ] as const)
    it(`gradients of a value that is repeated over its columns are right, with ${kind} schedules`, async () => {
      if (!resolved.ok) throw new Error(resolved.diagnostics[0]!.message);
      const model = resolved.value;
      const traced = traceEntry(model, 'loss', { batch: 4, training: false });
      if (!traced.ok) throw new Error(traced.diagnostics[0]!.message);
      const params = model.weights.filter((weight) => weight.kind === 'param').map(({ name }) => name);
      const gradients = params.filter((name) => name !== 'visual.norm.bias');
      const { errors } = await compare(runner, kind, traced.value, {
        gradients,
        integersBelow: 512,
        least: 1e-4,
      });
      expect([...errors.keys()]).toContain('grad.visual.gate.weight');
      for (const [name, error] of errors) expect(error, name).toBeLessThan(1e-4);
    });
});
