/** `csv("FILE", inputs = { image = picture("file"), label = class("cls") })`: which columns feed which inputs. */
import type { Span } from '../../../grammar/source.ts';
import { formatInput, isPicture, isText } from '../inputs.ts';
import type { ModelInput, StaticCall } from '../types.ts';
import { didYouMean } from '../values/suggest.ts';
import { formatData, isCall, isRecord } from './data.ts';
import { tableSources } from './schema.ts';

interface ColumnKind {
  readonly feeds: string;
  readonly fits: (input: ModelInput) => boolean;
}

/** What a column can be, and the inputs that it feeds. */
const kinds = {
  picture: { feeds: '[B, 3, R, R]', fits: isPicture },
  caption: { feeds: 'i32[B, T]', fits: isText },
  class: { feeds: 'i32[B]', fits: ({ dtype, sizes }) => dtype === 'i32' && sizes.length === 0 },
  number: { feeds: '[B] or [B, n]', fits: ({ dtype, sizes }) => dtype === 'f32' && sizes.length <= 1 },
  tensor: { feeds: 'any shape', fits: () => true },
} as const satisfies Record<string, ColumnKind>;
export type ColumnName = keyof typeof kinds;
const columnKinds: ReadonlyMap<string, ColumnKind> = new Map(Object.entries(kinds));

/** The sources that a recipe's data is made of. */
export function sourcesOf(data: StaticCall): readonly StaticCall[] {
  return data.name === 'mix' ? data.args.filter(isCall) : [data];
}

/** The columns of a `csv` call by input; undefined where it names none and feeds a picture and a text. */
export function columnCalls(data: StaticCall): ReadonlyMap<string, StaticCall> | undefined {
  const { inputs } = data.named;
  if (!isRecord(inputs)) return undefined;
  return new Map(
    Object.entries(inputs.fields).filter((field): field is [string, StaticCall] => isCall(field[1])),
  );
}

export interface DataMistake {
  readonly span?: Span;
  readonly message: string;
  readonly help?: string;
}

/** `picture("COLUMN") or tensor("COLUMN")` */
function fitting(input: ModelInput): string {
  const names = [...columnKinds].filter(([, { fits }]) => fits(input)).map(([name]) => `${name}("COLUMN")`);
  return names.join(' or ');
}

/**
 * All that keeps a source of samples from feeding these inputs.
 * @param wanted those that no `table` of the recipe feeds
 */
export function dataMistakes(data: StaticCall, wanted: readonly ModelInput[], taker: string): DataMistake[] {
  const { span } = data;
  const inputs = wanted.filter(({ table }) => !table);
  const missing = wanted
    .filter(({ table }) => table)
    .map((input): DataMistake => {
      const message = `${formatInput(input)} of ${taker} is a table, the same for every sample, and nothing gives it`;
      return { ...(span === undefined ? {} : { span }), message, help: tableHelp(input) };
    });
  return [...missing, ...sampleMistakes(data, inputs, taker)];
}

/** `table prompts = tokens("FILE")` */
export function tableHelp({ name, dtype, sizes }: ModelInput): string {
  const tokens = dtype === 'i32' && sizes.length === 2 ? 'tokens("FILE.txt") or ' : '';
  return `table ${name} = ${tokens}tensor("FILE.npy")`;
}

function sampleMistakes(data: StaticCall, inputs: readonly ModelInput[], taker: string): DataMistake[] {
  const { span } = data;
  const at = span === undefined ? {} : { span };
  const given = data.named.inputs;
  if (!tableSources.has(data.name) || given === undefined) return pairMistakes(data, inputs, taker);
  if (!isRecord(given)) {
    const message = `\`inputs\` of ${data.name} is ${formatData(given)}: a record of columns by input is wanted`;
    return [{ ...at, message, help: columnsHelp(inputs) }];
  }
  const names = inputs.map(({ name }) => name);
  const where = given.span ?? span;
  const mistakes = Object.entries(given.fields).flatMap(([name, column]): DataMistake[] => {
    const place = (isCall(column) ? column.span : undefined) ?? where;
    const here = place === undefined ? {} : { span: place };
    const input = inputs.find((i) => i.name === name);
    if (input === undefined) {
      const message = `${taker} has no input \`${name}\` that a column could feed${didYouMean(name, names)}`;
      return [{ ...here, message, help: `its inputs: ${inputs.map(formatInput).join(', ')}` }];
    }
    const kind = isCall(column) ? columnKinds.get(column.name) : undefined;
    const help = `${name} = ${fitting(input)}`;
    if (!isCall(column) || kind === undefined) {
      const hint = isCall(column) ? didYouMean(column.name, [...columnKinds.keys()]) : '';
      return [{ ...here, message: `\`${name}\` cannot be ${formatData(column)}${hint}`, help }];
    }
    if (kind.fits(input)) return [];
    const message = `${column.name} feeds ${kind.feeds}, and the input is ${formatInput(input)}`;
    return [{ ...here, message, help }];
  });
  const missing = inputs.filter(({ name }) => !Object.hasOwn(given.fields, name));
  const lacking = missing.map((input): DataMistake => {
    const place = where === undefined ? {} : { span: where };
    const message = `no column feeds the input ${formatInput(input)} of ${taker}`;
    return { ...place, message, help: `${input.name} = ${fitting(input)}` };
  });
  return [...mistakes, ...lacking];
}

function columnsHelp(inputs: readonly ModelInput[]): string {
  const columns = inputs.map((input) => `${input.name} = ${fitting(input).split(' or ')[0]}`);
  return `inputs = { ${columns.join(', ')} }`;
}

/** Without `inputs` tables give pictures with captions: exactly such must be wanted. */
function pairMistakes(
  { name, span }: StaticCall,
  inputs: readonly ModelInput[],
  taker: string,
): DataMistake[] {
  if (inputs.length === 2 && inputs.some(isPicture) && inputs.some(isText)) return [];
  const message = `${name} gives pictures [B, 3, R, R] and texts i32[B, T]; ${taker} takes ${inputs.map(formatInput).join(' and ')}`;
  const tensors = 'data = tensors("FILE.safetensors") feeds inputs of any shape';
  const help = tableSources.has(name) ? `say what feeds them: ${columnsHelp(inputs)}; ${tensors}` : tensors;
  return [{ ...(span === undefined ? {} : { span }), message, help }];
}
