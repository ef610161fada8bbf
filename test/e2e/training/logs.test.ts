/**
 * What a run leaves for people: event files with the numbers of `metrics.jsonl`, pictures with the captions that its own
 * checkpoints find best, a report; and that `--quiet` says nothing.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clipNormalization } from '../../../compiler/model/index.ts';
import { denormalized, makeNormalizer } from '../../../runtime/data/pictures/images.ts';
import { readPictures } from '../../../runtime/train/node/pictures/file.ts';
import { eventsOf } from '../../support/files/event-reader.ts';
import { firstBatch, fixedBatches, tinyZoo, Workspace } from '../harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const program = `${tinyZoo}
train "fixed" of "tiny" {
  data = tensors("batches.safetensors")
  objective = contrastive
  batch = 4
  optimizer = adamw(lr = 1e-3, weight_decay = 0.2)
  lr "visual.**" = 1e-4
  schedule = constant(total = 3 steps)
  checkpoint every 2 steps
}
`;
const side = 16;
const context = 8;

/** Batches of pictures as they come from bytes, which a board keeps. */
function byteBatches() {
  const tensors = fixedBatches(1, 4, { resolution: side, context, vocab: 520 });
  const images = tensors.get('images')!.data as Float32Array;
  const size = 3 * side * side;
  const normalize = makeNormalizer(clipNormalization);
  for (let i = 0; i < 4; i++)
    normalize(images, i * size, denormalized(images.slice(i * size, (i + 1) * size), clipNormalization));
  return tensors;
}

describe('the logs of a run', () => {
  const batches = byteBatches();
  beforeAll(() => {
    workspace.write('tiny.zoo', program);
    workspace.writeTensors('batches.safetensors', batches);
    const { code, stderr, stdout } = workspace.zooc(['train', 'tiny.zoo', '--out', 'run', '--quiet']);
    expect([code, stderr, stdout.trim()]).toEqual([0, '', 'run/weights.safetensors']);
  });

  it('are event files with the numbers of metrics.jsonl', () => {
    const [name, ...others] = readdirSync(workspace.path('run')).filter((n) =>
      n.startsWith('events.out.tfevents.'),
    );
    expect(others).toEqual([]);
    const events = eventsOf(readFileSync(workspace.path(`run/${name}`)));
    const logged = events.filter((e) => 'train/loss' in e.scalars);
    const rows = workspace.metrics('run');
    expect(logged.map((e) => [e.step, e.scalars['train/loss'], e.scalars['train/grad_norm']])).toEqual(
      rows.map((row) => [row.step, Math.fround(row.loss), Math.fround(row.grad_norm)]),
    );
    expect(logged[0]!.scalars['lr/visual.** x0.1']).toBe(Math.fround(1e-4));
    expect(logged[0]!.scalars['train/scale']).toBe(Math.fround(Math.exp(Number(rows[0]!.logit_scale))));
    expect(events.flatMap((e) => Object.keys(e.images))).toHaveLength(4);
  });

  it('are pictures with the probabilities that the model gives at the checkpoint', async () => {
    const { pictures, rankings } = (await readPictures(workspace.path('run')))!;
    expect(rankings.map((r) => r.step)).toEqual([2, 3]);
    expect(pictures.map((p) => p.tokens)).toEqual(
      [0, 1, 2, 3].map((i) => [
        ...(batches.get('tokens')!.data as Int32Array).subarray(context * i, context * (i + 1)),
      ]),
    );
    workspace.writeTensors('first.safetensors', firstBatch(batches));
    const { code } = await workspace.call([
      ...['run', 'tiny.zoo#tiny', '--entry', 'logits', '--weights', 'run', '--inputs', 'first.safetensors'],
      ...['--out', 'logits.safetensors', '--device', 'reference'],
    ]);
    expect(code).toBe(0);
    const logits = workspace.weights('logits.safetensors').get('logits_per_image')!.data as Float32Array;
    for (const [i, best] of rankings.at(-1)!.best.entries()) {
      const exps = [...logits.subarray(4 * i, 4 * i + 4)].map(Math.exp);
      const sum = exps.reduce((a, b) => a + b, 0);
      const wanted = exps.map((e, caption) => ({ caption, probability: e / sum }));
      wanted.sort((a, b) => b.probability - a.probability);
      expect(best.map((b) => b.caption)).toEqual(wanted.map((w) => w.caption));
      // Four digits are kept; f32 is far more exact.
      for (const [n, b] of best.entries())
        expect(Math.abs(b.probability / wanted[n]!.probability - 1)).toBeLessThan(1e-3);
    }
  });

  it('are a report with the run’s facts, which zooc report writes again', () => {
    const read = () => readFileSync(workspace.path('run/report.html'), 'utf8');
    const before = read();
    for (const text of [
      'class="state finished"',
      'tiny by recipe fixed',
      'VisionTransformer',
      'checkpoint of step 3',
    ])
      expect(before, text).toContain(text);
    // By a process as well: what is built has the page's scripts minified.
    expect(workspace.zooc(['report', 'run']).code).toBe(0);
    expect(read()).toBe(before);
  });
});
