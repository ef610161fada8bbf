/** What a list shows of the bundled models is what they are when they are evaluated in full. */
import { expect, it } from 'vitest';
import { resolveModel } from '../../../compiler/model/index.ts';
import { outlineBundled } from '../../../compiler/model/resolve/outline.ts';
import { bundledModels } from '../../../zoo/bundled.ts';
import { unwrap } from '../../../zoo/cli/models.ts';
import { nodeHost } from '../../../zoo/host.ts';

const host = nodeHost();

it('has the same sizes and settings as the whole models', () => {
  const whole = bundledModels(host).map((name) => {
    const { config, parameters, resolution, embed } = unwrap(resolveModel(host, name));
    return { name, config, parameters, resolution, embed };
  });
  expect(whole.length).toBeGreaterThan(20);
  expect(unwrap(outlineBundled(host))).toEqual(whole);
});
