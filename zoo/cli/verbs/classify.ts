/** `zooc classify`: zero-shot classification, by the cosine of an image's feature with each label's. */
import { fail } from '../../../grammar/diagnostics.ts';
import { checkPictures, readClassifier } from '../../evaluate/classifier.ts';
import { promptsOfLabels } from '../../evaluate/prompts.ts';
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
  readonly labels?: string;
  readonly templates?: string;
  readonly classifier?: string;
  readonly top: string;
  readonly maxPixels?: string;
  readonly device: DeviceChoice;
  readonly tune?: boolean;
  readonly set: readonly string[];
  readonly json?: boolean;
}

/** @throws DiagnosticError Z703 for both classes and a file of them, or neither */
function checkClasses({ labels, templates, classifier }: ClassifyOptions): void {
  if (classifier === undefined) {
    if (labels === undefined)
      fail('Z703', 'classify needs --labels or --classifier', '--labels "a cat,a dog"');
    return;
  }
  const [option] = Object.entries({ labels, templates }).find(([, value]) => value !== undefined) ?? [];
  if (option !== undefined)
    fail('Z703', `--${option} and --classifier exclude each other: ${classifier} has its labels and prompts`);
}

export async function classify(
  reference: string,
  images: readonly string[],
  options: ClassifyOptions,
): Promise<void> {
  const top = parseCount('--top', options.top);
  const limits = pictureLimits(options.maxPixels);
  checkClasses(options);
  const made = options.classifier === undefined ? undefined : await readClassifier(options.classifier);
  const labels = made?.classes ?? readLabels(options.labels!);
  const prompts = made === undefined ? promptsOfLabels(labels, options.templates) : [];
  const results = await closing(async (keep) => {
    const { model, weights } = await loadModelWithWeights(reference, options);
    keep(weights);
    if (made !== undefined) await checkPictures(options.classifier!, made, model, weights);
    const executor = keep(await openExecutor(options.device, { tune: options.tune === true, notify: note }));
    const encoder = keep(await openEncoder(executor, model, weights, { ...limits, byLength: true }));
    const imageFeatures = await encoder.encodeImages(images);
    const { features, ...logits } = made ?? {
      ...{ scale: encoder.scale, bias: encoder.bias },
      features: await encoder.encodePrompts(prompts),
    };
    return images.map((image, i) => {
      const row = imageFeatures.subarray(i * encoder.embed, (i + 1) * encoder.embed);
      return { image, predictions: predict(row, labels, features, logits).slice(0, top) };
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
