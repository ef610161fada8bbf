/** How a model does on the pictures that it has never seen: each against the captions of all of them. */
import type * as zooc from '../../../zoo/api/browser.ts';
import { type Logits, predict } from '../../../zoo/run/towers/tower.ts';
import type { FittedPictures, Pictures, Split } from './pictures.ts';

export interface Seen {
  /** Number of the picture. */
  readonly picture: number;
  readonly title: string;
  /** The best captions, best first. */
  readonly found: readonly zooc.Classification[];
}

export interface Looked {
  /** Part of the held-out pictures whose own caption is the best of all. */
  readonly accuracy: number;
  /** What guessing would reach. */
  readonly chance: number;
  readonly examples: readonly Seen[];
}

/** Pictures that are shown with their captions, and how many captions of each. */
const shown = 6;
const captionsShown = 3;

/**
 * @param weights safetensors of the model as it is now
 * @throws DiagnosticError Z414, Z704 for a model that gives no features of both
 */
export async function lookAt(
  gpu: zooc.Gpu,
  model: zooc.ZooModel,
  weights: Uint8Array,
  logits: Logits,
  { captions }: Pictures,
  { held }: Split,
  fitted: FittedPictures,
): Promise<Looked> {
  const titles = held.map((picture) => captions[picture]!.title);
  const clip = await gpu.load(model, weights);
  try {
    const images = await clip.encodeImages(held.map((picture) => fitted.pixels(picture)));
    const texts = await clip.encodeText(titles);
    const width = images.length / held.length;
    const all = held.map((picture, row): Seen & { readonly right: boolean } => {
      const found = predict(images.subarray(row * width, (row + 1) * width), titles, texts, logits);
      return {
        picture,
        title: titles[row]!,
        right: found[0]!.label === titles[row],
        found: found.slice(0, captionsShown).map(({ label, probability }) => ({ label, score: probability })),
      };
    });
    const step = Math.floor(held.length / shown);
    const examples = Array.from({ length: shown }, (_, i) => all[i * step]!);
    return {
      accuracy: all.filter(({ right }) => right).length / held.length,
      chance: 1 / held.length,
      examples: examples.map(({ picture, title, found }) => ({ picture, title, found })),
    };
  } finally {
    clip.close();
  }
}
