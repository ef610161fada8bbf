/**
 * Retrieval both ways over pictures with one or several texts each: how far down the list the right one stands.
 * Recall as papers on CLIP print it: a picture counts when any of its texts is among the first k.
 */
import type { Block, Visit } from './blocks.ts';

/** Ranks from 0; of equal similarities the first of the list is the better. */
export interface RetrievalRanks {
  /** For each text as the query: of its picture among the pictures. */
  readonly imageOfText: readonly number[];
  /** For each picture that has texts: of the best of them among the texts. */
  readonly textOfImage: readonly number[];
}

function eachPair(
  { scores, firstQuery, firstCandidate, queries, candidates }: Block,
  use: (text: number, image: number, score: number) => void,
): void {
  for (let q = 0; q < queries; q++)
    for (let c = 0; c < candidates; c++) use(firstQuery + q, firstCandidate + c, scores[q * candidates + c]!);
}

/**
 * @param visit similarities of texts (queries) and pictures (candidates)
 * @param imageOfText each text's picture
 */
export async function retrievalRanks(
  visit: Visit,
  imageOfText: readonly number[],
  images: number,
): Promise<RetrievalRanks> {
  /** Of each text with its picture; of each picture with the best of its texts, and which that is. */
  const ofText = new Float64Array(imageOfText.length);
  const ofImage = new Float64Array(images).fill(Number.NEGATIVE_INFINITY);
  const best = new Int32Array(images).fill(-1);
  await visit((block) =>
    eachPair(block, (text, image, score) => {
      if (imageOfText[text] !== image) return;
      ofText[text] = score;
      if (best[image]! >= 0 && score <= ofImage[image]!) return;
      ofImage[image] = score;
      best[image] = text;
    }),
  );
  const textRanks = new Int32Array(imageOfText.length);
  const imageRanks = new Int32Array(images);
  await visit((block) =>
    eachPair(block, (text, image, score) => {
      const [own, right] = [ofText[text]!, ofImage[image]!];
      if (score > own || (score === own && image < imageOfText[text]!)) textRanks[text]!++;
      if (score > right || (score === right && text < best[image]!)) imageRanks[image]!++;
    }),
  );
  return {
    imageOfText: [...textRanks],
    textOfImage: [...imageRanks].filter((_, image) => best[image]! >= 0),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[middle - 0.5]!;
}
