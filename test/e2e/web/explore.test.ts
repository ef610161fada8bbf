/** The playground, Explore: the numbers of Node, and one selection in the tree, the graph, the steps, the memory and the source. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { positionAt, type Span } from '../../../grammar/source.ts';
import { bytes, count, flops } from '../../../web/ui/numbers.ts';
import * as zooc from '../../../zoo/api/node.ts';
import { faults } from '../../support/accessibility.ts';
import type { OpenedPage } from '../../support/page.ts';
import { browser } from '../../support/reports/browser.ts';
import { openPart } from '../../support/web-page.ts';
import { tinyZoo } from '../harness.ts';

const model = zooc.model('ViT-B/32');
const entry = { entry: 'encode_image', batch: 2 } as const;
const tree = model.tree(entry);
const told = model.explain(entry);

const tiles = ({ page }: OpenedPage) => page.locator('.tiles').textContent();
const tilesWith = ({ page }: OpenedPage, text: string) => page.locator('.tiles', { hasText: text }).waitFor();
const detail = ({ page }: OpenedPage) => page.locator('.pane.detail');
const title = (opened: OpenedPage) => detail(opened).locator('h2').textContent();
/** Names of the blocks that are selected in the tree. */
const selectedBlocks = ({ page }: OpenedPage) =>
  page
    .locator('[role=treeitem][aria-selected=true]')
    .evaluateAll((items) => items.map((item) => item.querySelector('b')!.textContent));
/** Numbers of the source's lines that are selected. */
const selectedLines = ({ page }: OpenedPage) =>
  page
    .locator('.listing [aria-selected=true] .gutter')
    .evaluateAll((gutters) => gutters.map((gutter) => Number(gutter.textContent)));
const show = ({ page }: OpenedPage, tab: string) => page.getByRole('tab', { name: tab }).click();

function linesOf({ file, start, end }: Span): number[] {
  const first = positionAt(file, start).line;
  return Array.from({ length: positionAt(file, end - 1).line - first + 1 }, (_, i) => first + i);
}

async function choose(opened: OpenedPage, name: string): Promise<void> {
  const { page } = opened;
  await page.getByLabel('Model').selectOption(`bundled:${name}`);
  await tilesWith(opened, count(zooc.model(name).parameters));
}

/** Writes a text where the page keeps its program, and opens the page again. */
async function writeText({ page }: OpenedPage, text: string): Promise<void> {
  const state = JSON.stringify(JSON.stringify({ text, settings: {} }));
  await page.evaluate(`localStorage.setItem('zooc.program', ${state})`);
  await page.reload();
}

describe.skipIf(browser === undefined)('the playground, Explore', () => {
  let opened: OpenedPage;
  beforeAll(async () => {
    opened = await openPart('explore');
    await choose(opened, 'ViT-B/32');
    await opened.page.getByLabel('Batch').fill('2');
    await opened.page.getByLabel('Batch').press('Enter');
    await tilesWith(opened, 'batch 2');
  });
  afterAll(() => opened?.close());

  it('tells of a plan what the library tells in Node', async () => {
    const shown = await tiles(opened);
    for (const part of [
      count(model.parameters),
      flops(tree.flops),
      `Steps${told.steps.length}`,
      `${told.plan.pipelines.length} kernels`,
      `Workspace${bytes(told.memory.workspace)}`,
      `at most ${bytes(Math.max(...told.memory.live))} alive`,
      `Device memory${bytes(told.memory.total)}`,
    ])
      expect(shown).toContain(part);
    expect(opened.console).toEqual([]);
  });

  it('shows a step with its kernel, and marks its block, its operations and its lines', async () => {
    const { page } = opened;
    const step = told.steps.find(({ label }) => label.includes('resblocks.3.attn: attention'))!;
    const [origin] = step.origins;
    await show(opened, 'Steps');
    expect(await page.locator('.steps tbody tr').count()).toBe(told.steps.length);
    await page.locator('.steps tbody tr').nth(step.index).getByRole('button').click();
    await expect.poll(() => title(opened)).toBe(`Step ${step.index} · ${step.label}`);
    const { wgsl, bindings } = told.plan.pipelines[step.pipeline]!;
    expect(await detail(opened).locator('.wgsl').textContent()).toBe(wgsl);
    expect(await detail(opened).locator('tbody tr').count()).toBe(bindings.length);
    expect(await selectedLines(opened)).toEqual(linesOf(origin!.span!));
    expect(await selectedBlocks(opened)).toEqual(['attn']);
    await show(opened, 'Graph');
    await expect.poll(() => page.locator('.node.marked text').first().textContent()).toBe('attention');
    await page.getByRole('button', { name: 'Optimized' }).click();
    await expect.poll(() => page.locator('.node.marked').getAttribute('data-id')).toBe(`n${step.node}`);
    await page.getByRole('button', { name: 'As written' }).click();
  });

  it('sorts steps, and shows those of the selection alone', async () => {
    const { page } = opened;
    await show(opened, 'Steps');
    await page.getByRole('button', { name: 'FLOPs' }).click();
    const most = told.steps.reduce((a, b) => (b.flops > a.flops ? b : a));
    expect(await page.locator('.steps tbody tr td').first().textContent()).toBe(String(most.index));
    await page.getByRole('button', { name: '#' }).click();
    await page.locator('.block-row', { hasText: 'ln_post' }).click();
    await page.getByLabel('Only steps of what is selected').check();
    const path = 'visual.ln_post';
    await expect
      .poll(() => page.locator('.steps tbody tr td:first-child').allTextContents())
      .toEqual(told.stepsOf({ path }).map(({ index }) => String(index)));
    await page.getByLabel('Only steps of what is selected').uncheck();
  });

  it('selects by a line of the source what it made', async () => {
    const { page } = opened;
    await page.locator('.source').getByRole('button', { name: 'clip' }).click();
    const { span } = tree.children[0]!.children.find(({ name }) => name === 'ln_pre')!;
    const [line] = linesOf(span);
    await page
      .locator('.line')
      .nth(line! - 1)
      .click();
    await expect.poll(() => selectedBlocks(opened)).toEqual(['ln_pre']);
    expect(await selectedLines(opened)).toEqual([line]);
    const { start, end } = span;
    const steps = told.stepsOf({ file: span.file.path, start, end });
    expect(await detail(opened).textContent()).toContain(`Steps (${steps.length})`);
    // The next line by the keyboard.
    await page.locator('.listing').press('ArrowDown');
    await expect.poll(() => selectedBlocks(opened)).toEqual(['transformer']);
  });

  it('is operated by keys: into the tree, and into a box of the graph', async () => {
    const { page } = opened;
    await page.locator('.block-row', { hasText: 'conv1' }).click();
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    await expect.poll(() => title(opened)).toBe('Block · visual');
    await show(opened, 'Graph');
    const box = page.locator('.node.block', { hasText: 'transformer' });
    await box.focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => title(opened)).toBe('Block · visual.transformer');
    const layers = tree.children[0]!.children.find(({ name }) => name === 'transformer')!.children;
    await expect.poll(() => page.locator('.node.block').count()).toBe(layers.length);
    const drawn = await page.locator('.node').count();
    expect(await page.locator('.as-list li').count()).toBe(drawn);
    await page.getByRole('button', { name: 'All operations' }).click();
    await expect.poll(() => page.locator('.canvas').textContent()).toContain('are too many');
    await page.getByRole('button', { name: 'Blocks as boxes' }).click();
  });

  it('shows what of the memory is alive at a step', async () => {
    const { page } = opened;
    const { live, ranges, workspace } = told.memory;
    await show(opened, 'Memory');
    const peak = Math.max(...live);
    const at = live.indexOf(peak);
    expect(await page.locator('.maximum').textContent()).toBe(
      `at most ${bytes(peak)} alive, at step ${at}; ${bytes(workspace)} planned`,
    );
    expect(await page.locator('.map-chart rect').count()).toBe(
      ranges.filter(({ kind }) => kind === 'workspace').length,
    );
    await page.getByLabel('Step', { exact: true }).fill(String(at));
    await expect.poll(() => title(opened)).toContain(`Step ${at} `);
    expect(await page.locator('.told').textContent()).toContain(`${bytes(peak)} alive`);
    const alive = ranges.filter(
      ({ kind, firstStep, lastStep }) => kind === 'workspace' && firstStep! <= at && at <= lastStep!,
    );
    const names = await page.locator('.memory tbody td:first-child').allTextContents();
    expect(names.sort()).toEqual(alive.map(({ name }) => name).sort());
  });

  it('measures steps on the device for which it then compiles, or says why it cannot', async () => {
    const { page } = opened;
    await page.getByLabel('Model').selectOption('text:mini');
    await show(opened, 'Steps');
    await page.getByRole('button', { name: 'Measure on this device' }).click();
    const said = page.locator('.steps-view .hint').first();
    await expect
      .poll(() => said.textContent(), { timeout: 30_000 })
      .toMatch(/ in all steps, medians of 5 runs$|^steps cannot be timed/);
    expect(await page.getByLabel('Compiled for').inputValue()).toBe('own');
    // Setup runs once and is not measured.
    const rows = page.locator('.steps tbody tr:not(:has-text("setup"))');
    const times = await rows.locator('td:last-child:visible').allTextContents();
    const timed = (await said.textContent())!.includes('medians');
    expect(times.filter((time) => /^[\d.]+ (µs|ms|s)$/.test(time)).length).toBe(
      timed ? await rows.count() : 0,
    );
  });

  it('has no serious fault of accessibility with all of it filled', async () => {
    const { page } = opened;
    // Of the small model that was timed: axe looks at each element.
    await page.locator('.block-row', { hasText: 'conv1' }).click();
    await expect.poll(() => title(opened)).toBe('Block · visual.conv1');
    await show(opened, 'Graph');
    expect(await faults(opened)).toEqual([]);
    for (const view of ['Steps', 'Memory']) {
      await show(opened, view);
      expect(await faults(opened, '.views')).toEqual([]);
    }
  });

  it('follows the program, and keeps in grey what compiled last', async () => {
    const { page } = opened;
    const second = tinyZoo
      .slice(tinyZoo.indexOf('model'))
      .replace('"tiny"', '"other"')
      .replace('layers = 1', 'layers = 2');
    const two = `${tinyZoo}\n${second}`;
    await writeText(opened, two);
    await expect.poll(() => tiles(opened)).toContain(count(zooc.model(two, {}, 'tiny').parameters));
    await page.getByLabel('Model').selectOption('text:other');
    await expect.poll(() => tiles(opened)).toContain(count(zooc.model(two, {}, 'other').parameters));
    await page.getByLabel('Mode', { exact: true }).selectOption('gradients');
    const trained = zooc
      .model(two, {}, 'other')
      .explain({ entry: 'loss', batch: 1, mode: 'train', gradients: true });
    await expect.poll(() => tiles(opened)).toContain(`Steps${trained.steps.length}`);
    await writeText(opened, two.replace('layers = 2', 'layers = two'));
    await expect.poll(() => page.locator('.problems').textContent()).toContain('Z2');
    await choose(opened, 'RN50');
    expect(await page.locator('.problems').textContent()).toBe('');
    await page.getByLabel('Model').selectOption('text:other');
    await expect.poll(() => page.locator('.problems').textContent()).toContain('text.zoo');
    await expect.poll(() => page.locator('.explore.stale').count()).toBe(1);
    expect(await tiles(opened)).toContain(count(zooc.model('RN50').parameters));
  });

  it('explores without an adapter, and says that nothing can be measured', async () => {
    const without = await openPart('explore', { webgpu: false });
    try {
      await choose(without, 'ViT-B/32');
      await show(without, 'Steps');
      await expect
        .poll(() => without.page.locator('.steps-view').textContent())
        .toContain('no WebGPU here: nothing can be measured');
      expect(await without.page.getByRole('button', { name: 'Measure on this device' }).isDisabled()).toBe(
        true,
      );
    } finally {
      await without.close();
    }
  });
});
