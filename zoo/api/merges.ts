/** CLIP's merges as a text, a line each, so that pages can have them as a file. */
import { fail } from '../../grammar/diagnostics.ts';
import { clipVocab, hasTokenizer, mergesOf } from '../../runtime/data/texts/bpe.ts';
import { isNamed, ownBytes } from './bytes.ts';
import type { Platform } from './platform.ts';
import type { BytesInput } from './types.ts';

/** @throws DiagnosticError Z414 */
export async function mergesText(platform: Pick<Platform, 'merges'>, vocab = clipVocab): Promise<string> {
  if (!hasTokenizer(vocab)) fail('Z414', `there is no tokenizer with a vocabulary of ${vocab}`);
  const count = mergesOf(vocab);
  return `${(await platform.merges(count)).slice(0, count).join('\n')}\n`;
}

/** @throws DiagnosticError Z414 where a line is no merge, or there are too few; Z701 */
export async function readMerges(
  platform: Pick<Platform, 'readBytes'>,
  source: BytesInput,
  count: number,
): Promise<string[]> {
  const bytes = isNamed(source) ? await platform.readBytes(source) : await ownBytes(source);
  const lines = new TextDecoder().decode(bytes).trimEnd().split('\n');
  const bad = lines.findIndex((line) => !/^\S+ \S+$/.test(line));
  if (bad >= 0) fail('Z414', `line ${bad + 1} of the merges is not two parts of words`);
  if (lines.length < count) fail('Z414', `the vocabulary takes ${count} merges, ${lines.length} were given`);
  return lines;
}
