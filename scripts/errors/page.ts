/** `npm run docs:errors`: docs/reference/errors.md, every code with a wrong and a mended example and what zooc really says. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Code, codes } from '../../grammar/codes.ts';
import { examples } from './examples/index.ts';
import { type Ran, runExample } from './run.ts';
import type { Example, Files } from './types.ts';

const head = `# Errors

A diagnostic leads with the fact, shows the place and both values with where each came from, and ends with one line of help, phrased as an edit:

\`\`\`
error[Z301]: cannot add [B, 50, 768] and [B, 50, 512]: axis 2 differs
  --> enc.zoo:14:12
12 |   mlp: seq { a: Linear(width, 3072)  b: Linear(3072, 512) }
   |                                         ----------------- gives 512
14 |     return y + mlp(y)
   |            ^^^^^^^^^^ left is 768 (width = 768, mine.zoo:3), right is 512
   = help: Linear(3072, width)
\`\`\`

All independent mistakes are reported in one run. \`zooc check --json\` gives the same as data. A code never changes its meaning.

Below the tables every code has an example: what is wrong, what zooc says, and how it is mended. Examples are run whenever this page is made (\`npm run docs:errors\`) and tested.
`;

const groups = {
  1: 'syntax',
  2: 'names and arguments',
  3: 'shapes and values',
  4: 'weights and data files',
  5: 'recipes',
  6: 'devices and running',
  7: 'the command line',
} as const;

const fenced = (text: string, language = '') => `\`\`\`${language}\n${text.trimEnd()}\n\`\`\``;
/** What is longer tells nothing more. */
const mostLine = 160;
const shortened = (text: string) =>
  text
    .split('\n')
    .map((line) => (line.length <= mostLine ? line : `${line.slice(0, mostLine)} …`))
    .join('\n');

/** A program. The page's own test runs it; those of the other pages have to be right. */
const zoo = 'zoo no-run="belongs to an example of an error"';

function shown(name: string, text: string): string {
  const language = name.endsWith('.zoo') ? zoo : '';
  return `\`${name}\`:\n\n${fenced(shortened(text), language)}`;
}

/** Files of an example that are texts and differ between wrong and mended, or lie beside a program. */
function texts(files: Files, names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const content = files[name];
    return typeof content === 'string' ? [shown(name, content)] : [];
  });
}

function exampleText(example: Example, ran: Ran | undefined): string {
  if ('told' in example) return example.told;
  const { files = {}, remark } = example;
  const front = remark === undefined ? [] : [remark];
  const said = fenced(shortened(ran!.wrong.stderr));
  if ('wrong' in example) {
    const beside = texts(
      files,
      Object.keys(files).filter((name) => name !== 'm.zoo'),
    );
    const code = (text: string) => fenced(shortened(text), zoo);
    return [...front, ...beside, code(example.wrong), said, 'Mended:', code(example.mended)].join('\n\n');
  }
  const { call, mendedCall, mendedFiles = {} } = example;
  const changed = Object.keys(mendedFiles).filter((name) => name in files);
  const line = (args: string) => `$ zooc ${args}`;
  return [
    ...front,
    ...texts(files, changed),
    fenced(`${line(call)}\n${shortened(ran!.wrong.stderr)}`),
    'Mended:',
    ...texts(mendedFiles, changed),
    ...(mendedCall === undefined ? [] : [fenced(line(mendedCall))]),
  ].join('\n\n');
}

/** The whole document. */
export function errorsDocument(ran: ReadonlyMap<Code, Ran | undefined>): string {
  const all = Object.entries(codes) as [Code, string][];
  const sections = Object.entries(groups).map(([digit, about]) => {
    const own = all.filter(([code]) => code[1] === digit);
    const rows = own.map(([code, meaning]) => `| ${code} | ${meaning} |`);
    const parts = own.map(
      ([code, meaning]) =>
        `### ${code}\n\n${meaning[0]!.toUpperCase()}${meaning.slice(1)}.\n\n${exampleText(examples[code], ran.get(code))}`,
    );
    return `## Z${digit}xx: ${about}\n\n| code | what is wrong |\n| --- | --- |\n${rows.join('\n')}\n\n${parts.join('\n\n')}`;
  });
  return `${head}\n${sections.join('\n\n')}\n\nExit code 2 is not in this list: it is a defect of zooc. \`ZOOC_DEBUG=1\` shows where it happened.\n`;
}

/** One after the other: they share the process. */
export async function runAll(): Promise<Map<Code, Ran | undefined>> {
  const ran = new Map<Code, Ran | undefined>();
  for (const code of Object.keys(codes) as Code[]) ran.set(code, await runExample(examples[code]));
  return ran;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL('../../docs/reference/errors.md', import.meta.url), errorsDocument(await runAll()));
