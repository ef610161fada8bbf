/**
 * CLIP's tokenizer as the files that `CLIPTokenizer` and `CLIPTokenizerFast` read, for
 * a vocabulary of any size.
 *
 * `tokenizer.json` describes the steps of the fast one as its converter does: NFC, white space, lower case;
 * words; bytes; merges; marks around the text. Ours also repairs broken Unicode and HTML before that, as
 * OpenAI's does. Source: github.com/huggingface/transformers, models/clip/tokenization_clip.py,
 * convert_slow_tokenizer.py.
 */
import { clipVocabulary } from '../../../runtime/data/texts/tokenizer.ts';
import { jsonText } from './layout.ts';

/** Words, as transformers cuts them out of lower-case text. */
const words = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

function addedToken(content: string): Record<string, unknown> {
  return { content, single_word: false, lstrip: false, rstrip: false, normalized: true, special: true };
}

function fastTokenizer(
  vocab: Record<string, number>,
  merges: readonly string[],
  [start, end]: readonly [string, string],
): Record<string, unknown> {
  const marks = [start, end].map((mark) => ({ id: vocab[mark], ...addedToken(mark) }));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: marks,
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: words }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [end, vocab[end]],
      cls: [start, vocab[start]],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: end,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges,
    },
  };
}

/**
 * The files by name.
 * @param vocab ids, a number for which `hasTokenizer` is true
 * @param context length of a row of tokens
 */
export async function tokenizerFiles(vocab: number, context: number): Promise<[string, string][]> {
  const { words: list, merges } = await clipVocabulary(vocab);
  const ids = Object.fromEntries(list.map((word, id) => [word, id]));
  const [start, end] = list.slice(-2) as [string, string];
  const special = { bos_token: start, eos_token: end, pad_token: end, unk_token: end };
  return [
    ['vocab.json', JSON.stringify(ids)],
    ['merges.txt', `#version: 0.2\n${merges.map((merge) => `${merge}\n`).join('')}`],
    [
      'tokenizer_config.json',
      jsonText({
        add_prefix_space: false,
        added_tokens_decoder: { [vocab - 2]: addedToken(start), [vocab - 1]: addedToken(end) },
        ...special,
        clean_up_tokenization_spaces: false,
        do_lower_case: true,
        errors: 'replace',
        model_max_length: context,
        tokenizer_class: 'CLIPTokenizer',
      }),
    ],
    ['special_tokens_map.json', jsonText(special)],
    ['tokenizer.json', jsonText(fastTokenizer(ids, merges, [start, end]))],
  ];
}
