/** Questions at a terminal. They go to stderr, since stdout is for results. */
import { createInterface } from 'node:readline/promises';
import { fail } from '../../grammar/diagnostics.ts';

/** Something that can be answered. */
export interface Question {
  readonly text: string;
  /** What may be answered, each with what it means. */
  readonly choices?: Readonly<Record<string, string>>;
}

export type Ask = (question: Question) => Promise<string>;

function shown({ text, choices }: Question): string {
  const lines = Object.entries(choices ?? {}).map(([name, about]) => `  ${name.padEnd(10)}${about}`);
  return [text, ...lines, ''].join('\n');
}

/** Asks until there is an answer; the end of the input ends it. Lines that come before their question answer it, too. */
export function openAsking(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): { readonly ask: Ask; close(): void } {
  const reader = createInterface({ input, output, prompt: '> ' });
  const lines = reader[Symbol.asyncIterator]();
  const ask: Ask = async (question) => {
    for (;;) {
      output.write(shown(question));
      reader.prompt();
      const { value, done } = await lines.next();
      if (done === true)
        fail('Z703', 'the input ended before all was answered', 'zooc init --help lists the options');
      const given = value.trim();
      if (given !== '' && (question.choices === undefined || Object.hasOwn(question.choices, given)))
        return given;
    }
  };
  return { ask, close: () => reader.close() };
}
