/** The tables of a recipe, which are read once: `tokens("classes.txt", template = …)`, `tensor("FILE.npy")`. */
import { z } from 'zod';
import { vocabularyOf } from '../../../compiler/model/index.ts';
import type { ModelInput, StaticCall, TableValue } from '../../../compiler/model/types.ts';
import type { HostArray } from '../../types.ts';
import { readLines } from '../files/text-lines.ts';
import { failAt, parseOptions } from '../options.ts';
import { createTokenizer } from '../texts/tokenizer.ts';
import type { Feeds } from '../types.ts';
import { readInput } from './columns/tensor.ts';

type Find = (name: string) => string;

const tokensSchema = z.object({
  texts: z.union([z.string(), z.array(z.string()).min(1)]),
  template: z
    .string()
    .refine((text) => text.includes('{}'), 'it needs {} where the text goes')
    .default('{}'),
});
const tensorSchema = z.object({ file: z.string() });

/** @throws DiagnosticError Z412, Z414, Z425, Z521, Z522 */
export async function openTables(
  tables: readonly TableValue[],
  inputs: readonly ModelInput[],
  find: Find,
): Promise<Feeds> {
  const found = new Map<string, HostArray>();
  for (const { input: name, value } of tables) {
    const input = inputs.find((i) => i.name === name);
    if (input?.table !== true) throw new Error(`${name} is no table of the loss`);
    if (value.name === 'tokens') found.set(name, await tokenTable(value, input, find));
    else found.set(name, await readInput(find(parseOptions(value, tensorSchema, ['file']).file), input));
  }
  return found;
}

async function tokenTable(call: StaticCall, input: ModelInput, find: Find): Promise<Int32Array> {
  const { name, sizes } = input;
  const { texts, template } = parseOptions(call, tokensSchema, ['texts']);
  const lines = typeof texts === 'string' ? await readLines(find(texts)) : texts;
  const [rows = 0, context = 0] = sizes;
  if (lines.length !== rows) {
    const given =
      typeof texts === 'string'
        ? `${find(texts)} has ${lines.length} lines, blank ones included`
        : `${lines.length} texts`;
    failAt(call, 'Z425', `${given}, and the table ${name} has ${rows} rows: i32[${rows}, ${context}]`);
  }
  const vocab = vocabularyOf(input);
  if (vocab === undefined)
    failAt(
      call,
      'Z414',
      `${name} indexes no table of known size, so no tokenizer fits it`,
      `${name}: i32[${rows}, ${context}] in 0..VOCABULARY`,
    );
  const tokenizer = await createTokenizer({ vocab, context });
  const out = new Int32Array(rows * context);
  lines.forEach((line, row) => {
    const text = template.replaceAll('{}', () => line);
    tokenizer.encodeInto(out.subarray(row * context, (row + 1) * context), text);
  });
  return out;
}
