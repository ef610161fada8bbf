/**
 * What CONTRIBUTING.md's guides say is done in a copy of this repository, change by change and command by command: one copy for
 * all of them, so that they are seen to live together, too.
 *
 * A block `diff file=PATH` gives a few lines, which are found by themselves: those that begin with a space or a minus are there, once,
 * and become those that begin with a space or a plus.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { blocksOf, shows } from './blocks.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const guides = join(root, 'docs', 'contributing');
const folder = mkdtempSync(join(tmpdir(), 'zooc-contributing-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What is made, not written, or belongs to packages of their own. */
const left = /^(?:\.git|dist|runs|api-docs|web\/dist|web\/public)$|(?:^|\/)node_modules$/;
cpSync(root, folder, { recursive: true, filter: (path) => !left.test(relative(root, path)) });
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));

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

/** Not what the test runner that runs this one tells its own processes; tests that a command leaves out by name are no gaps. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:VITEST.*|NODE_ENV|ZOOC_REQUIRE_ADAPTER)$/.test(name)),
);

it.each(readdirSync(guides).sort())('%s can be followed', (name) => {
  for (const { language, text, line, file, fails, output } of blocksOf(
    readFileSync(join(guides, name), 'utf8'),
  )) {
    if (file !== undefined) {
      const path = join(folder, file);
      mkdirSync(dirname(path), { recursive: true });
      if (language === 'diff') change(path, text);
      else writeFileSync(path, `${text}\n`);
    }
    if (language !== 'sh') continue;
    const { status, stdout } = spawnSync('bash', ['-euc', `exec 2>&1\n${text}`], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...env, NO_COLOR: '1', FORCE_COLOR: '0' },
    });
    expect(status !== 0, `${name}:${line}\n${stdout}`).toBe(fails);
    if (output !== undefined && !shows(output, stdout)) expect(stdout, `${name}:${line}`).toBe(output);
  }
});
