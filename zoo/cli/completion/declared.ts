/** What can be completed: verbs with their options and values, read from the declarations that the command line is parsed by. */
import type { CommandUnknownOpts, Option } from '@commander-js/extra-typings';

/** What a value may be: one of these words, a model (a bundled one, or a file), or a file. */
export type Value = readonly string[] | 'model' | 'file';

export interface DeclaredOption {
  /** `-o`, `--out` */
  readonly flags: readonly string[];
  readonly about: string;
  /** Absent where it takes none. */
  readonly value?: Value;
}

export interface DeclaredVerb {
  /** `train`, `zoo add`; empty for the command itself. */
  readonly path: string;
  readonly about: string;
  /** Verbs below it. */
  readonly verbs: readonly string[];
  readonly options: readonly DeclaredOption[];
  /** Of its arguments; absent where it takes none. */
  readonly value?: Value;
}

function optionOf({ short, long, description, argChoices, required, optional }: Option): DeclaredOption {
  const value: Value = argChoices ?? (long === '--model' ? 'model' : 'file');
  return {
    flags: [short, long].filter((flag) => flag !== undefined),
    about: description,
    ...(required || optional ? { value } : {}),
  };
}

function argumentOf(command: CommandUnknownOpts): { readonly value?: Value } {
  const [first] = command.registeredArguments;
  if (first === undefined) return {};
  return { value: first.argChoices ?? (first.name() === 'model' ? 'model' : 'file') };
}

/** A command and those below it, itself first. */
export function declared(command: CommandUnknownOpts, path = ''): DeclaredVerb[] {
  const below = [...command.commands];
  const help = { flags: ['--help'], about: 'show what there is' };
  return [
    {
      path,
      about: command.description(),
      verbs: below.map((verb) => verb.name()),
      options: [...command.options.map(optionOf), help],
      ...argumentOf(command),
    },
    ...below.flatMap((verb) => declared(verb, path === '' ? verb.name() : `${path} ${verb.name()}`)),
  ];
}

/** A word of a shell, in quotes. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
