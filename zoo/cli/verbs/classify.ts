/** `zooc classify`: zero-shot classification, by the cosine of an image's feature with each label's. */
import { promptsOf, readPrompts } from '../../evaluate/prompts.ts';
import { type DeviceChoice, openExecutor } from '../../run/devices.ts';
import { openEncoder, predict } from '../../run/encoder.ts';
import { readLabels } from '../../run/text-lists.ts';
import { closing } from '../closing.ts';
import { parseCount, pictureLimits } from '../models.ts';
import { note, print, printJson } from '../output.ts';
import { loadModelWithWeights } from '../packages.ts';

interface ClassifyOptions {
  readonly weights?: string;
  readonly base?: string;
  readonly labels: string;
  readonly templates?: string;
  readonly top: string;
  readonly maxPixels?: string;
  readonly device: DeviceChoice;
  readonly tune?: boolean;
  readonly set: readonly string[];
  readonly json?: boolean;
}

export async function classify(
  reference: string,
  images: readonly string[],
  options: ClassifyOptions,
): Promise<void> {
  const top = parseCount('--top', options.top);
  const limits = pictureLimits(options.maxPixels);
  const labels = readLabels(options.labels);
  const prompts = promptsOf(
    labels,
    options.templates === undefined ? { templates: ['{}'] } : readPrompts(options.templates),
  );
  const results = await closing(async (keep) => {
    const { model, weights } = await loadModelWithWeights(reference, options);
    keep(weights);
    const executor = keep(await openExecutor(options.device, { tune: options.tune === true, notify: note }));
    const encoder = keep(await openEncoder(executor, model, weights, limits));
    const imageFeatures = await encoder.encodeImages(images);
    const labelFeatures = await encoder.encodePrompts(prompts);
    return images.map((image, i) => {
      const row = imageFeatures.subarray(i * encoder.embed, (i + 1) * encoder.embed);
      return { image, predictions: predict(row, labels, labelFeatures, encoder).slice(0, top) };
    });
  });
  if (options.json === true) {
    printJson(results);
    return;
  }
  for (const { image, predictions } of results) {
    for (const { label, probability } of predictions) print(`${image}\t${label}\t${probability.toFixed(4)}`);
  }
}
