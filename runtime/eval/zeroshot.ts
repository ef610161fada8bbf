/**
 * Zero-shot classification: a class is the mean of its prompts' text features, a picture
 * belongs to the nearest class.
 *
 * As in CLIP's paper (section 3.1.4): every prompt's feature is normalised, the mean over templates (and over
 * the names of a class with several) is normalised again. Pure arithmetic; encoders come as functions.
 */
import { rankOf } from './metrics/classification.ts';

/** Divides every row by its length, in place; a row of zeros stays. */
export function normalizeRows(data: Float32Array, width: number): Float32Array {
  for (let at = 0; at < data.length; at += width) {
    let sum = 0;
    for (let i = at; i < at + width; i++) sum += data[i]! * data[i]!;
    const scale = sum > 0 ? 1 / Math.sqrt(sum) : 0;
    for (let i = at; i < at + width; i++) data[i]! *= scale;
  }
  return data;
}

/**
 * One feature per class, [classes, width], each of length 1: the mean of those of its prompts.
 * @param encodeTexts features of texts, [n, width]; their lengths do not matter
 * @param prompts of each class
 */
export async function classFeatures(
  encodeTexts: (texts: readonly string[]) => Promise<Float32Array>,
  prompts: readonly (readonly string[])[],
  width: number,
): Promise<Float32Array> {
  const features = normalizeRows(Float32Array.from(await encodeTexts(prompts.flat())), width);
  const sums = new Float32Array(prompts.length * width);
  let row = 0;
  for (const [c, own] of prompts.entries())
    for (const _ of own) {
      for (let i = 0; i < width; i++) sums[c * width + i]! += features[row * width + i]!;
      row++;
    }
  return normalizeRows(sums, width);
}

/**
 * Rank of each picture's true class by cosine.
 * @param images [n, width] and `classes` [m, width], rows of length 1
 * @param truth index of each picture's class
 */
export function trueRanks(
  images: Float32Array,
  classes: Float32Array,
  width: number,
  truth: readonly number[],
): number[] {
  const scores = new Float64Array(classes.length / width);
  return truth.map((right, row) => {
    for (let c = 0; c < scores.length; c++) {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += images[row * width + i]! * classes[c * width + i]!;
      scores[c] = sum;
    }
    return rankOf(scores, right);
  });
}
