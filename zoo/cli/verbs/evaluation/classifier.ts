/** `zooc classifier`: the classes of a zero-shot classifier as a file, for pictures to be classified without texts. */
import { digestPictures, writeClassifier } from '../../../evaluate/classifier.ts';
import { digestOf } from '../../../evaluate/identity.ts';
import { promptsOfLabels } from '../../../evaluate/prompts.ts';
import { type DeviceChoice, openExecutor } from '../../../run/devices.ts';
import { openEncoder } from '../../../run/encoder.ts';
import { readLabels } from '../../../run/text-lists.ts';
import { digestWeights } from '../../../weights/adapter-file.ts';
import { closing } from '../../closing.ts';
import { note } from '../../output.ts';
import { loadModelWithWeights } from '../../packages.ts';

interface ClassifierOptions {
  readonly weights?: string;
  readonly base?: string;
  readonly labels: string;
  readonly templates?: string;
  readonly out: string;
  readonly device: DeviceChoice;
  readonly tune?: boolean;
  readonly set: readonly string[];
}

export async function classifier(reference: string, options: ClassifierOptions): Promise<void> {
  const { labels, templates, out } = options;
  const classes = readLabels(labels);
  const prompts = promptsOfLabels(classes, templates);
  await closing(async (keep) => {
    const { model, weights } = await loadModelWithWeights(reference, options);
    keep(weights);
    const pictures = await digestPictures(model, weights);
    const executor = keep(await openExecutor(options.device, { tune: options.tune === true, notify: note }));
    const encoder = keep(await openEncoder(executor, model, weights, { byLength: true }));
    const { embed, scale, bias } = encoder;
    await writeClassifier(out, {
      ...{ classes, embed, scale, bias, pictures },
      features: await encoder.encodePrompts(prompts),
      model: model.name,
      templates: digestOf(prompts),
      pretrained: weights.description,
      weights: await digestWeights(model.weights, weights),
    });
    note(`wrote ${out}: ${classes.length} classes, ${prompts.flat().length} prompts`);
  });
}
