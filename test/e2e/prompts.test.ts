/**
 * CoOp from the command line, by the recipe of the example: context vectors are trained beside an emoji model's
 * weights, which stay. On the reference, which needs no kernels.
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classNames } from '../../examples/prompts/task.ts';
import { root, Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const recipe = 'examples/prompts/prompts.zoo#coop';
const base = 'runs/emoji-quick';
const picture = join(root, 'test/fixtures/preprocess/tiny_5x7.png');

const zooc = async (...args: string[]) => (await workspace.succeed(args)).stdout;

const train = (out: string, ...more: string[]) =>
  zooc('train', recipe, '--out', out, '--set', 'batch=2', '--device', 'reference', ...more);

beforeAll(async () => {
  const data = 'examples/prompts/data';
  mkdirSync(workspace.path(data), { recursive: true });
  copyFileSync(join(root, dirname(data), 'prompts.zoo'), workspace.path(`${dirname(data)}/prompts.zoo`));
  workspace.write(`${data}/classes.txt`, `${classNames.join('\n')}\n`);
  const table = (...labels: string[]) =>
    `filepath\tclass\n${labels.map((label) => `${picture}\t${label}\n`).join('')}`;
  workspace.write(`${data}/shots-16-seed-1.csv`, table('mammal', 'body part'));
  workspace.write(`${data}/other.csv`, table('vegetable', 'heart'));
  await zooc(
    ...['export', 'init:3', '--model', join(root, 'examples/emoji/emoji.zoo#emoji')],
    ...['--format', 'zoo', '--out', base],
  );
});

describe('the recipe of learned prompts', () => {
  it('is checked and planned with gradients of the context vectors alone', async () => {
    expect(await zooc('check', 'examples/prompts/prompts.zoo')).toContain('no errors');
    const plan = JSON.parse(await zooc('compile', recipe, '--train', '-o', 'plan', '--json'));
    expect(plan.memory.gradients).toBe(4 * 4 * 64);
  });

  it('trains the context vectors and keeps the bits of all other weights', async () => {
    await train('run', '--steps', '1');
    expect(workspace.changed('run', base)).toEqual(['prompt_learner.ctx']);
    await train('given', '--steps', '1', '--weights', base);
    expect(workspace.changed('given', 'run')).toEqual([]);
  });

  it('takes another table, another seed, and a context of each class by --set', async () => {
    const own = ['--set', 'per_class=true', '--set', 'seed=2'];
    await train('own', '--steps', '1', ...own);
    await train('other', '--steps', '1', ...own, '--set', 'data.file="data/other.csv"');
    expect(workspace.changed('own', base)).toEqual(['prompt_learner.ctx']);
    expect(workspace.weights('own').get('prompt_learner.ctx')!.shape).toEqual([classNames.length, 4, 64]);
    expect(workspace.changed('other', 'own')).toEqual(['prompt_learner.ctx']);
  });

  it('gives the scores of all classes where a run is the model', async () => {
    const run = ['run', '--entry', 'forward', '--inputs', 'hash', '--batch', '2', '--device', 'reference'];
    const { tensors } = JSON.parse(await zooc(...run, 'run', '--out', 'scores.safetensors', '--json'));
    expect(tensors).toEqual([{ name: 'scores', shape: [2, classNames.length] }]);
  });
});
