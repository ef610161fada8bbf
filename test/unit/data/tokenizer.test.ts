import { readFileSync } from 'node:fs';
import { Tokenizer as BpeTokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { cleanText } from '../../../runtime/data/texts/clean-text.ts';
import { createTokenizer, type Tokenizer } from '../../../runtime/data/texts/tokenizer.ts';
import { tokenizerFiles } from '../../../zoo/export/foreign/tokenizer-files.ts';

interface Case {
  category: string;
  text: string;
  ids: number[];
  fits: boolean;
  tokens77: number[];
  tokens16_truncated: number[];
  cleaned: string;
  decoded: string;
}

/** Made by openai/CLIP's own tokenizer. */
const cases = JSON.parse(
  readFileSync(new URL('../../fixtures/tokenizer_cases.json', import.meta.url), 'utf8'),
) as Case[];

describe('the tokenizer against the original on 150 texts', () => {
  let clip: Tokenizer;
  let short: Tokenizer;
  beforeAll(async () => {
    clip = await createTokenizer({ vocab: 49408, context: 77 });
    short = await createTokenizer({ vocab: 49408, context: 16 });
  });
  const row = (tokenizer: Tokenizer, text: string) => {
    const out = new Int32Array(tokenizer.context).fill(-1);
    return { cut: tokenizer.encodeInto(out, text), ids: [...out] };
  };

  it.each(cases.map((c, i) => [i, c.category, c] as const))('case %i (%s)', (_, __, c) => {
    expect(cleanText(c.text)).toBe(c.cleaned);
    expect(clip.encode(c.text)).toEqual(c.ids);
    expect(row(clip, c.text)).toEqual({ cut: !c.fits, ids: c.tokens77 });
    expect(row(short, c.text).ids).toEqual(c.tokens16_truncated);
    expect(clip.decode(c.ids)).toBe(c.decoded);
  });
});

const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../fixtures/texts/${name}`, import.meta.url), 'utf8'));

describe('texts that need a repair, or seem to', () => {
  it('have the ids of the original tokenizer', async () => {
    const clip = await createTokenizer({ vocab: 49408, context: 77 });
    const texts = fixture('repaired.json') as { text: string; ids: number[] }[];
    expect(texts.map(({ text }) => ({ text, ids: clip.encode(text) }))).toEqual(texts);
    expect(texts.length).toBe(181);
  });

  it('have these ids from exported files, too, as far as single characters tell', async () => {
    const clip = await createTokenizer({ vocab: 49408, context: 77 });
    const files = new Map(await tokenizerFiles(49408, 77));
    const read = (name: string) => JSON.parse(files.get(name)!);
    const exported = new BpeTokenizer(read('tokenizer.json'), read('tokenizer_config.json'));
    for (const text of ['“ﬁne”', 'it’s ‘so’', 'Ĳssel ﬂow', 'plain'])
      expect(exported.encode(text).ids).toEqual(clip.encode(text));
  });

  it('are read in the right encoding where ftfy has evidence, and left alone elsewhere', () => {
    const texts = fixture('misread.json') as [string, string][];
    expect(texts.map(([text]) => [text, cleanText(text)])).toEqual(texts);
    expect(texts.filter(([text, cleaned]) => text.toLowerCase() !== cleaned).length).toBeGreaterThan(200);
  });
});

describe('smaller vocabularies', () => {
  it('are the same tokenizer with fewer merges', async () => {
    const small = await createTokenizer({ vocab: 1000, context: 16 });
    const bytes = await createTokenizer({ vocab: 514, context: 16 });
    expect(bytes.encode('a cat')).toEqual([512, 64 + 256, 66, 64, 83 + 256, 513]);
    expect(small.encode('a cat')).toEqual([998, 320, 66, 536, 999]);
    expect(small.decode(small.encode('A cat'))).toBe('<|startoftext|>a cat <|endoftext|>');
  });

  it('write any text with ids in range, ending in the largest', async () => {
    for (const vocab of [514, 600, 4096]) {
      const tokenizer = await createTokenizer({ vocab, context: 12 });
      const row = new Int32Array(12);
      fc.assert(
        fc.property(fc.string({ unit: 'binary' }), (text) => {
          tokenizer.encodeInto(row, text);
          expect(row[0]).toBe(vocab - 2);
          expect(row.every((id) => id >= 0 && id < vocab)).toBe(true);
          const end = row.indexOf(vocab - 1);
          expect(end).toBeGreaterThan(0);
          expect(row.subarray(end + 1).every((id) => id === 0)).toBe(true);
        }),
        { seed: 7, numRuns: 300 },
      );
    }
  });

  it('refuses vocabularies that cannot be', async () => {
    await expect(createTokenizer({ vocab: 512, context: 16 })).rejects.toThrow(
      "Z414: the built-in tokenizer has 514 to 49408 ids, the model's vocabulary has 512",
    );
    await expect(createTokenizer({ vocab: 60000, context: 16 })).rejects.toThrow('Z414');
    await expect(createTokenizer({ vocab: 49408, context: 2 })).rejects.toThrow('Z414');
  });
});
