/**
 * The code blocks of a page and what its fences say of them:
 *
 * - `sh`: commands, run by bash in the page's folder, one block after the other. A `text` block right behind one is what it
 *   prints, both streams; `…` stands for anything within a line, and alone on a line for any lines. `fails` expects exit code 1.
 * - `LANGUAGE file=NAME`: the file NAME of that folder. A program (`zoo`) has to check without errors, or with some if
 *   it says `fails`.
 * - `zoo` without a name: a part of a program, which has to be one by its grammar.
 * - `no-run="REASON"`: nothing is done with it.
 *
 * A page that goes on with the files of others names the last of them at its head: `after: docs/PAGE.md`.
 */
export interface Block {
  readonly language: string;
  readonly text: string;
  /** Of the opening fence, from 1. */
  readonly line: number;
  readonly file?: string;
  readonly fails: boolean;
  readonly reason?: string;
  /** Of a block of commands: what they print, if the page shows it. */
  readonly output?: string;
}

export function blocksOf(page: string): Block[] {
  const blocks: (Block & { readonly end: number })[] = [];
  const lines = page.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const opening = /^( *)```(\S*)(.*)$/.exec(lines[at]!);
    if (!opening) continue;
    const [, indent = '', language = '', info = ''] = opening;
    const end = lines.findIndex((line, place) => place > at && line === `${indent}\`\`\``);
    if (end < 0) throw new Error(`the block of line ${at + 1} has no end`);
    const text = lines
      .slice(at + 1, end)
      .map((line) => line.slice(indent.length))
      .join('\n');
    const before = blocks.at(-1);
    const close = before !== undefined && lines.slice(before.end + 1, at).every((line) => line.trim() === '');
    if (close && language === 'text' && before.language === 'sh' && before.output === undefined)
      blocks[blocks.length - 1] = { ...before, output: text, end };
    else {
      const file = /\bfile=(\S+)/.exec(info)?.[1];
      const reason = /\bno-run="([^"]+)"/.exec(info)?.[1];
      blocks.push({
        language,
        text,
        line: at + 1,
        ...(file === undefined ? {} : { file }),
        fails: /\bfails\b/.test(info),
        ...(reason === undefined ? {} : { reason }),
        end,
      });
    }
    at = end;
  }
  return blocks;
}

/** The page whose files this one goes on with. */
export function pageBefore(page: string): string | undefined {
  return /^---\n(?:.*\n)*?after: (\S+)\n/.exec(page)?.[1];
}

/** Whether a printed text is the shown one, where `…` stands for anything. */
export function shows(shown: string, printed: string): boolean {
  const pattern = shown
    .trimEnd()
    .split('\n')
    .map((line) =>
      line.trim() === '…' ? '(?:.*\\n)*?' : `${line.trimEnd().split('…').map(escapePattern).join('.*')}\\n`,
    )
    .join('');
  return new RegExp(`^${pattern}$`).test(`${printed.replace(/[ \t]+$/gm, '').trimEnd()}\n`);
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
