/**
 * Pictures and texts to features of length 1, for classification, embedding and evaluation.
 */
import { cutTexts } from '../../compiler/graph/strips/cut-texts.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import type { Model } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { systemReason } from '../../runtime/data/files/atomic.ts';
import { type FitSettings, loadFitted, makeNormalizer } from '../../runtime/data/pictures/images.ts';
import { createTokenizer, type Tokenizer } from '../../runtime/data/texts/tokenizer.ts';
import { classFeatures } from '../../runtime/eval/zeroshot.ts';
import { finiteWeights, type WeightSource } from '../weights/source.ts';
import { traceGraph } from './compiled.ts';
import type { Executor } from './devices.ts';
import { type EntryRequest, openEntry } from './entry.ts';
import {
  featureWidth,
  logitsOf,
  pictureTower,
  type TowerInfo,
  textTower,
  tokenizerSize,
} from './towers/of-model.ts';
import { encodeFitted, encodeTexts, type Logits, Tower } from './towers/tower.ts';

export { logitsOf, pictureTower } from './towers/of-model.ts';
export { mostRows, predict, softmax } from './towers/tower.ts';

export interface Encoder extends Logits {
  /** Length of a feature. */
  readonly embed: number;
  /** Features of image files, [n, embed] row-major. */
  encodeImages(paths: readonly string[]): Promise<Float32Array>;
  /**
   * What pictures are fitted to.
   * @throws DiagnosticError Z704 of a model that takes none
   */
  fitting(): FitSettings;
  /**
   * The same of pictures that were fitted, RGB bytes. While one call waits for the device the next may begin.
   * @param nameOf what picture `i` is, for messages
   */
  encodeFitted(pictures: readonly Uint8Array[], nameOf: (i: number) => string): Promise<Float32Array>;
  /** Features of texts, [n, embed]. A text that exceeds the context is cut. */
  encodeTexts(texts: readonly string[]): Promise<Float32Array>;
  /** One feature for each class, the normalised mean over its prompts: [classes, embed]. */
  encodePrompts(prompts: readonly (readonly string[])[]): Promise<Float32Array>;
  close(): void;
}

/** A picture file as RGB bytes. @throws DiagnosticError Z405 */
async function readImage(path: string, settings: FitSettings): Promise<Uint8Array> {
  try {
    return await loadFitted(path, settings);
  } catch (error) {
    fail('Z405', `${path} cannot be read as an image: ${systemReason(error) ?? (error as Error).message}`);
  }
}

interface EncoderSettings {
  /** Larger pictures are refused. */
  readonly maxPixels?: number;
  /** Of every batch, by default as many as are asked first: with the rows, the last bits of features may change. */
  readonly rows?: number;
  /** Changes what towers compute. */
  readonly extend?: EntryRequest['extend'];
  /** Texts that are short are computed so, where that is exact; for many at once, as each length is compiled. */
  readonly byLength?: boolean;
}

/** Positions between lengths of texts. */
const lengthStep = 16;

/** The graph for texts that end within `length`, where it does not depend on what is behind their ends. */
function cutTo(length: number, graph: Graph): Graph | undefined {
  const cut = cutTexts(graph, length);
  return 'nodes' in cut ? cut : undefined;
}

/** Lengths at which the features of texts are those of all positions. */
function lengthsOf(model: Model, { entry, input }: TowerInfo): number[] {
  const steps = Math.ceil(input.sizes[0]! / lengthStep) - 1;
  if (steps < 1) return [];
  const graph = traceGraph(model, { entry, batch: 2, mode: 'eval', gradients: false });
  if (cutTo(lengthStep, graph) === undefined) return [];
  return Array.from({ length: steps }, (_, i) => (i + 1) * lengthStep);
}

/**
 * Opens the towers of a model; each is compiled when it is first used.
 * @throws DiagnosticError Z435 for weights or features that are not finite, Z704 from the calls that need a tower
 * which the model has not
 */
export async function openEncoder(
  executor: Executor,
  model: Model,
  source: WeightSource,
  { rows, extend, byLength = false, ...limits }: EncoderSettings = {},
): Promise<Encoder> {
  const weights = finiteWeights(source);
  const embed = featureWidth(model);
  const open = (find: (model: Model) => TowerInfo, lengths: (info: TowerInfo) => number[] = () => []) => {
    let opened: { readonly tower: Tower; readonly info: TowerInfo } | undefined;
    const get = () => {
      if (opened !== undefined) return opened;
      const info = find(model);
      const { entry, input } = info;
      const made = (batch: number, length?: number) => {
        const changed = length === undefined ? extend : (graph: Graph) => cutTo(length, graph)!;
        return openEntry(executor, model, weights, {
          ...{ entry, batch, mode: 'eval', gradients: false },
          ...(changed === undefined ? {} : { extend: changed }),
        });
      };
      const tower = new Tower(input.name, embed, rows, made, lengths(info));
      opened = { tower, info };
      return opened;
    };
    return { get, close: () => opened?.tower.close() };
  };
  const pictures = open(pictureTower);
  const cut = byLength && extend === undefined;
  const texts = open(textTower, (info) => (cut ? lengthsOf(model, info) : []));
  const normalize = makeNormalizer(model.normalization);
  let tokenizer: Promise<Tokenizer> | undefined;
  const textFeatures = async (list: readonly string[]): Promise<Float32Array> => {
    const { tower, info } = texts.get();
    tokenizer ??= createTokenizer(tokenizerSize(info));
    return encodeTexts(tower, await tokenizer, list);
  };
  const logits = await logitsOf(model, weights);
  const openedPictures = () => {
    const { tower, info } = pictures.get();
    const size = info.input.sizes[1]!;
    return { tower, fitting: { size, ...limits }, target: { size, normalize } };
  };
  return {
    embed,
    ...logits,
    fitting: () => openedPictures().fitting,
    encodeImages: async (paths) => {
      const { tower, fitting, target } = openedPictures();
      const read = (i: number) => readImage(paths[i]!, fitting);
      return encodeFitted(tower, target, paths.length, read, (i) => paths[i]!);
    },
    encodeFitted: async (fitted, nameOf) => {
      const { tower, target } = openedPictures();
      return encodeFitted(tower, target, fitted.length, (i) => fitted[i]!, nameOf);
    },
    encodeTexts: textFeatures,
    encodePrompts: (prompts) => classFeatures(textFeatures, prompts, embed),
    close() {
      pictures.close();
      texts.close();
    },
  };
}
