/**
 * Pages whose steps can be done: blocks that make a file (```ts file=PATH), change one (```diff file=PATH) or are run (```sh),
 * and what running prints (```text).
 *
 * A block that changes a file gives a few lines, which are found by themselves: those that begin with a space or a minus are there,
 * once, and become those that begin with a space or a plus. Of what is printed, lines have to come in this order; `…` stands
 * for anything.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Block {
  /** Behind the fence: `sh fails`. */
  readonly words: readonly string[];
  readonly text: string;
}

function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^```(.+)\n([\s\S]*?)^```$/gm)].map(([, info, text]) => ({
    words: info!.split(' '),
    text: text!,
  }));
}

const fileOf = ({ words }: Block) => words.find((word) => word.startsWith('file='))?.slice('file='.length);

function change(path: string, diff: string): void {
  const lines = diff.trimEnd().split('\n');
  const side = (sign: string) =>
    lines.flatMap((line) => (line === '' || ` ${sign}`.includes(line[0]!) ? [line.slice(1)] : [])).join('\n');
  const text = readFileSync(path, 'utf8');
  const found = text.split(side('-')).length - 1;
  if (found !== 1) throw new Error(`${path} has the lines ${found} times that are to be changed:\n${diff}`);
  writeFileSync(
    path,
    text.replace(side('-'), () => side('+')),
  );
}

/** What a step of a page came to. */
export interface Ran {
  readonly commands: string;
  readonly fails: boolean;
  readonly status: number | null;
  readonly output: string;
  /** Patterns of the lines that the page shows. */
  readonly shown: readonly RegExp[];
}

function patternOf(line: string): RegExp {
  const parts = line.trim().split('…');
  return new RegExp(parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*'));
}

/** Does what a page says in a folder. @yields each block of commands with what came of it */
export function* follow(page: string, folder: string): Generator<Ran> {
  const blocks = blocksOf(page);
  for (const [i, block] of blocks.entries()) {
    const [language] = block.words;
    const file = fileOf(block);
    if (file !== undefined) {
      const path = join(folder, file);
      if (language === 'diff') change(path, block.text);
      else {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, block.text);
      }
    }
    if (language !== 'sh') continue;
    const next = blocks[i + 1];
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^VITEST|^NODE_ENV$/.test(name)),
    );
    const { status, stdout, stderr } = spawnSync('bash', ['-euc', block.text], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...env, NO_COLOR: '1', FORCE_COLOR: '0' },
    });
    yield {
      commands: block.text,
      fails: block.words.includes('fails'),
      status,
      output: `${stdout}${stderr}`,
      shown: next?.words[0] === 'text' ? next.text.trimEnd().split('\n').map(patternOf) : [],
    };
  }
}

/** The first of the lines shown that does not come, in order, in what was printed. */
export function missing({ output, shown }: Ran): string | undefined {
  const lines = output.split('\n');
  let at = 0;
  for (const pattern of shown) {
    const found = lines.findIndex((line, i) => i >= at && pattern.test(line));
    if (found < 0) return pattern.source;
    at = found + 1;
  }
  return undefined;
}
