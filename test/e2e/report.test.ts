/**
 * Reports in a real browser, from `file:`: what `zooc report` writes has its curves drawn, zooms all of them together, and
 * leaves nothing on the console, whatever the texts of a run are.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { pageAssets } from '../../runtime/report/node/assets.ts';
import { readRun } from '../../runtime/report/node/read-run.ts';
import { renderReport } from '../../runtime/report/page.ts';
import { browser, load } from '../support/reports/browser.ts';
import { picturesOf, row, summary, writeRun } from '../support/reports/run-folder.ts';
import { Workspace } from './harness.ts';

const workspace = new Workspace();
afterAll(() => workspace.remove());

const rows = Array.from({ length: 3000 }, (_, step) => row(step, { skipped: step === 7 ? 1 : 0 }));
const captions = ['a red apple', '</script><img src=x onerror=alert(1)>', 'pear'];
const first = writeRun(workspace.path('first'), {
  rows,
  summary,
  pictures: await picturesOf(captions),
  programs: { 'recipe.zoo': '# </script>\n' },
});
writeRun(workspace.path('second'), { rows: rows.slice(0, 40) });

/** What a person would do, by events; what they see is left in an element. */
const probe = `
(async () => {
  const pause = () => new Promise((resolve) => setTimeout(resolve, 100));
  const seen = {};
  const plots = [...document.querySelectorAll('.u-over')];
  const at = (over, type, part, target = over) => {
    const { left, top, width, height } = over.getBoundingClientRect();
    const place = { clientX: left + part * width, clientY: top + height / 2, movementX: 1, movementY: 1 };
    target.dispatchEvent(new MouseEvent(type, { ...place, bubbles: true, button: 0 }));
  };
  const steps = () => [...document.querySelectorAll('.u-legend')].map((l) => l.querySelector('.u-value').textContent);
  await pause();
  seen.resting = steps();
  at(plots[0], 'mouseenter', 0.5);
  at(plots[0], 'mousemove', 0.5);
  await pause();
  seen.hovered = steps();
  at(plots[0], 'mousedown', 0.25);
  at(plots[0], 'mousemove', 0.5);
  await pause();
  at(plots[0], 'mouseup', 0.5, document);
  await pause();
  const unzoom = document.getElementById('unzoom');
  seen.zoomed = !unzoom.disabled;
  for (const plot of plots) at(plot, 'mousemove', 1);
  await pause();
  seen.ends = steps();
  unzoom.click();
  await pause();
  seen.unzoomed = unzoom.disabled;
  const smoothing = document.getElementById('smoothing');
  smoothing.value = '0.9';
  smoothing.dispatchEvent(new Event('input'));
  await pause();
  seen.smooth = document.querySelector('.u-legend').textContent;
  seen.canvases = document.querySelectorAll('canvas').length;
  const left = document.createElement('output');
  left.id = 'seen';
  left.textContent = JSON.stringify(seen);
  document.body.append(left);
})();
`;

describe.skipIf(browser === undefined)('a report in a browser', () => {
  it('of one run has a canvas for each chart, its pictures and rows, and an empty console', async () => {
    const { code, stdout } = await workspace.call(['report', 'first']);
    expect([code, stdout]).toEqual([0, `${join('first', 'report.html')}\n`]);
    const { document, console } = await load(join(first, 'report.html'));
    expect(console).toEqual([]);
    const count = (pattern: RegExp) => document.match(pattern)?.length ?? 0;
    expect(count(/<canvas/g)).toBe(7);
    expect(count(/class="chart"/g)).toBe(7);
    expect(count(/<figure>/g)).toBe(3);
    expect(count(/<img /g)).toBe(3);
    expect(document).toContain('<td>VisionTransformer</td>');
    // Drawn to the width of its box.
    expect(document).toMatch(/<canvas width="\d{3,4}" height="\d+"/);
  });

  it('of two runs is written where one says, and fits a telephone', async () => {
    const { code, stdout } = await workspace.call(['report', 'first', 'second', '--out', 'both.html']);
    expect([code, stdout]).toEqual([0, 'both.html\n']);
    const { document, console } = await load(workspace.path('both.html'), 500);
    expect(console).toEqual([]);
    expect(document).toContain('<h1>2 runs</h1>');
    const widths = [...document.matchAll(/<canvas width="(\d+)"/g)].map((m) => Number(m[1]));
    expect(widths).toHaveLength(7);
    for (const width of widths) expect(width).toBeLessThanOrEqual(500);
    const legends = document.match(/<table class="u-legend.*?<\/table>/gs)!;
    for (const name of ['first', 'second']) expect(legends[0]).toContain(`>${name}<`);
  });

  it('shares cursor and zoom among its charts', async () => {
    const assets = await pageAssets();
    const hash = `sha256-${createHash('sha256').update(probe).digest('base64')}`;
    const scripts = [...assets.scripts, { text: probe, hash }];
    const path = workspace.path('probed.html');
    writeFileSync(path, renderReport([await readRun(first, 'first')], { ...assets, scripts }));
    const { document, console } = await load(path);
    expect(console).toEqual([]);
    const found = /<output id="seen">(.*?)<\/output>/.exec(document);
    const seen = JSON.parse(found![1]!);
    expect(new Set(seen.resting)).toEqual(new Set(['2,999']));
    // Half of 3000 steps, the same in all, to a stretch of the thinned curves.
    const hovered = seen.hovered.map((step: string) => Number(step.replace(',', '')));
    for (const step of hovered) expect(Math.abs(step - 1500)).toBeLessThan(20);
    expect([seen.zoomed, seen.unzoomed]).toEqual([true, true]);
    // From a quarter to a half: the right edge of every chart is there now.
    const ends = seen.ends.map((step: string) => Number(step.replace(',', '')));
    for (const step of ends) expect(Math.abs(step - 1500)).toBeLessThan(20);
    expect(seen.smooth).toContain('loss, smooth');
    expect(seen.canvases).toBe(7);
  });
});

describe.skipIf(browser === undefined)('the policy of a report', () => {
  it('lets no script run but its own, and the browser says so', async () => {
    const assets = await pageAssets();
    const strange = { text: "document.title = 'taken over'", hash: assets.scripts[0]!.hash };
    const path = workspace.path('strange.html');
    const page = renderReport([await readRun(first, 'first')], {
      ...assets,
      scripts: [...assets.scripts, strange],
    });
    writeFileSync(path, page);
    const { document, console } = await load(path);
    expect(document).toContain('<title>first</title>');
    expect(console.join()).toMatch(/Content Security Policy/);
  });
});

describe('zooc report', () => {
  it('refuses a folder that is no run in words', async () => {
    const { code, stderr } = await workspace.call(['report', '.']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error\[Z613\]: \. holds no training run/);
  });
});
