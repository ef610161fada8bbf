/** The static values of a model that `--set` changes one by one: numbers, flags, and functions that stand for each other. */
import { partsOf } from '../../../compiler/model/index.ts';
import type { Definition, StaticScalar } from '../../../compiler/model/types.ts';
import type { Item, ParamDecl } from '../../../grammar/ast.ts';
import { parse } from '../../../grammar/parser.ts';
import type { SourceFile } from '../../../grammar/source.ts';
import { pageHost } from '../../../zoo/api/browser/host.ts';
import type { ZooModel } from '../../../zoo/api/browser.ts';
import { programPath } from './program.ts';

export interface Knob {
  /** As a setting has it: `vision.layers`. */
  readonly path: string;
  readonly kind: 'int' | 'float' | 'bool' | 'choice';
  readonly value: StaticScalar;
  /** Names of the functions that fit, of a `choice`. */
  readonly choices: readonly string[];
}

const host = pageHost();
const read = new Map<string, { readonly text: string; readonly items: readonly Item[] }>();

/** Of each path the latest text is kept. */
function itemsOf({ path, text }: SourceFile): readonly Item[] {
  const known = read.get(path);
  if (known?.text === text) return known.items;
  const { items } = parse({ path, text }).program;
  read.set(path, { text, items });
  return items;
}

function parametersOf({ span }: Definition): readonly ParamDecl[] {
  if (span === undefined) return [];
  const item = itemsOf(span.file).find(({ name }) => name.span.start === span.start);
  return item?.kind === 'block' ? item.params : [];
}

/** Functions of a file that take one tensor of any shape and nothing else: each can stand for another. */
function elementwise(file: SourceFile): string[] {
  return itemsOf(file).flatMap((item) => {
    if (item.kind !== 'fn' || item.params.length !== 1) return [];
    const { type } = item.params[0]!;
    const any = type.kind === 'tensor-type' && type.dims.length === 1 && type.dims[0]!.kind === 'ellipsis';
    return any ? [item.name.text] : [];
  });
}

/** Values by path, in the order in which blocks declare them. */
export function knobsOf({ model }: ZooModel, text: string): Knob[] {
  const functions = [...elementwise(host.bundled('nn')!), ...elementwise({ path: programPath, text })];
  return partsOf(model).flatMap(({ path: part, block }) =>
    parametersOf(block).flatMap(({ name, type }): Knob[] => {
      const path = part === '' ? name.text : `${part}.${name.text}`;
      const value = model.config.get(path);
      if (type.kind !== 'static-type' || type.list || value === undefined || typeof value === 'object')
        return [];
      switch (type.name) {
        case 'int':
        case 'float':
        case 'bool':
          return [{ path, kind: type.name, value, choices: [] }];
        case 'fn':
          return functions.includes(String(value))
            ? [{ path, kind: 'choice', value, choices: functions }]
            : [];
        default:
          return [];
      }
    }),
  );
}
