/**
 * `evaluate` lines of recipes: results beside the run, the same bits of training with and without, on any number of
 * ranks, and over a kill.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchers, ranksEnvironment } from '../../support/mpi.ts';
import { commandLine, fixedBatches, tinyZoo, Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const evaluations = `
  evaluate zeroshot("pictures", templates = ["a {}", "{}"], name = "colours") every 2 steps
  evaluate probe("pictures", C = 1) every 3 steps
  evaluate knn("pictures", k = [1, 3]) every 3 steps
  evaluate retrieval("pairs.csv") every 6 steps
  evaluate loss(tensors("val.safetensors"), batch = 8, batches = 3) every 2 steps`;

const recipe = (name: string, more: string) => `
train "${name}" of "tiny" {
  data = tensors("batches.safetensors")
  batch = 8
  optimizer = adamw(lr = 1e-3, weight_decay = 0.1)
  schedule = cosine(warmup = 1 steps, total = 6 steps)
  clamp logit_scale in 0 .. ln(100)
  checkpoint every 2 steps keep 2${more}
}
`;

interface Row {
  readonly step: number;
  readonly dataset: string;
  readonly task: string;
  readonly n: number;
  readonly metrics: Readonly<Record<string, number>>;
}

const rowsOf = (run: string): Row[] =>
  JSON.parse(readFileSync(workspace.path(`${run}/evaluations.json`), 'utf8'));
const train = (name: string, out: string, ...more: readonly string[]) => [
  ...['train', `t.zoo#${name}`, '--out', out, '--device', 'reference'],
  ...more,
];

beforeAll(async () => {
  workspace.write(
    't.zoo',
    `${tinyZoo}${recipe('plain', '')}${recipe('evaluated', evaluations)}${recipe('averaged', `\n  ema = 0.5\n  evaluate zeroshot("pictures") every 6 steps`)}`,
  );
  workspace.writeTensors(
    'batches.safetensors',
    fixedBatches(6, 8, { resolution: 16, context: 8, vocab: 520 }),
  );
  workspace.writeTensors('val.safetensors', fixedBatches(3, 8, { resolution: 16, context: 8, vocab: 520 }));
  for (const split of ['train', 'test'])
    for (const colour of ['red', 'green', 'blue']) {
      const folder = workspace.path(join('pictures', split, colour));
      mkdirSync(folder, { recursive: true });
      for (const i of [0, 1, 2, 3]) {
        const background = { r: 0, g: 0, b: 0, [colour[0]!]: 180 + 20 * i };
        const create = { width: 16, height: 16, channels: 3, background } as const;
        writeFileSync(join(folder, `${i}.png`), await sharp({ create }).png().toBuffer());
      }
    }
  const pairs = ['red', 'green', 'blue'].map((colour) => `pictures/test/${colour}/0.png,${colour}`);
  workspace.write('pairs.csv', `filepath,title\n${pairs.join('\n')}\n`);
  await workspace.succeed(train('plain', 'plain'));
  await workspace.succeed(train('evaluated', 'evaluated'));
});

describe('evaluate lines', () => {
  it('give results at their steps and at the end', () => {
    const found = rowsOf('evaluated').map(({ step, dataset, task }) => `${step} ${dataset} ${task}`);
    expect(found).toEqual([
      '2 colours zeroshot_classification',
      '2 val.safetensors loss',
      '3 pictures linear_probe',
      '3 pictures knn',
      '4 colours zeroshot_classification',
      '4 val.safetensors loss',
      '6 colours zeroshot_classification',
      '6 pictures linear_probe',
      '6 pictures knn',
      '6 pairs.csv zeroshot_retrieval',
      '6 val.safetensors loss',
    ]);
    const last = rowsOf('evaluated').filter(({ step }) => step === 6);
    expect(last.map(({ n }) => n)).toEqual([12, 12, 12, 3, 24]);
    expect(Object.keys(last[2]!.metrics)).toEqual(['knn_acc1@1', 'knn_acc1@3']);
  });

  it('leave training as it is, bit for bit', () => {
    expect(workspace.changed('evaluated', 'plain')).toEqual([]);
    const without = (run: string) =>
      workspace.metrics(run).map(({ step, loss, grad_norm }) => [step, loss, grad_norm]);
    expect(without('evaluated')).toEqual(without('plain'));
  });

  it('say of the last step what the verb says of the final weights', async () => {
    workspace.write('templates.txt', 'a {}\n{}\n');
    await workspace.succeed([
      ...['evaluate', 'evaluated', 'pictures', '--templates', 'templates.txt', '--device', 'reference'],
      ...['--out', 'verb.json'],
    ]);
    const [verb] = JSON.parse(readFileSync(workspace.path('verb.json'), 'utf8'));
    expect(rowsOf('evaluated').findLast(({ dataset }) => dataset === 'colours')!.metrics).toEqual(
      verb.metrics,
    );
  });

  it('look at moving averages where there are some', async () => {
    await workspace.succeed(train('averaged', 'averaged'));
    await workspace.succeed([
      ...['evaluate', 't.zoo#tiny', 'pictures', '--weights', 'averaged/weights_ema.safetensors'],
      ...['--device', 'reference', '--out', 'ema.json'],
    ]);
    const [verb] = JSON.parse(readFileSync(workspace.path('ema.json'), 'utf8'));
    expect(rowsOf('averaged')[0]!.metrics).toEqual(verb.metrics);
  });

  it('are in the report and for TensorBoard', () => {
    const report = readFileSync(workspace.path('evaluated/report.html'), 'utf8');
    expect(report).toContain('colours · zeroshot_classification · step 6');
    expect(report).not.toContain('zeroshot_classification · step 4');
    const events = readdirSync(workspace.path('evaluated')).find((name) => name.startsWith('events.out'))!;
    expect(readFileSync(workspace.path(`evaluated/${events}`), 'latin1')).toContain('val/colours/acc1');
  });

  it('are the same after a kill', async () => {
    await workspace.interrupt(train('evaluated', 'killed'), 'SIGKILL', () => {
      try {
        return rowsOf('killed').some(({ step }) => step === 3);
      } catch {
        return false;
      }
    });
    await workspace.succeed(train('evaluated', 'killed', '--resume'));
    expect(rowsOf('killed')).toEqual(rowsOf('evaluated'));
    expect(workspace.changed('killed', 'evaluated')).toEqual([]);
  });

  it.each(launchers)('are the same on two ranks of %s, and leave training as it is', (launcher) => {
    for (const name of ['plain', 'evaluated']) {
      const out = `${launcher}-${name}`;
      const args = commandLine(train(name, out));
      const { status, stderr } = spawnSync(launcher, ['-np', '2', process.execPath, ...args], {
        cwd: workspace.folder,
        env: ranksEnvironment,
        encoding: 'utf8',
      });
      expect(status, stderr).toBe(0);
    }
    expect(workspace.changed(`${launcher}-evaluated`, `${launcher}-plain`)).toEqual([]);
    // Two ranks train in another order of sums; what is told of pictures that differ so clearly stays.
    const found = rowsOf(`${launcher}-evaluated`);
    const alone = rowsOf('evaluated');
    expect(found.map(({ step, dataset, task, n }) => [step, dataset, task, n])).toEqual(
      alone.map(({ step, dataset, task, n }) => [step, dataset, task, n]),
    );
    for (const [i, row] of found.entries())
      if (row.task === 'loss') expect(row.metrics.loss).toBeCloseTo(alone[i]!.metrics.loss!, 5);
  });
});

describe('refused before anything is trained', () => {
  it.each([
    ['data that is not there', 'evaluate zeroshot("nowhere") every 2 steps', 'nowhere'],
    [
      'an unknown option',
      'evaluate knn("pictures", neighbours = 3) every 2 steps',
      'knn has no option `neighbours`',
    ],
    ['a set without a training split', 'evaluate probe("pairs.csv") every 2 steps', 'pairs.csv'],
    ['an unknown task', 'evaluate captions("pictures") every 2 steps', '`evaluate` cannot be `captions`'],
    ['a loss of no data source', 'evaluate loss("val.safetensors") every 2 steps', 'expected a data source'],
  ])('%s', async (name, line, message) => {
    workspace.write('bad.zoo', `${tinyZoo}${recipe('bad', `\n  ${line}`)}`);
    const out = `bad ${name}`;
    const { code, stderr } = await workspace.call([
      'train',
      'bad.zoo#bad',
      '--out',
      out,
      '--device',
      'reference',
    ]);
    expect(code, stderr).toBe(1);
    expect(stderr).toContain(message);
    expect(() => readdirSync(workspace.path(out))).toThrow();
  });
});
