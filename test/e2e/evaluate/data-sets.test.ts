/**
 * `zooc evaluate` of a model on data sets in all their forms: at once, in parts, killed and resumed, on ranks of MPI: the
 * same bytes of JSON.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Result } from '../../../zoo/evaluate/results.ts';
import { colours, square } from '../../support/files/squares.ts';
import { writeTar } from '../../support/files/tar.ts';
import { launchers, ranksEnvironment } from '../../support/mpi.ts';
import { commandLine, tinyZoo, Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

/** More than a piece of features holds. */
const perClass = 24;

const base = ['evaluate', 'm.zoo', '--weights', 'init:3', '--device', 'reference'];

function results(name: string): Result[] {
  return JSON.parse(readFileSync(workspace.path(name), 'utf8'));
}

async function evaluate(out: string, ...args: readonly string[]): Promise<Result[]> {
  await workspace.succeed([...base, ...args, '--out', out]);
  return results(out);
}

beforeAll(async () => {
  workspace.write('m.zoo', tinyZoo);
  const pictures = await Promise.all(
    colours.map((colour) => Promise.all(Array.from({ length: perClass }, (_, i) => square(colour, i)))),
  );
  const file = (path: string, content: string | Uint8Array) => {
    mkdirSync(dirname(workspace.path(path)), { recursive: true });
    writeFileSync(workspace.path(path), content);
  };
  const members: [string, string | Uint8Array][] = [];
  for (const [c, colour] of colours.entries())
    for (const [i, picture] of pictures[c]!.entries()) {
      file(`folder/${i % 4 === 0 ? 'train' : 'test'}/${colour}/${String(i).padStart(2, '0')}.png`, picture);
      const key = `${c}${String(i).padStart(3, '0')}`;
      members.push([`${key}.png`, picture], [`${key}.cls`, `${c}\n`]);
    }
  const half = members.length / 2;
  file('shards/test/nshards.txt', '2\n');
  await writeTar(workspace.path('shards/test/0.tar'), members.slice(0, half));
  await writeTar(workspace.path('shards/test/1.tar'), members.slice(half));
  file('shards/classnames.txt', `${colours.join('\n')}\n`);
  file('shards/zeroshot_classification_templates.txt', 'a photo of {c}\n{c}\n');
  file('pairs/test/nshards.txt', '1');
  await writeTar(
    workspace.path('pairs/test/0.tar'),
    colours.flatMap((colour, c) => [
      [`${c}.png`, pictures[c]![0]!] as const,
      [`${c}.txt`, `${colour}\na square in ${colour}\n`] as const,
    ]),
  );
  file('pairs/dataset_type.txt', 'retrieval\n');
  file(
    'table.csv',
    `filepath,label\n${colours.map((colour) => `folder/test/${colour}/01.png,${colour}`).join('\n')}\n`,
  );
  const lines = [...colours].sort().flatMap((colour) =>
    readdirSync(workspace.path(`folder/test/${colour}`))
      .sort()
      .map((name) => `folder/test/${colour}/${name},${colour}`),
  );
  file('all.csv', `filepath,label\n${lines.join('\n')}\n`);
  file(
    'pairs.csv',
    `filepath,title\n${colours.flatMap((colour) => [colour, `${colour} square`].map((text) => `folder/test/${colour}/01.png,${text}`)).join('\n')}\n`,
  );
  file(
    'suite.json',
    JSON.stringify([
      { name: 'shards', data: 'shards', group: 'all', metric: 'mean_per_class_recall' },
      { name: 'shards, three classes', data: 'shards', subset: ['red', 'blue', 5] },
      { name: 'probe', data: 'folder', task: 'probe', group: 'all' },
      { name: 'knn', data: 'folder', task: 'knn' },
      { name: 'pairs', data: 'pairs' },
    ]),
  );
});

describe('data sets', () => {
  it('of folders and of tables give the same of the same pictures', async () => {
    const [folder] = await evaluate('folder.json', 'folder');
    const [table] = await evaluate('table.json', 'all.csv');
    expect(table).toMatchObject({ model: 'tiny', task: 'zeroshot_classification', n: 108, skipped: 0 });
    expect({ ...table, dataset: 'folder' }).toEqual(folder);
  });

  it('have labels that are names, whatever the order in which classes are given', async () => {
    // In another order, more classes than the table has, of which one has two names; and other names, as many, in the order of the old.
    const more = ['purple', ['crimson', 'red'], ...colours.slice(1)];
    const others = [...colours].sort().map((colour) => `dark ${colour}`);
    const sets = [
      { name: 'more', data: 'all.csv', classes: more, subset: [...colours] },
      { name: 'others', data: 'all.csv', classes: others },
    ];
    workspace.write('names.json', JSON.stringify(sets));
    const prompts = ['crimson', ...colours, ...others].map((name) => [
      name,
      [name.replace('dark ', '').replace('crimson', 'red')],
    ]);
    workspace.write('prompts.json', JSON.stringify(Object.fromEntries(prompts)));
    const [plain] = await evaluate('names-plain.json', 'all.csv', '--templates', 'prompts.json');
    for (const found of await evaluate('names-out.json', 'names.json', '--templates', 'prompts.json'))
      expect(found.metrics, found.dataset).toEqual(plain!.metrics);
  });

  it('say nothing but warnings with --quiet', async () => {
    const args = [...base, 'table.csv', '--out', 'quiet.json', '--quiet'];
    expect((await workspace.succeed(args)).stderr).toBe('');
    expect(results('quiet.json')[0]!.n).toBe(6);
  });

  it('take captions of a table for retrieval, several of one picture', async () => {
    const [found] = await evaluate('retrieval.json', 'pairs.csv', '--task', 'retrieval');
    expect(found).toMatchObject({ task: 'zeroshot_retrieval', n: 6 });
    expect(found!.metrics['image_retrieval_recall@10']).toBe(1);
  });

  it('have their own task, a main metric, classes of a subset, and a page', async () => {
    const found = await evaluate('all.json', 'suite.json', '--C', '1');
    expect(found.map(({ dataset, task, n }) => [dataset, task, n])).toEqual([
      ['shards', 'zeroshot_classification', 144],
      ['shards, three classes', 'zeroshot_classification', 72],
      ['probe', 'linear_probe', 108],
      ['knn', 'knn', 108],
      ['pairs', 'zeroshot_retrieval', 6],
    ]);
    expect(found[0]).toMatchObject({ metric: 'mean_per_class_recall', group: 'all' });
    expect(Object.keys(found[1]!.metrics)).toEqual(['acc1', 'mean_per_class_recall']);
    // Colours are told apart by any features.
    expect(found[2]!.metrics.lp_acc1).toBe(1);
    expect(found[3]!.metrics['knn_acc1@1']).toBe(1);
    expect(found[4]!.metrics['text_retrieval_recall@10']).toBe(1);
    const page = readFileSync(workspace.path('all.html'), 'utf8');
    for (const part of ['Worst classes', 'Confusion', 'Wrong pictures', 'mean of all'])
      expect(page).toContain(part);
  });

  it('share a probe of the same training rows, and not of others', async () => {
    const probe = { data: 'folder', task: 'probe' };
    const sets = [
      { ...probe, name: 'test' },
      { ...probe, name: 'train', split: 'train' },
      { ...probe, name: 'two', subset: ['red', 'blue'] },
    ];
    workspace.write('probes.json', JSON.stringify(sets));
    const { stderr } = await workspace.succeed([
      ...base,
      ...['probes.json', '--C', '1', '--out', 'probes-out.json'],
    ]);
    expect(stderr.match(/probe C = 1\.00/g)).toHaveLength(2);
    const [test, train, two] = results('probes-out.json').map(({ metrics }) => metrics);
    expect(train!.objective).toBe(test!.objective);
    expect(train!.lp_acc1).toBe(train!.train_accuracy);
    expect(two!.objective).not.toBe(test!.objective);
  });

  it('are limited to pictures spread over all classes', async () => {
    const [found] = await evaluate('limited.json', 'shards', '--limit', '12', '--task', 'zeroshot');
    expect(found!.n).toBe(12);
    // Two of each class: a recall is 0, a half or 1, of six classes.
    expect(Number.isInteger(Math.round(found!.metrics.mean_per_class_recall! * 12 * 1e9) / 1e9)).toBe(true);
  });

  it('have prompts by class', async () => {
    const own = Object.fromEntries(colours.map((colour) => [colour, [`nothing but ${colour}`, colour]]));
    workspace.write('by-class.json', JSON.stringify(own));
    const found = await evaluate('by-class-out.json', 'table.csv', '--templates', 'by-class.json');
    const [plain] = await evaluate('plain.json', 'table.csv');
    expect(found[0]!.templates_sha256).not.toBe(plain!.templates_sha256);
  });
});

describe('the same bytes', () => {
  const suite = ['suite.json', '--C', '1'];
  const whole = () => readFileSync(workspace.path('all.json'));

  // Of two pieces at most, the third part has nothing to make.
  it('in three parts, of which the last writes them', async () => {
    for (const [i, part] of ['2/3', '1/3', '3/3'].entries()) {
      const { stderr } = await workspace.succeed([
        ...base,
        ...suite,
        '--cache',
        'cache',
        '--part',
        part,
        '--out',
        'parts.json',
      ]);
      expect(existsSync(workspace.path('parts.json'))).toBe(i > 0);
      if (i === 0) expect(stderr).toContain(`part ${part} is done`);
    }
    expect(readFileSync(workspace.path('parts.json'))).toEqual(whole());
  });

  it('killed after the first piece, and started again', async () => {
    const pieces = () =>
      existsSync(workspace.path('killed'))
        ? readdirSync(workspace.path('killed'), { recursive: true }).filter((name) =>
            /\d\.safetensors$/.test(String(name)),
          ).length
        : 0;
    const args = [...base, ...suite, '--cache', 'killed', '--out', 'killed.json'];
    const { code } = await workspace.interrupt(args, 'SIGKILL', () => pieces() > 0);
    expect(code).toBeNull();
    expect(existsSync(workspace.path('killed.json'))).toBe(false);
    const { stderr } = await workspace.succeed(args);
    expect(stderr).toContain('wrote killed.json');
    expect(readFileSync(workspace.path('killed.json'))).toEqual(whole());
  });

  it.each(launchers)('on two ranks of %s', (launcher) => {
    const args = commandLine([...base, ...suite, '--out', 'ranks.json']);
    rmSync(workspace.path('ranks.json'), { force: true });
    const { status, stderr } = spawnSync(launcher, ['-np', '2', process.execPath, ...args], {
      cwd: workspace.folder,
      env: ranksEnvironment,
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    expect(readFileSync(workspace.path('ranks.json'))).toEqual(whole());
  });

  it('with all texts and pictures from the cache', async () => {
    const { stderr } = await workspace.succeed([
      ...base,
      ...suite,
      '--cache',
      'cache',
      '--out',
      'again.json',
    ]);
    expect(stderr).toContain('2 of 2 pieces');
    expect(readFileSync(workspace.path('again.json'))).toEqual(whole());
  });
});

describe('robustness', () => {
  it('is what lies above the line of the baselines', async () => {
    // All training rows vote: the first class wins, which is one in six, and one in three.
    const six = { name: 'six', data: 'folder', task: 'knn' };
    const three = { name: 'three', data: 'folder', task: 'knn', subset: ['red', 'blue', 'white'] };
    workspace.write('two.json', JSON.stringify([six, three]));
    const models = [
      { base: 0.2, shift: 0.2 },
      { name: 'half', base: 0.5, shift: 0.5 },
    ];
    workspace.write('baselines.json', JSON.stringify([{ base: 'six', shift: 'three', models }]));
    const [base, shift] = await evaluate(
      'robust.json',
      'two.json',
      ...['--k', '36', '--baselines', 'baselines.json'],
    );
    expect(base!.metrics['knn_acc1@36']).toBeCloseTo(1 / 6, 12);
    expect(shift!.robustness!.slope).toBeCloseTo(1, 12);
    expect(shift!.metrics.effective_robustness).toBeCloseTo(1 / 3 - 1 / 6, 12);
    expect(readFileSync(workspace.path('robust.html'), 'utf8')).toContain('effective robustness');
  });
});

describe('refusals', () => {
  async function refusal(...args: readonly string[]): Promise<string> {
    const { code, stderr } = await workspace.call([...base, ...args, '--out', 'refused.json']);
    expect(code, stderr).toBe(1);
    expect(existsSync(workspace.path('refused.json'))).toBe(false);
    return stderr;
  }

  it.each([
    ['a folder that is not there', ['nowhere'], 'there is no nowhere'],
    ['a part without a cache', ['shards', '--part', '1/2'], '--part needs --cache'],
    ['a part beyond them', ['shards', '--cache', 'c', '--part', '3/2'], '--part 3/2: expected k/n'],
    ['a probe without a training split', ['shards', '--task', 'probe'], 'has no split train'],
    ['retrieval of classes', ['shards', '--task', 'retrieval'], 'retrieval needs texts'],
    ['two sets of one name', ['shards', 'shards'], 'two data sets are called shards'],
  ])('%s', async (_, args, message) => {
    expect(await refusal(...args)).toContain(message);
  });

  it.each([
    ['an unknown key', { name: 'x', data: 'shards', size: 3 }, 'size'],
    [
      'a metric that there is none of',
      { name: 'x', data: 'shards', metric: 'bleu' },
      'there is no metric bleu',
    ],
    [
      'a class of a subset that is none',
      { name: 'x', data: 'shards', subset: ['red', 'mauve'] },
      '"mauve" is none of its classes',
    ],
    [
      'fewer names than classes',
      { name: 'x', data: 'shards', classes: ['red', 'blue'] },
      'has 6 classes, and there are names of 2',
    ],
    [
      'names that leave a label out',
      { name: 'x', data: 'table.csv', classes: ['red', 'blue'] },
      'has 6 classes, and there are names of 2, of which "black" is none',
    ],
    [
      'no prompts of a class',
      { name: 'x', data: 'shards', templates: { red: ['red'] } },
      'no prompts of the class "green"',
    ],
  ])('a suite with %s', async (_, entry, message) => {
    workspace.write('bad.json', JSON.stringify([entry]));
    expect(await refusal('bad.json')).toContain(message);
  });

  it('leaves out pictures that cannot be read, counts them and says so', async () => {
    workspace.write(
      'broken.csv',
      `filepath,label\nfolder/test/red/01.png,red\nm.zoo,blue\ngone.png,blue\nfolder/test/blue/01.png,blue\n`,
    );
    const { stderr } = await workspace.succeed([...base, 'broken.csv', '--out', 'broken.json']);
    expect(stderr).toContain('2 of 4 pictures cannot be read and do not count');
    expect(results('broken.json')[0]).toMatchObject({ n: 2, skipped: 2 });
  });
});
