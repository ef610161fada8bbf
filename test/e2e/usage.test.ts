/** Help, versions and refusals of the command line itself: exit codes, streams, wording. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { root, Workspace } from './harness.ts';

const verbs =
  'list init check fmt lsp show compile run train export import classify classifier evaluate prompts embed search pull push zoo tune devices selftest bench curate completion'.split(
    ' ',
  );
const workspace = new Workspace();
afterAll(() => workspace.remove());

describe('usage', () => {
  it('prints help on stdout and succeeds', async () => {
    for (const args of [[], ['--help']]) {
      const { code, stdout, stderr } = await workspace.call(args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const verb of verbs) expect(stdout).toMatch(new RegExp(`^ +${verb} `, 'm'));
    }
  });

  it('prints the version of package.json', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(workspace.zooc(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it.each(verbs)('%s --help', async (verb) => {
    const { code, stdout } = await workspace.call([verb, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: zooc ${verb}`);
  });

  it('ends a process with the exit code', () => {
    expect(workspace.zooc(['nonsense'])).toMatchObject({ code: 1, stdout: '' });
  });

  it.each([
    [['tune', 'ViT-B/32', '--batch', 'x'], 'error[Z703]: --batch x'],
    [['tune', 'ViT-B/32', '--entry', 'lose'], 'error[Z704]: ViT-B/32 has no entry lose'],
    [
      'run ViT-B/32 --entry loss --weights hash --inputs hash --batch 1 --out x --tune --device null'.split(
        ' ',
      ),
      'error[Z703]: --tune measures on an adapter, and --device null is none',
    ],
    [
      'run ViT-B/32 --entry loss --weights hash --inputs hash --out x --profile no/such/trace.json'.split(
        ' ',
      ),
      'error[Z703]: --profile no/such/trace.json: no/such does not exist',
    ],
    [['nonsense'], "error[Z700]: unknown command 'nonsense'"],
    [['show'], "error[Z700]: missing required argument 'model'"],
    [['show', 'ViT-B/32', '--colour'], "error[Z700]: unknown option '--colour'"],
    [['show', 'ViT-B/32', '--set', 'layers'], 'error[Z703]: --set layers: expected path=value'],
    [['compile', 'ViT-B/32', '--entry', 'loss', '--batch', '0', '-o', 'x'], 'error[Z703]: --batch 0'],
    [
      ['compile', 'ViT-B/32', '--entry', 'lose', '--batch', '1', '-o', 'x'],
      'error[Z704]: ViT-B/32 has no entry lose',
    ],
    [
      [
        'run',
        'ViT-B/32',
        '--entry',
        'loss',
        '--weights',
        'init:x',
        '--inputs',
        'hash',
        '--batch',
        '1',
        '--out',
        'o',
      ],
      'error[Z403]: init:x',
    ],
    [
      [
        ...['run', 'ViT-B/32', '--entry', 'loss', '--weights', 'hash', '--inputs', 'hash', '--batch', '1'],
        ...['--precision', 'mixed', '--device', 'reference', '--out', 'x'],
      ],
      'error[Z703]: --precision mixed: the reference computes in double precision',
    ],
    [['compile', 'ViT-B/32', '--entry', 'loss', '-o', 'x'], 'error[Z703]: --batch is missing'],
    [
      ['compile', join(root, 'examples/emoji/emoji.zoo#quick'), '--train', '--batch', '4', '-o', 'x'],
      'error[Z703]: --batch and --train exclude each other',
    ],
    [['show', 'ViT-B/33'], 'ViT-B/33'],
    [['check', 'nowhere.zoo'], 'nowhere.zoo'],
  ])('refuses %j', async (args, message) => {
    const { code, stdout, stderr } = await workspace.call(args);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^ +at .*:\d+:\d+/m);
  });
});
