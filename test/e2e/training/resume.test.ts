/** `train --resume` where something is not as it was: what makes it another run is refused, the rest recorded. */
import { cpSync, readFileSync } from 'node:fs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tinyZoo, Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const recipe = (data: string, more = '') => `${tinyZoo}
train "t" of "tiny" {
  data = ${data}
  batch = 4
  optimizer = adamw(lr = 1e-3, weight_decay = 0.1)
  schedule = cosine(warmup = 1 steps, total = 4 steps)
  clamp logit_scale in 0 .. ln(100)
  ${more}
}
`;
const rows = Array.from({ length: 9 }, (_, i) => `${i % 3}.png\ta thing of kind ${i}\t${i}`);
const tableOf = (lines: readonly string[]) => `filepath\ttitle\tnumber\n${lines.join('\n')}\n`;

const train = (out: string, ...more: string[]) =>
  workspace.call(['train', 't.zoo#t', '--out', out, '--device', 'reference', ...more]);
const weightsOf = (run: string) => readFileSync(workspace.path(`${run}/weights.safetensors`));
const describeRun = (run: string) => JSON.parse(readFileSync(workspace.path(`${run}/run.json`), 'utf8'));

/** What a run was begun with. */
function restore(): void {
  workspace.write('t.zoo', recipe('csv("t.csv")'));
  workspace.write('t.csv', tableOf(rows));
}

/** A copy of the run that was stopped after two steps. */
let copies = 0;
function begun(): string {
  const name = `run-${copies++}`;
  cpSync(workspace.path('half'), workspace.path(name), { recursive: true });
  restore();
  return name;
}

beforeAll(async () => {
  for (const [i, background] of ['#d02020', '#2040d0', '#20a040'].entries())
    workspace.write(
      `${i}.png`,
      await sharp({ create: { width: 20, height: 16, channels: 3, background } })
        .png()
        .toBuffer(),
    );
  restore();
  const half = await train('half', '--steps', '2');
  expect(half.code, half.stderr).toBe(0);
  const whole = await train('whole');
  expect(whole.code, whole.stderr).toBe(0);
});

describe('train --resume', () => {
  it('of what it was begun with says nothing and ends with the same bits, whatever reads the data', async () => {
    const run = begun();
    const table = 'csv("t.csv", workers = 2, cache = 0, separator = "\\t")';
    workspace.write('t.zoo', recipe(table, 'checkpoint every 1 steps keep 3'));
    // Columns that nothing reads do not count.
    workspace.write('t.csv', tableOf(rows.map((row) => `${row}00`)));
    const { code, stderr } = await train(run, '--resume');
    expect(code, stderr).toBe(0);
    expect(stderr).not.toMatch(/warning\[Z6|error/);
    expect(weightsOf(run)).toEqual(weightsOf('whole'));
    expect(describeRun(run)).not.toHaveProperty('changes');
  });

  it.each([
    [
      'rows in another order',
      () => workspace.write('t.csv', tableOf([...rows].reverse())),
      'rows: 9 of digest',
    ],
    ['fewer rows', () => workspace.write('t.csv', tableOf(rows.slice(1))), 'rows: 9 of digest'],
    [
      'another caption',
      () => workspace.write('t.csv', tableOf(rows).replace('kind 4', 'kind 40')),
      'rows: 9 of',
    ],
    [
      'another order',
      () => workspace.write('t.zoo', recipe('csv("t.csv", shuffle = false)')),
      'order: shuffled',
    ],
    ['another seed', () => workspace.write('t.zoo', recipe('csv("t.csv")', 'seed = 7')), 'seed: 0, now 7'],
    [
      'another batch',
      () => workspace.write('t.zoo', recipe('csv("t.csv")').replace('batch = 4', 'batch = 3')),
      'batch: 4, now 3',
    ],
  ])('refuses %s and leaves the folder as it is', async (_, change, message) => {
    const run = begun();
    const before = describeRun(run);
    change();
    const { code, stderr } = await train(run, '--resume');
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z612]');
    expect(stderr).toContain(`step-00000002.safetensors was made with ${message}`);
    expect(describeRun(run)).toEqual(before);
  });

  it.each([
    ['another rate', ['--set', 'optimizer.lr=2e-3'], 'optimizer.lr', 0.001, 0.002],
    ['a longer schedule', ['--set', 'schedule.total=5 steps'], 'schedule.total', 4, 5],
    ['chunks', ['--set', 'chunk=2'], 'chunk', undefined, 2],
    ['gradients clipped', ['--set', 'grad_clip=norm(0.5)'], 'grad_clip', undefined, 0.5],
  ])('takes over %s, says and records it', async (_, set, setting, from, to) => {
    const run = begun();
    const { code, stderr } = await train(run, '--resume', ...set);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('warning[Z620]');
    expect(stderr).toContain(`${setting}: ${from ?? 'none'}, now ${to}`);
    const change = { step: 2, setting, ...(from === undefined ? {} : { from }), to };
    expect(describeRun(run).changes).toEqual([change]);
    expect(weightsOf(run)).not.toEqual(weightsOf('whole'));
    // Resumed with the same again, nothing has changed.
    const again = await train(run, '--resume', ...set);
    expect(again.stderr).not.toContain('Z620');
    expect(describeRun(run).changes).toEqual([change]);
  });

  it('takes over other augmentations, and recipe.zoo shows what is trained now', async () => {
    const run = begun();
    workspace.write('t.zoo', recipe('csv("t.csv", augment = [shift(2), flip()])'));
    const { code, stderr } = await train(run, '--resume');
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('draws: {}, now {"augment":[');
    expect(readFileSync(workspace.path(`${run}/recipe.zoo`), 'utf8')).toContain(
      'augment = [shift(2), flip()]',
    );
    expect(describeRun(run).changes).toHaveLength(1);
  });
});
