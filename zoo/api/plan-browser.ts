/** `import { load } from 'zooc/plan'` in a page: as in `plan-node.ts`, where it is described. */
import { openPageDevice } from './browser/device.ts';
import { fitOnPage } from './browser/fit.ts';
import { fetchBytes } from './bytes.ts';
import type { Encoder } from './features.ts';
import { loadPlans, type PlanSet } from './plans.ts';
import type { BytesInput, OpenOptions } from './types.ts';

export { DiagnosticError } from '../../grammar/diagnostics.ts';

const platform = { fit: fitOnPage, readBytes: fetchBytes, openDevice: () => openPageDevice() };

export function load(
  plans: PlanSet | BytesInput,
  weights: BytesInput,
  options: OpenOptions = {},
): Promise<Encoder> {
  return loadPlans(platform, plans, weights, options);
}
