/**
 * CLIP's tokenizer as the files that `CLIPTokenizer` and `CLIPTokenizerFast` read, for
 * a vocabulary of any size.
 *
 * `tokenizer.json` describes the steps of the fast one as its converter does: NFC, white space, lower case;
 * words; bytes; merges; marks around the text. Of the repairs that OpenAI's makes before that it has those that are
 * replacements of single characters; wrongly decoded text and HTML references are beyond it, as the card says. Source: github.com/huggingface/transformers, models/clip/tokenization_clip.py,
 * convert_slow_tokenizer.py.
 */
import { doubleQuotes, ligatures, singleQuotes } from '../../../runtime/data/texts/clean-text.ts';
import { clipVocabulary } from '../../../runtime/data/texts/tokenizer.ts';
import { jsonText } from './layout.ts';

/** Words, as transformers cuts them out of lower-case text. */
const words = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

function addedToken(content: string): Record<string, unknown> {
  return { content, single_word: false, lstrip: false, rstrip: false, normalized: true, special: true };
}

/** For every reader of such files: patterns of sets alone, without escapes. */
function replace(pattern: string | { readonly Regex: string }, content: string): Record<string, unknown> {
  return { type: 'Replace', pattern: typeof pattern === 'string' ? { String: pattern } : pattern, content };
}

/** A set as its characters. */
function plain({ source }: RegExp): { readonly Regex: string } {
  return { Regex: source.replace(/\\u(....)/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16))) };
}

const repairs = [
  ...Object.entries(ligatures).map(([ligature, letters]) => replace(ligature, letters)),
  replace(plain(doubleQuotes), '"'),
  replace(plain(singleQuotes), "'"),
];

/** What those files leave to others. */
export const tokenizerLimits = `The tokenizer's files replace curly quotes and ligatures as OpenAI's tokenizer does. They do not undo wrongly decoded
text ("cafÃ©") or HTML references ("&amp;"): clean such texts before, with ftfy 6.3.1. \`CLIPTokenizer\` of transformers 5 builds its own, which replaces
nothing; \`AutoTokenizer\` and \`CLIPProcessor\` read the file. transformers.js cuts a long text without putting the end mark back: the last id must then be set to it.
`;

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
        ...repairs,
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
 * @param pad what fills a row behind the end: the end mark, as transformers has it, or id 0 as our own tokenizer
 */
export async function tokenizerFiles(
  vocab: number,
  context: number,
  pad: 'end' | 'zero' = 'end',
): Promise<[string, string][]> {
  const { words: list, merges } = await clipVocabulary(vocab);
  const ids = Object.fromEntries(list.map((word, id) => [word, id]));
  const [start, end] = list.slice(-2) as [string, string];
  const special = {
    bos_token: start,
    eos_token: end,
    pad_token: pad === 'zero' ? list[0] : end,
    unk_token: end,
  };
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
        model_input_names: ['input_ids', 'attention_mask'],
        model_max_length: context,
        // By its own name transformers 5 builds CLIP's anew, without the replacements of tokenizer.json.
        tokenizer_class: 'PreTrainedTokenizerFast',
      }),
    ],
    ['special_tokens_map.json', jsonText(special)],
    ['tokenizer.json', jsonText(fastTokenizer(ids, merges, [start, end]))],
  ];
}
