/** The playground's Train: a run that is paused, repeated, loses its device, and whose weights are taken along. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as zooc from '../../../zoo/api/node.ts';
import type { OpenedPage } from '../../support/page.ts';
import { browser } from '../../support/reports/browser.ts';
import { openPart } from '../../support/web-page.ts';
import { tinyZoo } from '../harness.ts';

const steps = 6;

describe.skipIf(browser === undefined)('the playground, Train', () => {
  let opened: OpenedPage;
  beforeAll(async () => {
    opened = await openPart('train');
  });
  afterAll(() => opened?.close());

  const button = (name: string) => opened.page.getByRole('button', { name, exact: true });
  const state = () => opened.page.locator('.train .state').textContent();
  const stepText = () => opened.page.locator('.train .facts dd').first().textContent();
  const notices = () => opened.page.locator('#notices').textContent();

  async function start(): Promise<void> {
    const { page } = opened;
    await page.getByLabel('Batch', { exact: true }).fill('8');
    await page.getByLabel('Steps', { exact: true }).fill(String(steps));
    await page.getByLabel('Look every').fill('2');
    await button('Start').click();
  }

  async function download(name: string): Promise<Buffer> {
    const [file] = await Promise.all([opened.page.waitForEvent('download'), button(name).click()]);
    return readFileSync(await file.path());
  }

  /** Gives the page another text, as Write would. */
  async function program(text: string): Promise<void> {
    const { page } = opened;
    const program = JSON.stringify({ text, settings: {} });
    await page.evaluate(`localStorage.setItem('zooc.program', ${JSON.stringify(program)})`);
    await page.reload();
  }

  let curves: string;

  it('trains, gives nothing to the device while it is paused, and goes on', async () => {
    await start();
    await expect.poll(stepText).toMatch(/^[1-9]/);
    await button('Pause').click();
    await expect.poll(state).toBe('Paused: nothing is given to the device.');
    const paused = await stepText();
    // A step takes less than this.
    await opened.page.waitForTimeout(1500);
    expect(await stepText()).toBe(paused);
    await button('Go on').click();
    await expect.poll(state).toBe('Done.');
    expect(await stepText()).toBe(`${steps} of ${steps}`);

    curves = String(await download('Curves (.csv)'));
    const [head, ...lines] = curves.trimEnd().split('\n');
    expect(head).toBe('step,loss,lr,accuracy');
    const rows = lines.map((line) => line.split(','));
    expect(rows.map(([step]) => Number(step))).toEqual([1, 2, 3, 4, 5, 6]);
    // Of eight pairs that nothing is known of, about ln 8; the warm-up of the recipe is 20 steps long.
    for (const [, loss] of rows) expect(Math.abs(Number(loss) - Math.log(8))).toBeLessThan(1);
    expect(rows.map(([, , lr]) => Number(lr))).toEqual(
      rows.map((_, i) => expect.closeTo((3e-3 * (i + 1)) / 20)),
    );
    expect(rows.map(([, , , accuracy]) => accuracy !== '')).toEqual([false, true, false, true, false, true]);
    expect(await opened.page.locator('.seen > li').count()).toBe(6);
    expect(opened.console).toEqual([]);
  });

  it('gives the same numbers for the same seed, also behind the loss of the device', async () => {
    await start();
    await expect.poll(stepText).toMatch(/^[3-5]/);
    await button('Pause').click();
    await expect.poll(state).toContain('Paused');
    const session = await opened.page.context().browser()!.newBrowserCDPSession();
    // It does not answer: what would is gone.
    void session.send('Browser.crashGpuProcess').catch(() => {});
    await expect.poll(state).toBe('The device was lost.');
    expect(await notices()).toContain('Z606');
    expect(await opened.page.locator('.train').textContent()).toMatch(/Going on begins behind step [24],/);
    await button('Go on').click();
    await expect.poll(state).toBe('Done.');
    expect(String(await download('Curves (.csv)'))).toBe(curves);
  });

  it('gives weights and text that Node takes, and the model to Try', async () => {
    const text = String(await download('Text (.zoo)'));
    const weights = await download('Weights (safetensors)');
    const gpu = await zooc.open();
    const pixels = { width: 32, height: 32, data: new Uint8Array(32 * 32 * 3).fill(120) };
    const featureOf = async (source: zooc.WeightsInput) => {
      const clip = await gpu.load(text, source);
      expect(clip.model.name).toBe('mini');
      const feature = await clip.encodeImage(pixels);
      clip.close();
      return feature;
    };
    const trained = await featureOf(new Uint8Array(weights));
    const fresh = await featureOf({ seed: 1 });
    gpu.close();
    expect(trained.every(Number.isFinite)).toBe(true);
    expect(trained).not.toEqual(fresh);

    await button('Use in Try').click();
    const models = opened.page.locator('.models');
    await expect.poll(() => models.textContent()).toContain('mini: 435,649 parameters');
    await opened.page.locator('.bars li').first().waitFor();
    expect(await notices()).toBe('');
    await opened.page.getByRole('link', { name: 'Train' }).click();
    await expect.poll(state).toBe('Done.');
  });

  it('says that a text has no recipe, and keeps it when the first one takes its place', async () => {
    await program(tinyZoo);
    const told = () => opened.page.locator('.train form').textContent();
    await expect.poll(told).toContain('has no recipe');
    expect(await button('Start').isDisabled()).toBe(true);
    await button('Take the first text, and keep mine').click();
    await expect.poll(told).toContain('trains the model “mini”');
    await opened.page.reload();
    await button('Put my text back').click();
    await expect.poll(told).toContain('has no recipe');
    const kept = await opened.page.evaluate<string>(`localStorage.getItem('zooc.program')`);
    expect(JSON.parse(kept).text).toBe(tinyZoo);
  });

  it('refuses a model whose texts have no tokenizer, in words', async () => {
    await program(`${tinyZoo.replace('vocab = 520', 'vocab = 300')}
train "a" of "tiny" {
  objective = contrastive
  batch = 4
  optimizer = adamw(lr = 1e-3)
}
train "b" of "tiny" {
  objective = contrastive
  batch = 4
  optimizer = adamw(lr = 1e-2)
}
`);
    await opened.page.getByLabel('Recipe').selectOption('b');
    expect(await opened.page.getByLabel('Learning rate').inputValue()).toBe('0.01');
    await start();
    await expect.poll(notices).toContain('Z414');
    expect(await state()).toBe('The run ended.');
  });
});
