/** A run's `events.out.tfevents.*`: tags, steps, what a resumed run says, and when events reach the disk. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RunStart } from '../../../runtime/train/node/log.ts';
import { type Described, tensorBoard } from '../../../runtime/train/node/tensorboard/log.ts';
import { rateGroups } from '../../../runtime/train/rate-groups.ts';
import type { MetricsRow } from '../../../runtime/train/types.ts';
import { eventsOf, type ReadEvent } from '../../support/files/event-reader.ts';
import { FakeSession, fakeRun, settings } from '../../support/training/fake-training.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-events-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const described: Described = {
  recipe: 'quick',
  model: 'tiny',
  parameters: 41,
  batch: 5,
  files: new Map([['recipe.zoo', 'train "quick" {\n  batch = 5\n}\n']]),
};

const eventFiles = () =>
  readdirSync(folder)
    .filter((name) => name.startsWith('events.'))
    .sort();
const read = (name: string): ReadEvent[] => eventsOf(readFileSync(join(folder, name)));

const start = (more: Partial<RunStart> = {}): RunStart => ({
  out: folder,
  start: 0,
  end: 4,
  schedule: { kind: 'constant', lr: 0.5, warmup: 0, total: 4 },
  updates: settings,
  compared: { batch: 5, 'optimizer.lr': 0.5 },
  ...more,
});

const row = (step: number, more: Partial<MetricsRow> = {}): MetricsRow => ({
  step,
  loss: 2,
  lr: 0.5,
  grad_norm: 1,
  samples_per_second: 10,
  data_wait_ms: 250,
  skipped: 0,
  epoch: 0,
  ...more,
});

describe('the events of a run', () => {
  it('have open_clip’s tags and units', async () => {
    const log = await tensorBoard(described).open(start());
    log.row!(row(3, { logit_scale: Math.log(20), caption_loss: 1.5, overflow: true }));
    await log.close();
    const scalars = read(eventFiles()[0]!).at(-1)!;
    expect(scalars.step).toBe(3);
    expect(scalars.scalars).toEqual({
      'train/loss': 2,
      'train/caption_loss': 1.5,
      'train/lr': 0.5,
      'train/grad_norm': 1,
      // The factor of the logits under both of open_clip's names.
      'train/scale': Math.fround(20),
      'train/logit_scale': Math.fround(20),
      'train/samples_per_second': 10,
      // Seconds.
      'train/batch_time': 0.5,
      'train/data_time': 0.25,
      'train/skipped': 0,
      'train/epoch': 0,
      'train/overflow': 1,
    });
  });

  it('have the learning rate of every group', async () => {
    const rates = new Map([
      ['visual.a', { scale: 0.1, decay: 0 }],
      ['visual.b', { scale: 0.1, decay: 0.2 }],
      ['head', { scale: 1, decay: 0 }],
    ]);
    const updates = { ...settings, trainable: ['visual.a', 'head', 'visual.b'], rates };
    const log = await tensorBoard(described).open(start({ updates }));
    log.row!(row(0));
    await log.close();
    const { scalars } = read(eventFiles()[0]!).at(-1)!;
    expect(scalars['lr/visual.** x0.1']).toBe(Math.fround(0.05));
    expect(scalars['lr/head x1']).toBe(0.5);
  });

  it('begin with the version, what the run was made with, and its texts as code', async () => {
    await (await tensorBoard(described).open(start())).close();
    const [version, first, ...more] = read(eventFiles()[0]!);
    expect(version!.version).toBe('brain.Event:2');
    expect(first!.texts).toEqual({
      'recipe.zoo/text_summary': '    train "quick" {\n      batch = 5\n    }',
    });
    const [tag, content] = Object.entries(first!.hparams)[0]!;
    expect(tag).toBe('_hparams_/session_start_info');
    for (const word of ['optimizer.lr', 'batch', 'recipe', 'quick', 'tiny', 'parameters'])
      expect(Buffer.from(content).toString('latin1')).toContain(word);
    expect(more).toEqual([]);
  });

  it('tell of a resumed run in a new file from which step on older points are void', async () => {
    const run = (steps: number) =>
      fakeRun({
        out: join(folder, 'run'),
        steps,
        every: 2,
        resume: true,
        session: new FakeSession(),
        logs: [{ name: 'events', open: (begun) => tensorBoard(described).open({ ...begun, out: folder }) }],
      });
    await run(3);
    await run(5);
    const [before, after, ...others] = eventFiles().map(read);
    expect(others).toEqual([]);
    const steps = (events: readonly ReadEvent[]) =>
      events.filter((e) => 'train/loss' in e.scalars).map((e) => e.step);
    expect(steps(before!)).toEqual([0, 1, 2]);
    expect(before!.some((e) => e.restart)).toBe(false);
    expect(after![1]).toMatchObject({ restart: true, step: 3 });
    expect(steps(after!)).toEqual([3, 4]);
    expect(Object.keys(after!.at(-1)!.hparams)).toEqual(['_hparams_/session_end_info']);
  });

  it('reach the disk within ten seconds, and before a checkpoint', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const log = await tensorBoard(described).open(start());
      const written = () => readFileSync(join(folder, eventFiles()[0]!)).length;
      log.row!(row(0));
      vi.advanceTimersByTime(9_000);
      expect(written()).toBe(0);
      vi.advanceTimersByTime(1_000);
      await vi.waitFor(() => expect(read(eventFiles()[0]!)).toHaveLength(3));
      log.row!(row(1));
      await log.flush!();
      expect(read(eventFiles()[0]!)).toHaveLength(4);
      await log.close();
    } finally {
      vi.useRealTimers();
    }
  });

  it('have a file of their own for each of two starts within a second', async () => {
    const clock = { now: () => 1234.5 };
    for (let i = 0; i < 2; i++) await (await tensorBoard(described, clock).open(start())).close();
    expect(
      eventFiles().map((name) => name.replace(/^(events\.out\.tfevents\.\d+)\..*\.(\d+)$/, '$1 $2')),
    ).toEqual(['events.out.tfevents.0000001234 0', 'events.out.tfevents.0000001234 1']);
  });
});

describe('groups of learning rates', () => {
  it('are none where all weights have one', () => {
    expect(rateGroups(settings)).toEqual([]);
  });

  it('are named by what the names share, up to a whole block', () => {
    const rates = new Map(
      ['a.b1.w', 'a.b2.w', 'c'].map((name, i) => [name, { scale: i < 2 ? 0.25 : 0.5, decay: 0 }] as const),
    );
    expect(rateGroups({ ...settings, trainable: [...rates.keys()], rates })).toEqual([
      { name: 'a.** x0.25', scale: 0.25 },
      { name: 'c x0.5', scale: 0.5 },
    ]);
  });
});

describe('pictures of a run', () => {
  const png = Buffer.alloc(24);
  png.writeUInt32BE(7, 16);
  png.writeUInt32BE(9, 20);
  const pictures = ['a red *apple*', 'b | c <b>'].map((caption) => ({
    png: png.toString('base64'),
    caption,
    tokens: [],
  }));
  const ranking = (step: number) => ({
    step,
    best: [
      [
        { caption: 1, probability: 0.75 },
        { caption: 0, probability: 0.25 },
      ],
      [
        { caption: 1, probability: 1 },
        { caption: 0, probability: 0 },
      ],
    ],
  });

  it('are written once, their best captions at every checkpoint, as text that no Markdown is read in', async () => {
    const rankings = [ranking(2)];
    const log = await tensorBoard({ ...described, pictures: () => ({ pictures, rankings }) }).open(start());
    await log.saved!(2, '');
    rankings.push(ranking(4));
    await log.saved!(4, '');
    // A checkpoint without a new ranking.
    await log.saved!(6, '');
    await log.close();
    const [first, second, ...more] = read(eventFiles()[0]!).slice(2);
    expect(more).toEqual([]);
    expect(Object.keys(first!.images)).toEqual(['pictures/00 a red *apple*', 'pictures/01 b | c <b>']);
    expect(Buffer.from(first!.images['pictures/01 b | c <b>']!)).toEqual(png);
    expect(second!.images).toEqual({});
    expect(second).toMatchObject({ step: 4 });
    expect(first!.texts['pictures/text_summary']!.split('\n')).toEqual([
      '| picture | its caption | best captions |',
      '| --- | --- | --- |',
      '| 00 | a red &#42;apple&#42; | b &#124; c &#60;b&#62; 75.0 %, **a red &#42;apple&#42; 25.0 %** |',
      '| 01 | b &#124; c &#60;b&#62; | **b &#124; c &#60;b&#62; 100.0 %**, a red &#42;apple&#42; 0.0 % |',
    ]);
  });
});
