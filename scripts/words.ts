/** `npm run docs:words`: docs/reference/words.md, the table of all built-in words, from what they say of themselves. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { builtinNamed, builtinNames } from '../compiler/model/builtins/builtins.ts';

const head = `# Words

What is built into the language, in one table; [language.md](language.md) says how it is put together. Axes may be counted from the end (\`-1\`). Tensors are f32, or i32 where
that makes sense. Words over elements broadcast as NumPy does. Gradients are those of the first tensor unless said otherwise. \`?\` marks what may be left out.

| word | parameters | meaning | shapes | gradient | as |
| --- | --- | --- | --- | --- | --- |
`;

const cell = (text: string) => text.replaceAll('|', '\\|');

/** The whole document. */
export function wordsDocument(): string {
  const rows = builtinNames()
    .sort()
    .map((name) => {
      const { parameters, about, shapes, gradient, source } = builtinNamed(name)!;
      const named = parameters.map((p) => `${p.name}${p.optional ? '?' : ''}`).join(', ');
      return `| \`${name}\` | ${named} | ${[about, shapes, gradient, source].map(cell).join(' | ')} |`;
    });
  return `${head}${rows.join('\n')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL('../docs/reference/words.md', import.meta.url), wordsDocument());
