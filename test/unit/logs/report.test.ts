/** Reports: what is read from a run's folder, what becomes of hostile texts, several runs, and reports while a run trains. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { html, jsonFor } from '../../../runtime/report/html.ts';
import { type RunFacts, reportLog } from '../../../runtime/report/node/log.ts';
import { readRun } from '../../../runtime/report/node/read-run.ts';
import { runNames, writeReport } from '../../../runtime/report/node/write.ts';
import type { Summary } from '../../../runtime/report/types.ts';
import { picturesOf, row, summary, writeRun } from '../../support/reports/run-folder.ts';
import { FakeSession, fakeRun } from '../../support/training/fake-training.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-report-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const rows = Array.from({ length: 60 }, (_, step) => row(step));
const programs = { 'recipe.zoo': 'train "quick" {}\n', 'model.zoo': '# the model\n' };

async function pageOf(...runs: string[]): Promise<string> {
  const out = join(folder, 'page.html');
  await writeReport(out, runs);
  return readFileSync(out, 'utf8');
}

const dataOf = (page: string) =>
  JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)![1]!) as {
    runs: { name: string; curves: Record<string, [number[], number[]]> }[];
  };

describe('markup', () => {
  it('takes values as text, and markup as markup', () => {
    const cell = html`<td title="${'"><script>'}">${"a & 'b' <c>"}</td>`;
    expect(html`<tr>${[cell, html`<td>${1}</td>`]}${undefined}</tr>`.text).toBe(
      '<tr><td title="&#34;&#62;&#60;script&#62;">a &#38; &#39;b&#39; &#60;c&#62;</td><td>1</td></tr>',
    );
  });

  it('holds data that ends no script', () => {
    const text = '</script><script>alert(1)</script><!--';
    expect(jsonFor({ text }).text).not.toContain('<');
    expect(JSON.parse(jsonFor({ text }).text)).toEqual({ text });
  });
});

describe('a report of one run', () => {
  it('has its facts, curves, model, memory, recipe, settings, environment and checkpoints', async () => {
    const run = writeRun(join(folder, 'emoji-quick'), { rows, summary, programs });
    const page = await pageOf(run);
    for (const text of [
      '<title>emoji-quick</title>',
      '<dt>steps</dt><dd>60<small>of 100</small>',
      '<dt>pairs seen</dt><dd>480',
      '1,234,567<small>1,000,000 trained</small>',
      // 60 steps of 8 pairs at 80 pairs a second; 10 ms of 100 ms were waits.
      '<dt>time in steps</dt><dd>0:06',
      '<dt>waited for data</dt><dd>10.0 %',
      'VisionTransformer',
      '2.5 MFLOP',
      '<th scope="row">text</th><td>TextTransformer</td><td>234,567</td><td>frozen</td>',
      '8 KiB',
      '12 KiB on the device',
      'train &#34;quick&#34; {}',
      '<th scope="row">optimizer.lr</th><td>0.001</td>',
      'an adapter',
      'checkpoint of step 50',
      'cut, may go on · step 60 of 100',
    ])
      expect(page, text).toContain(text);
    const [one] = dataOf(page).runs;
    expect(one!.curves.loss![0]).toEqual(rows.map((_, i) => i));
    expect(one!.curves.lr![1].at(-1)).toBe(0.001);
    // Nothing was skipped, so nothing is drawn.
    expect(page).not.toContain('data-column="skipped"');
    expect(page.indexOf('recipe.zoo')).toBeLessThan(page.indexOf('model.zoo</summary>'));
  });

  it('loads nothing: no address, and a policy that allows its own scripts alone', async () => {
    const page = await pageOf(writeRun(join(folder, 'a'), { rows, summary, programs }));
    expect(page).toMatch(/content="default-src &#39;none&#39;; img-src data:; [^"]*script-src &#39;sha256-/);
    const markup = page.replace(/<(script|style)[^>]*>.*?<\/\1>/gs, '');
    expect(markup).not.toMatch(/(src|href)="(?!data:|#)/);
    expect(page.match(/<script>/g)).toHaveLength(2);
    expect(page).toContain('Permission is hereby granted, free of charge');
  });

  it('shows pictures with their best captions, and results with wrong examples', async () => {
    const pictures = await picturesOf(['red apple', 'green pear']);
    const picture = `data:image/png;base64,${pictures.pictures[1]!.png}`;
    const best = [
      { label: 'green pear', probability: 0.6 },
      { label: 'red apple', probability: 0.3 },
    ];
    const results = [
      {
        dataset: 'fruit',
        task: 'zeroshot',
        metrics: { acc1: 0.5, loss: 0.25 },
        wrong: [{ picture, truth: 'red apple', best }],
      },
    ];
    const page = await pageOf(writeRun(join(folder, 'a'), { rows, summary, pictures, results }));
    expect(page).toContain('after step 50: 1 of 2 are their own');
    expect(page).toContain('<li class="right" style="--part: 75.0%"><span title="red apple">');
    expect(page).toContain('<th scope="row">fruit · zeroshot</th><td>–</td><td>50.0 %</td><td>0.25</td>');
    expect(page.split(picture)).toHaveLength(3);
  });

  it('has a table of results for each task, whose metrics are others', async () => {
    const results = [
      { dataset: 'fruit', task: 'zeroshot_classification', n: 9, metrics: { acc1: 0.5 } },
      { dataset: 'fruit, probe', task: 'linear_probe', n: 9, metrics: { lp_acc1: 0.75 } },
      { dataset: 'pets', task: 'zeroshot_classification', n: 8, metrics: { acc1: 0.25 } },
    ];
    const page = await pageOf(writeRun(join(folder, 'a'), { rows, results }));
    expect(page).toContain('fruit · zeroshot_classification</th><td>9</td><td>50.0 %</td></tr>');
    expect(page).toContain('pets · zeroshot_classification</th><td>8</td><td>25.0 %</td></tr>');
    expect(page).toContain('fruit, probe · linear_probe</th><td>9</td><td>75.0 %</td></tr>');
  });

  it('says how to get what is not there', async () => {
    const page = await pageOf(writeRun(join(folder, 'a'), { rows: [] }));
    expect(page).toContain('zooc evaluate');
    expect(page).toContain('No evaluation has left pictures');
    expect(dataOf(page).runs[0]!.curves).toEqual({});
  });

  it('makes pictures as small as they are shown', async () => {
    const pictures = await picturesOf(['one', 'two'], 400);
    const run = await readRun(writeRun(join(folder, 'a'), { rows, pictures }), 'a');
    const width = Buffer.from(run.pictures!.pictures[0]!.png, 'base64').readUInt32BE(16);
    expect(width).toBe(144);
  });

  it('passes over a torn last row, damaged files beside it, and results of another form', async () => {
    const run = writeRun(join(folder, 'a'), { rows });
    writeFileSync(join(run, 'metrics.jsonl'), `${JSON.stringify(row(0))}\n{"step":1,"lo`);
    for (const name of ['summary.json', 'pictures.json', 'results.json'])
      writeFileSync(join(run, name), '{"version":');
    writeFileSync(join(run, 'other.json'), '[{"dataset":"x","metrics":"none"}]');
    const { curves, evaluations, pictures, summary: none } = await readRun(run, 'a');
    expect([curves.totals.rows, evaluations, pictures, none]).toEqual([1, [], undefined, undefined]);
  });

  it('is refused for a folder without a run', async () => {
    mkdirSync(join(folder, 'b'));
    await expect(pageOf(join(folder, 'b'))).rejects.toThrow(/Z613.*holds no training run/);
  });

  it('keeps hostile texts as texts, wherever they stand', async () => {
    const hostile = '</script></style><img src=x onerror=alert(1)>"\'';
    const environment = { [hostile]: hostile };
    const bad: Summary = {
      ...summary,
      recipe: hostile,
      model: hostile,
      towers: [{ name: hostile, block: hostile, parameters: 1, trained: 1 }],
      entries: [{ name: hostile, inputs: hostile, outputs: hostile, flops: 1 }],
      settings: { [hostile]: hostile },
      starts: [{ ...summary.starts[0]!, at: hostile, environment }],
    };
    const best = [{ label: hostile, probability: 1 }];
    const run = writeRun(join(folder, 'a\'"<b>'), {
      rows: [row(0, { [hostile]: 1 })],
      summary: bad,
      pictures: await picturesOf([hostile, 'pear']),
      results: [
        {
          dataset: hostile,
          metrics: { [hostile]: 1 },
          wrong: [{ picture: 'data:image/png;base64,AAAA', truth: hostile, best }],
        },
      ],
      programs: { 'recipe.zoo': hostile },
      changes: [{ setting: hostile, from: hostile, step: 3 }],
    });
    const page = await pageOf(run);
    expect(page).not.toContain('<img src=x');
    expect(page).not.toContain(hostile);
    expect(page.split('&#60;img src=x onerror').length).toBeGreaterThan(15);
    expect(page.match(/<\/script>/g)).toHaveLength(3);
    expect(page.match(/<\/style>/g)).toHaveLength(2);
    expect(dataOf(page).runs[0]!.curves[hostile]).toEqual([[0], [1]]);
  });

  it('takes no picture of a result but an inlined one', async () => {
    const wrong = [{ picture: 'file:///etc/passwd', truth: 'x', best: [] }];
    const run = writeRun(join(folder, 'a'), { rows, results: [{ dataset: 'd', metrics: {}, wrong }] });
    expect((await readRun(run, 'a')).evaluations).toEqual([]);
  });
});

describe('a report of several runs', () => {
  it('draws them over each other and marks the settings that differ', async () => {
    const settings = { ...summary.settings, 'optimizer.lr': 0.002 };
    const a = writeRun(join(folder, 'a'), { rows, summary });
    const b = writeRun(join(folder, 'b'), { rows: rows.slice(0, 20), summary: { ...summary, settings } });
    const page = await pageOf(a, b);
    expect(dataOf(page).runs.map((r) => [r.name, r.curves.loss![0].length])).toEqual([
      ['a', 60],
      ['b', 20],
    ]);
    expect(page).toContain('<h1>2 runs</h1>');
    expect(page).toContain(
      '<tr class="differs"><th scope="row">optimizer.lr</th><td>0.001</td><td>0.002</td>',
    );
    expect(page).toContain('<tr><th scope="row">seed</th>');
  });

  it('sets results of the same data beside each other, and names the run of a wrong example', async () => {
    const wrong = [{ picture: 'data:image/png;base64,AAAA', truth: 'x', best: [] }];
    const run = (name: string, metrics: Record<string, number>, more: object = {}) =>
      writeRun(join(folder, name), { rows, results: [{ dataset: 'pets', metrics, ...more }] });
    const page = await pageOf(run('a', { acc1: 0.5 }), run('b', { acc1: 0.25, rank: 7 }, { wrong }));
    expect(page).toContain('<th scope="row">pets</th><td>acc1</td><td>50.0 %</td><td>25.0 %</td>');
    expect(page).toContain('<td>rank</td><td>–</td><td>7</td>');
    expect(page).toContain('<h3>b: pets</h3>');
  });

  it.each([
    [
      ['/x/a', '/x/b/'],
      ['a', 'b'],
    ],
    [
      ['/x/a', '/y/a', '/y/b'],
      ['x/a', 'y/a', 'b'],
    ],
    [
      ['/x/a', '/x/a'],
      ['a', 'a'],
    ],
  ])('calls %j %j', (paths, names) => {
    expect(runNames(paths)).toEqual(names);
  });
});

describe('the report of a run that trains', () => {
  const facts: RunFacts = {
    ...{ recipe: 'quick', model: 'fake', batch: 5, parameters: 41, entries: [] },
    environment: { zooc: '0.1.0' },
    towers: (trained) => [{ name: 'w', block: 'Linear', parameters: 37, trained: trained('w') ? 37 : 0 }],
  };
  const out = () => join(folder, 'run');
  const summaryNow = () => JSON.parse(readFileSync(join(out(), 'summary.json'), 'utf8')) as Summary;
  const states: string[] = [];
  /** Looks at the page whenever a checkpoint was made, behind the report. */
  const observer = {
    name: 'observer',
    open: async () => ({
      saved: async () => {
        const page = readFileSync(join(out(), 'report.html'), 'utf8');
        states.push(
          `${/class="state (\w+)"/.exec(page)![1]} ${dataOf(page).runs[0]!.curves.loss![0].length}`,
        );
      },
      close: async () => {},
    }),
  };
  const train = (steps: number, stopAt = Number.POSITIVE_INFINITY) => {
    let taken = 0;
    const session = new FakeSession(0, () => taken++);
    const signal = {
      get requested() {
        return taken >= stopAt;
      },
      release: () => {},
    };
    return fakeRun({
      out: out(),
      steps,
      every: 2,
      resume: true,
      session,
      signal,
      logs: [reportLog(() => facts), observer],
    });
  };

  it('is there from the first checkpoint on, with all rows so far, over stops and resumes', async () => {
    states.length = 0;
    await train(8, 3);
    expect(states).toEqual(['training 2', 'training 3']);
    expect(summaryNow().ended).toMatchObject({ steps: 3, stopped: true });
    expect(readFileSync(join(out(), 'report.html'), 'utf8')).toContain('stopped, may go on · step 3 of 8');
    await train(8);
    expect(states.slice(2)).toEqual(['training 4', 'training 6', 'training 8']);
    const { starts, ended, trained, settings } = summaryNow();
    expect(starts.map((s) => [s.step, s.end])).toEqual([
      [0, 8],
      [3, 8],
    ]);
    expect([ended!.stopped, trained, settings.steps]).toEqual([false, 37, 8]);
    const page = readFileSync(join(out(), 'report.html'), 'utf8');
    expect(page).toContain('class="state finished"');
    expect(page).toContain('went on at step 3');
  });

  it('is the one that zooc report writes afterwards', async () => {
    await train(5);
    const written = readFileSync(join(out(), 'report.html'), 'utf8');
    await writeReport(join(out(), 'report.html'), [out()]);
    expect(readFileSync(join(out(), 'report.html'), 'utf8')).toBe(written);
  });
});
