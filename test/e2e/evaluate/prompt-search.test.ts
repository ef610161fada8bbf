/** `zooc prompts search`: what it finds is what `evaluate` says of it, on this set and on another. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Found } from '../../../zoo/evaluate/prompt-search/search.ts';
import { colours, square } from '../../support/files/squares.ts';
import { tinyZoo, Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const model = ['m.zoo', '--weights', 'init:3', '--device', 'reference'];
const templates = ['a photo of {}', '{}', 'it is {}c', 'nothing but {}', '{} {}', 'see {} now'];
const perClass = 6;

/** A search with a file of its own. */
async function search(out: string, ...args: readonly string[]): Promise<Found> {
  const call = [
    'prompts',
    'search',
    ...model,
    ...args,
    '--templates',
    'templates.txt',
    '--out',
    out,
    '--json',
  ];
  return JSON.parse((await workspace.succeed(call)).stdout);
}

async function accuracy(data: string, file: string): Promise<number> {
  await workspace.succeed(['evaluate', ...model, data, '--templates', file, '--out', 'evaluated.json']);
  return JSON.parse(readFileSync(workspace.path('evaluated.json'), 'utf8'))[0].metrics.acc1;
}

const lines = (name: string) => readFileSync(workspace.path(name), 'utf8').trimEnd().split('\n');

beforeAll(async () => {
  workspace.write('m.zoo', tinyZoo);
  workspace.write('templates.txt', `${templates.join('\n')}\n`);
  for (const colour of colours)
    for (const split of ['train', 'test']) {
      mkdirSync(workspace.path(`data/${split}/${colour}`), { recursive: true });
      for (let i = 0; i < perClass; i++)
        workspace.write(
          `data/${split}/${colour}/${i}.png`,
          await square(colour, split === 'train' ? i : 23 - i),
        );
    }
  const names = [...colours].sort();
  workspace.write(
    'suite.json',
    JSON.stringify([
      { name: 'learn', data: 'data', split: 'train' },
      { name: 'three', data: 'data', subset: names.slice(0, 3) },
      // Of another model's names, with several for one class.
      { name: 'named', data: 'data', classes: names.map((name) => [name, `${name} square`]) },
      { name: 'pairs', data: 'pairs.csv', task: 'retrieval' },
    ]),
  );
  workspace.write('pairs.csv', 'filepath,title\ndata/test/red/0.png,red\n');
});

describe('a search', () => {
  it('finds templates that are better together, worth what evaluate says', async () => {
    const found = await search('best.txt', 'data');
    const single = Math.max(...found.templates.map(({ value }) => value));
    expect(found).toMatchObject({ model: 'tiny', pretrained: 'init:3', metric: 'acc1' });
    expect(found.templates.map(({ template }) => template)).toEqual(templates);
    expect(found.searched).toMatchObject({ dataset: 'data', n: 36, skipped: 0, best_single: single });
    expect(found.searched.chosen).toBeGreaterThan(single);
    expect(found.steps.at(-1)!.value).toBe(found.searched.chosen);
    expect(lines('best.txt')).toEqual(found.steps.map(({ template }) => template));
    expect(await accuracy('data', 'best.txt')).toBe(found.searched.chosen);
    expect(await accuracy('data', 'templates.txt')).toBe(found.searched.all);
    for (const { template, value } of found.templates.slice(0, 2)) {
      workspace.write('one.txt', `${template}\n`);
      expect(await accuracy('data', 'one.txt')).toBe(value);
    }
  });

  it('tests the choice once on another split, or another set', async () => {
    const found = await search('held.txt', 'data', '--split', 'train', '--test', 'data');
    expect(found.searched.n).toBe(36);
    expect(found.test).toMatchObject({ dataset: 'data', n: 36 });
    expect(await accuracy('data', 'held.txt')).toBe(found.test!.chosen);
    const named = await search('named.txt', 'suite.json#learn', '--test', 'suite.json#named');
    expect(named.searched).toEqual({ ...found.searched, dataset: 'learn' });
    workspace.write(
      'named.json',
      JSON.stringify([JSON.parse(readFileSync(workspace.path('suite.json'), 'utf8'))[2]]),
    );
    expect(await accuracy('named.json', 'named.txt')).toBe(named.test!.chosen);
  });

  it('takes as many as are asked, into JSON, and the same from the cache', async () => {
    const args = ['suite.json#three', '--most', '1', '--limit', '9', '--cache', 'cache'];
    const found = await search('one.json', ...args);
    expect(found.steps).toHaveLength(1);
    expect(found.searched.n).toBe(9);
    expect(JSON.parse(readFileSync(workspace.path('one.json'), 'utf8'))).toEqual([found.steps[0]!.template]);
    expect(await search('two.json', ...args)).toEqual(found);
  });

  it('raises another metric, and warns that the choice knew the pictures', async () => {
    const args = ['--templates', 'templates.txt', '--out', 'mean.txt', '--metric', 'mean_per_class_recall'];
    const { stdout, stderr } = await workspace.succeed(['prompts', 'search', ...model, 'data', ...args]);
    expect(stdout).toBe('');
    for (const part of [
      'each alone',
      'added',
      'searched: data (36)',
      'best single',
      'all: 6',
      'mean_per_class_recall is optimistic',
    ])
      expect(stderr).toContain(part);
  });
});

describe('refusals', () => {
  it.each([
    ['one set for both', ['data', '--test', 'data'], 'the set of --test is the one that is searched'],
    ['a list of several', ['suite.json'], 'suite.json is not one data set'],
    ['an entry that there is none of', ['suite.json#four'], 'suite.json#four is not one data set'],
    ['pairs', ['suite.json#pairs'], 'prompts search needs one right class a picture'],
    ['a split that is not there', ['data', '--split', 'val'], 'has no split val'],
    ['templates of no kind', ['data', '--templates', 'pairs.csv'], 'has no {}'],
    ['a metric that is none', ['data', '--metric', 'bleu'], 'error[Z700]'],
  ])('%s', async (_, args, message) => {
    const call = ['prompts', 'search', ...model, '--templates', 'templates.txt', ...args, '--out', 'no.txt'];
    const { code, stderr } = await workspace.call(call);
    expect(code, stderr).toBe(1);
    expect(stderr).toContain(message);
    expect(existsSync(workspace.path('no.txt'))).toBe(false);
  });

  it('templates of several lines, which a text file cannot hold', async () => {
    workspace.write('two.json', JSON.stringify(['a\n{}']));
    const call = ['prompts', 'search', ...model, 'data', '--templates', 'two.json', '--out', 'no.txt'];
    const { code, stderr } = await workspace.call(call);
    expect(code).toBe(1);
    expect(stderr).toContain('is more than a line');
  });

  it.each([[['prompts']], [['prompts', 'find']]])('%j', async (args) => {
    const { code, stderr } = await workspace.call(args);
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z700]');
  });
});
