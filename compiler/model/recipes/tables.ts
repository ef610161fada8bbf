/** `table prompts = tokens("classes.txt")`: values of inputs that are the same for every sample. */
import type { TrainDecl } from '../../../grammar/ast.ts';
import { formatInput } from '../inputs.ts';
import type { ModelInput, TableValue } from '../types.ts';
import type { Env } from '../values/scope.ts';
import { didYouMean } from '../values/suggest.ts';
import { tableHelp } from './columns.ts';
import { readCall, tableValues } from './schema.ts';

/**
 * What a recipe says of tables.
 * @param inputs of the loss; undefined where they are not known after a report
 */
export function readTables(
  decl: TrainDecl,
  inputs: readonly ModelInput[] | undefined,
  taker: string,
  env: Env,
): readonly TableValue[] {
  const { session } = env;
  const found: TableValue[] = [];
  const seen = new Set<string>();
  for (const setting of decl.settings) {
    if (setting.kind !== 'table') continue;
    const { text: input, span } = setting.name;
    const value = readCall(setting.value, `table ${input}`, tableValues, env);
    if (seen.has(input)) {
      session.report('Z505', span, `the table \`${input}\` is set twice`);
      continue;
    }
    seen.add(input);
    const taken = inputs?.find(({ name }) => name === input);
    const tables = inputs?.filter(({ table }) => table) ?? [];
    if (inputs !== undefined && taken?.table !== true) {
      const hint = didYouMean(
        input,
        tables.map(({ name }) => name),
      );
      const message =
        taken === undefined
          ? `${taker} has no table \`${input}\`${hint}`
          : `${formatInput(taken)} of ${taker} is fed with every sample and is no table`;
      session.report('Z315', span, message, {
        help: tables.length === 0 ? 'the data feeds it' : `its tables: ${tables.map(formatInput).join(', ')}`,
      });
    } else if (value?.name === 'tokens' && taken && !(taken.dtype === 'i32' && taken.sizes.length === 2)) {
      const message = `tokens gives i32[K, T], and the table is ${formatInput(taken)}`;
      session.report('Z315', setting.value.span, message, { help: tableHelp(taken) });
    } else if (value !== undefined) found.push({ input, value });
  }
  return found;
}
