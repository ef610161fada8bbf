/** What a process says and how it ends when nobody reads it, and when something escapes everyone. */
import { spawnSync } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import { commandLine, Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());
const module = new URL('../../zoo/cli/process.ts', import.meta.url).href;

/** Runs node by a shell, which knows pipes: `$0 "$@"` is the call. */
function shell(
  script: string,
  args: readonly string[],
): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script, process.execPath, ...args], {
    cwd: workspace.folder,
    encoding: 'utf8',
  });
  return { code: status, stdout, stderr };
}

/** A process that does this, as the command line does a verb. */
const doing = (body: string) => [
  ...['--import', 'tsx', '--input-type=module', '--eval'],
  `import { runProcess } from '${module}'; await runProcess(async () => { ${body} });`,
];
const inRepository = (args: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return { code: status, stdout, stderr };
};

describe('the command line', () => {
  it.skipIf(process.platform !== 'linux')('says in words what stdout refuses', () => {
    const { code, stderr } = shell('"$0" "$@" > /dev/full', commandLine(['list']));
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'error[Z701]: cannot write to stdout: no space left on the device\n',
    });
  });

  it('is done when its reader has read enough', () => {
    const script = '"$0" "$@" | head -1; echo "$PIPESTATUS"';
    const { stdout, stderr } = shell(script, commandLine(['list', '--json']));
    expect({ stdout, stderr }).toEqual({ stdout: '[\n0\n', stderr: '' });
  });

  it.skipIf(process.platform !== 'linux')('does its work where nobody can be told', () => {
    workspace.write('wrong.zoo', 'model');
    expect(shell('"$0" "$@" 2> /dev/full', commandLine(['check', 'wrong.zoo']))).toMatchObject({ code: 1 });
    const script = '{ "$0" "$@" 2>&1 >&3 | true; echo "$PIPESTATUS" >&3; } 3>&1';
    const { stdout } = shell(script, commandLine(['fmt', 'wrong.zoo']));
    expect(stdout).toBe('1\n');
  });
});

describe('a process that ends without having done its work', () => {
  it.each([
    [
      'waits for what never comes',
      'await new Promise(() => {});',
      'the process ended before its work was done',
    ],
    [
      'loses a rejection',
      'Promise.reject(new Error("lost")); await new Promise((r) => setTimeout(r, 1e6));',
      'lost',
    ],
    [
      'throws in a callback',
      'setTimeout(() => { throw new Error("thrown"); }); await new Promise(() => {});',
      'thrown',
    ],
  ])('says so where it %s', (_, body, message) => {
    const { code, stdout, stderr } = inRepository(doing(body));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^zooc: internal error: ${message}\n`));
  });
});
