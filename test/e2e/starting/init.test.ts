/** A new project from nothing: what is written, that its next commands run as printed, and what is refused. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAsking } from '../../../zoo/init/ask.ts';
import { device } from '../../gpu/support/compiled.ts';
import { colours, square } from '../../support/files/squares.ts';
import { writeTar } from '../../support/files/tar.ts';
import { tinyZoo, Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

/** Words of a command as a shell takes them. */
function words(command: string): string[] {
  const { stdout } = spawnSync('bash', ['-c', `printf '%s\\0' ${command}`], { encoding: 'utf8' });
  return stdout.split('\0').slice(0, -1);
}

const on = await device();
const each = 4;

beforeAll(async () => {
  const rows: string[] = [];
  const members: [string, Buffer | string][] = [];
  for (const [c, colour] of colours.entries()) {
    mkdirSync(workspace.path(`my pictures/${colour}_things`), { recursive: true });
    for (let i = 0; i < each; i++) {
      const picture = await square(colour, i);
      const file = `my pictures/${colour}_things/${i}.png`;
      writeFileSync(workspace.path(file), picture);
      rows.push(`${file},a ${colour} square,${colour},number ${i}`);
      members.push([`${c}${i}.png`, picture], [`${c}${i}.txt`, `a ${colour} square`]);
    }
  }
  workspace.write('pairs.csv', `filepath,title,label,words\n${rows.join('\n')}\n`);
  await writeTar(workspace.path('a-0.tar'), members.slice(0, 24));
  await writeTar(workspace.path('a-1.tar'), members.slice(24));
  workspace.write('tiny.zoo', tinyZoo);
});

/** As printed: the folder first, then commands in it. */
async function runNext(stdout: string): Promise<void> {
  const [folder, ...commands] = stdout.trimEnd().split('\n').map(words) as [string[], ...string[][]];
  expect(folder[0]).toBe('cd');
  expect(commands).toHaveLength(3);
  for (const [npx, zooc, ...args] of commands) {
    expect([npx, zooc]).toEqual(['npx', 'zooc']);
    const { code, stderr } = await workspace.call(args, {}, folder[1]!);
    expect(code, `${args.join(' ')}\n${stderr}`).toBe(0);
  }
}

const kinds = [
  ['train', '--data', 'pairs.csv'],
  ['train', '--data', 'a-{0..1}.tar'],
  ['finetune', '--data', 'my pictures', '--model', 'tiny.zoo', '--weights', 'start'],
  ['classify', '--data', 'my pictures'],
  ['tower', '--data', 'pairs.csv', '--text', 'words'],
];

describe.skipIf(!on)('the next commands of zooc init', () => {
  beforeAll(async () => {
    workspace.write(
      'start.zoo',
      `${tinyZoo}
train "start" of "tiny" { data = csv("pairs.csv") objective = contrastive batch = 4
  optimizer = adamw(lr = 1e-3) schedule = constant(warmup = 1 steps) }`,
    );
    await workspace.succeed('train start.zoo --out start --steps 1 --device reference'.split(' '));
  });

  it.each(kinds)('run as printed: --task %s %s %s', async (task, ...options) => {
    const out = `new ${task}${options.length}${options[1]!.length}`;
    const args = ['init', out, '--task', task!, ...options, '--epochs', '1', '--yes'];
    const { stdout } = await workspace.succeed(args);
    const { code, stderr } = await workspace.call(['fmt', '--check', 'model.zoo', 'recipe.zoo'], {}, out);
    expect(code, stderr).toBe(0);
    const readme = readFileSync(workspace.path(`${out}/README.md`), 'utf8');
    for (const command of stdout.trimEnd().split('\n').slice(1)) expect(readme).toContain(`\n${command}\n`);
    await runNext(stdout);
  });
});

/** `init`, planned without a device. */
const begin = (out: string, ...options: string[]) =>
  workspace.call(['init', out, ...options, '--profile', 'cpu']);
const read = (name: string) => readFileSync(workspace.path(name), 'utf8');

describe('zooc init', () => {
  it('says what it found, chose and wrote as one JSON document', async () => {
    const { code, stdout } = await begin('as json', '--task', 'classify', '--data', 'pairs.csv', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      out: 'as json',
      files: ['labels.txt', 'templates.txt', 'model.zoo', 'recipe.zoo', 'README.md'],
      data: {
        kind: 'table',
        place: '../pairs.csv',
        samples: 24,
        side: 16,
        classes: [...colours].sort(),
        picture: '../my pictures/red_things/0.png',
      },
      model: { name: 'as-json', parameters: expect.any(Number) },
      memory: expect.any(Number),
      next: [
        "cd 'as json'",
        'npx zooc show model.zoo',
        'npx zooc train recipe.zoo --out run',
        "npx zooc classify run --labels labels.txt --templates templates.txt '../my pictures/red_things/0.png'",
      ],
    });
    expect(read('as json/labels.txt').trimEnd().split('\n')).toEqual([...colours].sort());
  });

  it('cuts a batch into chunks where memory is short, and says what a step takes', async () => {
    const [header, ...rows] = read('pairs.csv').trimEnd().split('\n');
    workspace.write('many.csv', [header, ...Array.from({ length: 22 }, () => rows).flat()].join('\n'));
    const options = ['--task', 'train', '--data', 'many.csv', '--json'];
    const roomy = JSON.parse((await begin('roomy', ...options)).stdout);
    expect(read('roomy/recipe.zoo')).not.toMatch(/^ {2}chunk/m);
    const gib = String((roomy.memory - 1) / 2 ** 30);
    const { code, stdout } = await begin('narrow', ...options, '--memory', gib);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).memory).toBeLessThan(roomy.memory);
    expect(read('narrow/recipe.zoo')).toMatch(/^ {2}batch = 128\n {2}chunk = 64$/m);
  });

  it('names the options that are missing where nobody can be asked', async () => {
    const { code, stderr } = await begin('unasked');
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z703]: init needs --task, --data, and there is no terminal to ask at');
    const more = await begin('unasked', '--task', 'finetune', '--data', 'pairs.csv', '--yes');
    expect(more.stderr).toContain('error[Z703]: init needs --model, --weights\n');
    expect(existsSync(workspace.path('unasked'))).toBe(false);
  });

  it('leaves a folder that is not empty as it is', async () => {
    mkdirSync(workspace.path('full'));
    workspace.write('full/notes.txt', 'mine');
    const { code, stderr } = await begin('full', '--task', 'train', '--data', 'pairs.csv');
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z431]: full exists already');
    expect(readdirSync(workspace.path('full'))).toEqual(['notes.txt']);
  });

  it.each([
    [['--task', 'train', '--data', 'nowhere.csv'], 'error[Z703]: --data nowhere.csv: there is no such file'],
    [['--task', 'train', '--data', 'pairs.csv', '--text', 'tittle'], 'error[Z415]'],
    [['--task', 'train', '--data', 'my pictures'], '--task train learns from captions'],
    [['--task', 'classify', '--data', 'a-0.tar'], '--task classify: a-0.tar are shards'],
    [['--task', 'train', '--data', 'pipe:cat a.tar'], 'shards that stream by'],
    [['--task', 'train', '--data', 'pairs.csv', '--memory', '0.000001'], 'error[Z605]'],
    [
      ['--task', 'finetune', '--data', 'pairs.csv', '--model', 'other', '--weights', 'start'],
      'error[Z703]: --model other: expected a bundled model or file.zoo#name',
    ],
  ])('leaves nothing behind where it fails: %j', async (options, message) => {
    const before = readdirSync(workspace.folder);
    const { code, stderr } = await begin('deep/failed', ...options);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(message) });
    expect(readdirSync(workspace.folder)).toEqual(before);
  });

  it('asks for what the options do not say, until it is one of the choices', async () => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    const { ask, close } = openAsking(input, output);
    const answers = (async () => [
      await ask({ text: 'What is it for?', choices: { train: 'a new model', tower: 'your own' } }),
      await ask({ text: 'Where is the data?' }),
    ])();
    input.write('nonsense\n\n tower \npairs.csv\n');
    expect(await answers).toEqual(['tower', 'pairs.csv']);
    expect(String(output.read())).toContain(
      'What is it for?\n  train     a new model\n  tower     your own\n> ',
    );
    const unanswered = ask({ text: 'And?' });
    input.end();
    await expect(unanswered).rejects.toThrow('Z703: the input ended before all was answered');
    close();
  });
});
