/** What shells complete, by the shells themselves where they are installed: bash everywhere, zsh and fish where they are. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

/** How each shell is asked for what may follow, a candidate a line. `WORDS` are those of the line, the last one being typed. */
const asking = {
  bash: `source ./script
COMP_LINE="zooc $*" COMP_POINT=$((\${#COMP_LINE}))
_zooc
printf '%s\\n' "\${COMPREPLY[@]}"`,
  // What zsh offers it offers through these; only the last word's beginning is left to it.
  zsh: `compdef() { }
compadd() { if [[ $1 == -a ]]; then print -rl -- \${(P)2}; else shift; print -rl -- "$@"; fi | grep -- "^$words[-1]" }
_files() { print -rl -- *(N) | grep -- "^$words[-1]" }
source ./script
words=(zooc "$@") CURRENT=$(($# + 1))
_zooc`,
  fish: `source ./script
complete -C "zooc $argv" | string replace -r '\\t.*' ''`,
} as const;
type Shell = keyof typeof asking;

const shells = Object.keys(asking) as Shell[];
const installed = shells.filter((shell) => spawnSync(shell, ['-c', 'true']).status === 0);

beforeAll(() => {
  workspace.write('notes.txt', '');
  for (const shell of shells) workspace.write(`ask.${shell}`, asking[shell]);
});

async function complete(shell: Shell, ...words: string[]): Promise<string[]> {
  workspace.write('script', (await workspace.succeed(['completion', shell])).stdout);
  const run = spawnSync(shell, [`ask.${shell}`, ...words], { cwd: workspace.folder, encoding: 'utf8' });
  expect(run.stderr).toBe('');
  return run.stdout.trimEnd().split('\n').sort();
}

describe('zooc completion', () => {
  it.each(shells)('%s has every verb and option that --help shows', async (shell) => {
    const { stdout: script } = await workspace.succeed(['completion', shell]);
    const { stdout: help } = await workspace.succeed(['--help']);
    const verbs = [...help.slice(help.indexOf('Commands:')).matchAll(/^ {2}(\w+)/gm)].map(
      ([, verb]) => verb!,
    );
    expect(verbs.length).toBeGreaterThan(25);
    for (const verb of verbs.filter((name) => name !== 'help')) {
      expect(script).toMatch(new RegExp(`\\b${verb}\\b`));
      const { stdout } = await workspace.succeed([verb, '--help']);
      for (const [, option] of stdout.matchAll(/^ {2}(?:-\w, )?--([\w-]+)/gm))
        expect(script, `${verb} --${option}`).toMatch(new RegExp(`(--|-l )${option}\\b`));
    }
  });

  it('is tried with bash at least', () => expect(installed).toContain('bash'));

  describe.each(installed)('in %s', (shell) => {
    it.each([
      ['verbs', ['cl'], ['classifier', 'classify']],
      ['verbs of a group', ['zoo', 'r'], ['remove']],
      ['options', ['compile', '--pr'], ['--precision', '--profile']],
      ['options of a verb of a group', ['zoo', 'pack', '--pa'], ['--package-version']],
      ['values of an option', ['compile', 'x', '--profile', 'a'], ['amd', 'apple']],
      ['values of an argument', ['completion', ''], ['bash', 'fish', 'zsh']],
      ['models by name', ['show', 'ViT-B/1'], ['ViT-B/16', 'ViT-B/16-SigLIP', 'ViT-B/16-gelu']],
      ['models behind an option', ['export', 'x', '--model', 'RN50x1'], ['RN50x16']],
      ['files elsewhere', ['check', 'no'], ['notes.txt']],
      ['files behind an option', ['classify', '--labels', 'no'], ['notes.txt']],
    ])('completes %s', async (_, words, wanted) => {
      expect(await complete(shell, ...words)).toEqual(wanted);
    });
  });

  it('goes on behind what bash takes for the end of a word', async () => {
    // Bash replaces what stands behind the @ alone.
    expect(await complete('bash', 'show', 'ViT-L/14@')).toEqual(['336px']);
  });
});
