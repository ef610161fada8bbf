/** `zooc shards`, and `train` from what it and `tar` write: the weights that the table itself gives, also after a stop. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plainPicture } from '../../support/training/pair-source.ts';
import { Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const common = 'augment = [shift(1)], templates = ["{}", "a {}"], split = "|"';
const shards = (folder: string) =>
  `webdataset("${folder}/{00000..00002}.tar", json = ["title", "tags"], weights = [0.5, 0.5], ${common})`;
const sources: Record<string, string> = {
  csv: `csv("t.csv", captions = ["title", "tags"], caption_weights = [0.5, 0.5], ${common})`,
  ours: shards('ours'),
  tar: shards('tar'),
  pipe: 'webdataset("pipe:cat ours/00000.tar", json = "title")',
};
const recipes = Object.entries(sources).map(
  ([name, data]) => `train "${name}" of "tiny" {
  data = ${data}
  batch = 5
  optimizer = adamw(lr = 1e-2)
  checkpoint every 2 steps keep 1
  steps = 8
}`,
);
const program = `import clip { CLIP, VisionTransformer, TextTransformer }
import losses { contrastive }
model "tiny" = CLIP(
  vision = VisionTransformer(resolution = 4, patch = 2, width = 16, heads = 1, layers = 1, embed = 8),
  text = TextTransformer(context = 8, vocab = 600, width = 16, heads = 1, layers = 1, embed = 8)
)
${recipes.join('\n')}
`;

beforeAll(async () => {
  workspace.write('r.zoo', program);
  const rows: string[] = [];
  for (const folder of ['pictures', 'members', 'tar', 'package']) mkdirSync(workspace.path(folder));
  for (let i = 0; i < 14; i++) {
    const picture = await plainPicture(17 * i + 5, 'webp');
    workspace.write(`pictures/${i}`, picture);
    rows.push(`pictures/${i}\tnumber ${i}\t|one|two ${i}`);
    const key = `members/${String(i).padStart(3, '0')}`;
    workspace.write(`${key}.webp`, picture);
    workspace.write(`${key}.json`, JSON.stringify({ tags: `|one|two ${i}`, title: `number ${i}` }));
  }
  workspace.write('t.csv', `filepath\ttitle\ttags\n${rows.join('\n')}\n`);
  const key = (i: number) => String(i).padStart(3, '0');
  for (const [s, [first, end]] of [
    [0, 2],
    [2, 11],
    [11, 14],
  ].entries()) {
    const names: string[] = [];
    for (let i = first!; i < end!; i++) names.push(`${key(i)}.webp`, `${key(i)}.json`);
    execFileSync('tar', [
      '-cf',
      workspace.path(`tar/0000${s}.tar`),
      '-C',
      workspace.path('members'),
      ...names,
    ]);
  }
});

const cache = () => ({ ZOOC_CACHE: workspace.path('cache') });
const train = (recipe: string, out: string, ...more: string[]) =>
  workspace.zooc(
    [
      'train',
      `${workspace.path('r.zoo')}#${recipe}`,
      '--out',
      workspace.path(out),
      '--device',
      'reference',
      ...more,
    ],
    cache(),
  );

describe('training from shards', () => {
  it('gives the bits that training from the table gives, whoever wrote them', () => {
    const args = ['--out', workspace.path('ours'), '--fields', 'title,tags', '--per-shard', '5'];
    const { code, stdout } = workspace.zooc(['shards', workspace.path('t.csv'), ...args]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${workspace.path('ours')}\n` });
    for (const recipe of ['csv', 'ours', 'tar']) expect(train(recipe, `run-${recipe}`).code).toBe(0);
    expect(workspace.changed('run-ours', 'run-csv')).toEqual([]);
    expect(workspace.changed('run-tar', 'run-csv')).toEqual([]);
    expect(workspace.metrics('run-ours')[0]).toMatchObject({ left_out: 0, shards_in_error: 0 });
  });

  it('goes on exactly with another number of threads', () => {
    expect(train('ours', 'cut', '--steps', '3').code).toBe(0);
    expect(train('ours', 'cut', '--resume', '--set', 'data.workers=2').code).toBe(0);
    expect(workspace.changed('cut', 'run-ours')).toEqual([]);
  });

  it('runs no command of a recipe that lies in a package', () => {
    writeFileSync(workspace.path('package/model.json'), '{}');
    workspace.write('package/r.zoo', program);
    const args = ['train', `${workspace.path('package/r.zoo')}#pipe`, '--out', workspace.path('none')];
    const { code, stderr } = workspace.zooc([...args, '--device', 'reference'], cache());
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z452]: a recipe of a package runs no command');
  });
});
