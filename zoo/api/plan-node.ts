/** `import { load } from 'zooc/plan'`: classification by plans that were made before, without the compiler. */
import type { Encoder } from './features.ts';
import { nodePlatform } from './node/platform.ts';
import { loadPlans, type PlanSet } from './plans.ts';
import type { BytesInput, OpenOptions } from './types.ts';

export { type Diagnostic, DiagnosticError } from '../../grammar/diagnostics.ts';
export type { Classifier, Encoder } from './features.ts';
export type { PlanSet } from './plans.ts';
export type { BytesInput, Classification, OpenOptions, PictureInput } from './types.ts';

/**
 * Opens a device and puts plans with their weights on it; `close` of the result frees both.
 * @param plans what `model.plans()` gave, or its JSON as a path or address, bytes, or a Blob
 * @param weights safetensors under our names, in the same forms: what `weights()` of a loaded model or a run gives, or an export
 * @throws DiagnosticError Z401 for weights that do not fit, Z411, Z601 to Z603 for a device that is none or too small, Z701, Z702
 */
export function load(
  plans: PlanSet | BytesInput,
  weights: BytesInput,
  options: OpenOptions = {},
): Promise<Encoder> {
  return loadPlans(nodePlatform(), plans, weights, options);
}
