/**
 * Encoders written in the language only: loss and every gradient against the reference, by one kind of
 * schedules each (what they are made of is tested with both elsewhere). One of them on the adapter at hand,
 * the others by the text of their kernels.
 */
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../../compiler/autodiff/differentiate.ts';
import { compileGraph } from '../../../compiler/compile.ts';
import { executeReference } from '../../../compiler/graph/reference.ts';
import { verify } from '../../../compiler/graph/verify.ts';
import { relL2, relMax } from '../../support/golden/golden.ts';
import { smallEncoder, smallEncoders } from '../../support/models/encoders.ts';
import { discreteText, softwareText } from '../../support/wgsl/text-device.ts';
import { device } from '../support/compiled.ts';

const on = await device();

const runners = {
  gelu: discreteText,
  siglip: on,
  gap: discreteText,
  convnext: softwareText,
  cbow: discreteText,
} as const;

describe('a small encoder', () => {
  for (const name of smallEncoders) {
    const runner = runners[name];
    it.skipIf(!runner)(`${name}: features, loss and every gradient`, async () => {
      const { model, graph, params, inputs, trained } = smallEncoder(name);
      const whole = verify(differentiate(verify(graph), { loss: 'loss', wrt: [...trained] }));
      const wanted = executeReference(whole, { inputs, params });
      const plan = compileGraph(graph, {
        model: model.name,
        entry: 'loss',
        batch: 3,
        mode: 'eval',
        profile: runner!.profile,
        gradients: trained,
      });
      const session = await runner!.open(plan);
      for (const { name: weight } of plan.weights)
        session.writeWeight(weight, new Float32Array(params.get(weight)!.data));
      session.writeInput('images', new Float32Array(inputs.get('images')!.data));
      session.writeInput('tokens', new Int32Array(inputs.get('tokens')!.data));
      session.run();
      const read = async (output: string) => Float64Array.from(await session.read(output));
      for (const output of ['image_features', 'text_features', 'logits_per_image', 'loss'])
        expect(relMax(await read(output), wanted.get(output)!.data), output).toBeLessThan(3e-5);
      const scale = Math.max(...trained.map((w) => Math.hypot(...wanted.get(`grad.${w}`)!.data)));
      for (const weight of trained) {
        const want = wanted.get(`grad.${weight}`)!.data;
        // A gradient that is zero in exact arithmetic (a bias of keys) is judged against the others.
        const got = await read(`grad.${weight}`);
        if (Math.hypot(...want) > 1e-6 * scale) expect(relL2(got, want), weight).toBeLessThan(1e-4);
        else expect(Math.hypot(...got), weight).toBeLessThan(1e-5 * scale);
      }
      session.close();
    });
  }
});
