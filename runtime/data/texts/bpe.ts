/**
 * CLIP's byte-pair tokenizer: text to ids, for models with CLIP's vocabulary and for smaller ones.
 *
 * A vocabulary of V ids is 256 bytes, the same 256 at the end of a word, the first V - 514 merges of CLIP's
 * list, and two marks: SOT = V - 2 and EOT = V - 1, the largest id (the model finds the end of the text by
 * it). V = 49408 is OpenAI's. A smaller V is the same tokenizer with fewer merges: it can still write any
 * text, in more pieces. The algorithm comes with @huggingface/tokenizers, the merges are given.
 */
import { Tokenizer as BpeTokenizer } from '@huggingface/tokenizers';
import { fail } from '../../../grammar/diagnostics.ts';
import { cleanText } from './clean-text.ts';

/** Ids that are not merges: bytes, bytes at the end of a word, SOT and EOT. */
const fixedIds = 514;
/** OpenAI's vocabulary, the largest there is. */
export const clipVocab = 49408;
const startText = '<|startoftext|>';
const endText = '<|endoftext|>';
/**
 * The original ignores case, so that a long s counts as s, and the iota below (U+0345) as a letter that is none; all
 * else is lower case already.
 */
const wordPattern = "'[sſ]|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}\\u0345]+";

/** The printable stand-ins for bytes 0..255 that byte-level BPE uses, in the order of their ids. */
function byteCharacters(): string[] {
  const printable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  const bytes = Array.from({ length: 256 }, (_, b) => b);
  const own = bytes.filter(printable).map((b) => String.fromCharCode(b));
  const moved = bytes.filter((b) => !printable(b)).map((_, i) => String.fromCharCode(256 + i));
  return [...own, ...moved];
}

/** The tokenizer of a size as data, for other programs. */
export interface Vocabulary {
  /** By id; the last two are the marks of a text's start and end. */
  readonly words: readonly string[];
  /** `i n`, in order of precedence. */
  readonly merges: readonly string[];
}

/**
 * @param all CLIP's merges in their order, at least those of the vocabulary
 * @param vocab ids, a number for which `hasTokenizer` is true
 */
export function vocabularyOf(all: readonly string[], vocab: number): Vocabulary {
  const merges = all.slice(0, mergesOf(vocab));
  const bytes = byteCharacters();
  const words = [
    ...bytes,
    ...bytes.map((c) => `${c}</w>`),
    ...merges.map((m) => m.replace(' ', '')),
    startText,
    endText,
  ];
  return { words, merges };
}

function makeBpe({ words, merges }: Vocabulary): BpeTokenizer {
  const special = [startText, endText].map((content, i) => ({
    id: words.length - 2 + i,
    content,
    special: true,
    normalized: false,
  }));
  return new BpeTokenizer(
    {
      version: '1.0',
      added_tokens: special,
      normalizer: null,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: wordPattern }, behavior: 'Removed', invert: true },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
        ],
      },
      post_processor: null,
      decoder: { type: 'ByteLevel' },
      model: {
        type: 'BPE',
        unk_token: endText,
        continuing_subword_prefix: '',
        end_of_word_suffix: '</w>',
        fuse_unk: false,
        vocab: Object.fromEntries(words.map((word, id) => [word, id])),
        merges: [...merges],
      },
    },
    { tokenizer_class: 'CLIPTokenizer', unk_token: endText, clean_up_tokenization_spaces: false },
  );
}

/** Makes ids for one model's vocabulary and context. */
export interface Tokenizer {
  readonly vocab: number;
  readonly context: number;
  /** SOT, the text, EOT; as long as the text needs. */
  encode(text: string): number[];
  /**
   * Writes one row of `context` ids: SOT, the text, EOT, zeros. A text that is too long is cut, its
   * last id replaced by EOT.
   * @returns whether the text was cut
   */
  encodeInto(row: Int32Array, text: string): boolean;
  /** The text of ids, as far as it can be told (case and white space are lost). */
  decode(ids: readonly number[]): string;
}

/** Whether there is a tokenizer for a vocabulary of this size. */
export function hasTokenizer(vocab: number): boolean {
  return vocab >= fixedIds && vocab <= clipVocab;
}

/** How many merges a vocabulary has. */
export function mergesOf(vocab: number): number {
  return vocab - fixedIds;
}

/** Of a model's token embedding and a row. */
export interface TokenizerSize {
  readonly vocab: number;
  readonly context: number;
}

/** @throws DiagnosticError Z414 when there is no tokenizer for such a vocabulary or context */
export function checkTokenizer({ vocab, context }: TokenizerSize): void {
  if (!hasTokenizer(vocab))
    fail(
      'Z414',
      `the built-in tokenizer has ${fixedIds} to ${clipVocab} ids, the model's vocabulary has ${vocab}`,
      `set the vocabulary within that range, or give ready-made tokens: data = tensors("FILE")`,
    );
  if (context < 3) fail('Z414', `a context of ${context} has no room for a text between SOT and EOT`);
}

/**
 * The tokenizer of a model whose size was checked.
 * @param merges CLIP's, in their order, at least as many as the vocabulary has
 */
export function makeTokenizer(merges: readonly string[], { vocab, context }: TokenizerSize): Tokenizer {
  const bpe = makeBpe(vocabularyOf(merges, vocab));
  const start = vocab - 2;
  const end = vocab - 1;
  const encode = (text: string) => {
    const cleaned = cleanText(text);
    const ids = cleaned === '' ? [] : bpe.encode(cleaned, { add_special_tokens: false }).ids;
    return [start, ...ids, end];
  };
  return {
    vocab,
    context,
    encode,
    encodeInto(row, text) {
      const ids = encode(text);
      const cut = ids.length > context;
      row.fill(0);
      row.set(cut ? ids.slice(0, context) : ids);
      if (cut) row[context - 1] = end;
      return cut;
    },
    decode: (ids) => bpe.decode([...ids], { skip_special_tokens: false }),
  };
}
