/** What every way of embedding takes and opens. */
import { type DeviceChoice, openExecutor } from '../../../run/devices.ts';
import { openEncoder } from '../../../run/encoder.ts';
import type { Keep } from '../../closing.ts';
import { pictureLimits } from '../../models.ts';
import { note } from '../../output.ts';
import { loadModelWithWeights } from '../../packages.ts';

export interface EmbedOptions {
  readonly weights?: string;
  readonly base?: string;
  readonly images?: readonly string[];
  readonly texts?: readonly string[];
  readonly shards?: readonly string[];
  readonly part?: string;
  readonly dtype?: 'f16' | 'f32';
  readonly batch?: string;
  readonly workers?: string;
  readonly strict?: boolean;
  readonly out?: string;
  readonly maxPixels?: string;
  readonly device: DeviceChoice;
  readonly tune?: boolean;
  readonly set: readonly string[];
  readonly json?: boolean;
}

/** Opens the model's towers; batches have `rows` rows, or as many as are asked first. */
export async function openModel(
  reference: string,
  options: Pick<EmbedOptions, 'weights' | 'base' | 'maxPixels' | 'device' | 'tune' | 'set'>,
  keep: Keep,
  rows?: number,
) {
  const { model, weights } = await loadModelWithWeights(reference, options);
  keep(weights);
  const executor = keep(await openExecutor(options.device, { tune: options.tune === true, notify: note }));
  const settings = { ...pictureLimits(options.maxPixels), ...(rows === undefined ? {} : { rows }) };
  return { model, weights, executor, encoder: keep(await openEncoder(executor, model, weights, settings)) };
}
