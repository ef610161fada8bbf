/** The playground's second part, in a browser without an adapter: it needs none. */
import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as zooc from '../../../zoo/api/node.ts';
import type { OpenedPage } from '../../support/page.ts';
import { browser } from '../../support/reports/browser.ts';
import { openPart } from '../../support/web-page.ts';

const towers = `import clip { CLIP, VisionTransformer, TextTransformer }

model "mine" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 64),
  text = TextTransformer(context = 24, vocab = 600, width = 64, layers = 1, embed = 64)
)
`;

const pooling = `import nn { Linear }

# Means over the pixels of each channel.
block Pooling(side: int, embed: int) {
  head: Linear(3, embed)

  forward(image: [B, 3, side, side]) -> [B, embed] {
    let pooled = mean(image, axis = [2, 3])
    return head(pooled)
  }
}

model "pooling" = Pooling(side = 16, embed = 10)
`;

const counted = (parameters: number) => parameters.toLocaleString('en-US');

describe.skipIf(browser === undefined)('the playground, Write', () => {
  let opened: OpenedPage;
  beforeAll(async () => {
    opened = await openPart('write', { webgpu: false });
    await mistakes().filter({ hasText: 'Nothing is wrong' }).waitFor();
  });
  afterAll(() => opened?.close());

  const at = (selector: string): Locator => opened.page.locator(selector);
  const mistakes = () => at('.mistakes');
  const press = (keys: string) => opened.page.keyboard.press(keys);
  const program = (): Promise<{ text: string; settings: Record<string, string> }> =>
    opened.page.evaluate("JSON.parse(localStorage.getItem('zooc.program'))");
  const text = async () => (await program()).text;
  /** Puts a text in place of the one that is there, the cursor behind it. */
  const write = async (given: string) => {
    await at('.cm-content').focus();
    await press('Control+a');
    await opened.page.keyboard.insertText(given);
    expect(await text()).toBe(given);
  };
  const parameters = () => at('.sizes dd').first().textContent();
  const completions = () => at('.cm-tooltip-autocomplete li').allTextContents();
  /** What is shown of a word where it stands first. */
  const hover = async (word: string) => {
    await at('.cm-line').getByText(word, { exact: true }).first().hover();
    await at('.hover').waitFor();
    const shown = await at('.hover').textContent();
    await opened.page.mouse.move(0, 0);
    await at('.hover').waitFor({ state: 'detached' });
    return shown;
  };

  it('shows a mistake with its code and message, and mends it by a button or by keys', async () => {
    await write(towers.replace('layers = 2', 'layer = 2'));
    await expect.poll(() => mistakes().textContent()).toContain('Z201');
    expect(await mistakes().textContent()).toContain('VisionTransformer has no parameter layer');
    expect(await at('.cm-lintRange-error').first().textContent()).toBe('layer');
    await mistakes().getByRole('button', { name: 'Fix' }).click();
    await expect.poll(text).toBe(towers);
    await expect.poll(() => mistakes().textContent()).toContain('Nothing is wrong');
    await press('Control+z');
    await expect.poll(() => mistakes().textContent()).toContain('Z201');
    await mistakes().getByRole('button', { name: 'Z201' }).click();
    await press('Control+.');
    await expect.poll(text).toBe(towers);
  });

  it('tells the value or shape of what the mouse is on', async () => {
    await write(pooling);
    await at('.inlay').filter({ hasText: '[B, 3]' }).waitFor();
    expect(await hover('pooled')).toContain('[B, 3]');
    expect(await hover('embed')).toContain('10');
    expect(await hover('Pooling')).toContain('Means over the pixels of each channel.');
  });

  it('completes settings of recipes and parameters of calls', async () => {
    await write(`${towers}\ntrain "quick" of "mine" {\n  `);
    await opened.page.keyboard.type('sched');
    await expect.poll(completions).toContainEqual(expect.stringMatching(/^schedule.*setting$/));
    await press('Escape');
    await write(towers.replace(/context[^)]*/, ''));
    await at('.cm-line').getByText('TextTransformer').last().click();
    await press('End');
    await press('ArrowLeft');
    await opened.page.keyboard.type('con');
    await expect.poll(completions).toContainEqual(expect.stringMatching(/^context.*int = 77.*parameter$/));
    await at('.cm-tooltip-autocomplete li').filter({ hasText: 'context' }).click();
    await expect.poll(text).toContain('TextTransformer(context');
    await at('.signature').filter({ hasText: 'TextTransformer(context: int = 77' }).waitFor();
    await press('Escape');
  });

  it('counts the parameters under a setting as the library does, and leaves the text as it is', async () => {
    await write(towers);
    await expect.poll(parameters).toBe(counted(zooc.model(towers).parameters));
    await opened.page.getByLabel('vision.layers, slider').fill('4');
    const settings = { 'vision.layers': '4' };
    const set = zooc.model(towers, settings);
    await expect.poll(parameters).toContain(counted(set.parameters));
    expect(await program()).toMatchObject({ text: towers, settings });
    const images = at('.entries > div').filter({ hasText: 'encode_image' });
    const mega = (set.tree({ entry: 'encode_image' }).flops / 1e6).toPrecision(3);
    await expect.poll(() => images.textContent()).toContain(`${mega} MFLOP`);

    await opened.page.getByLabel('act').first().selectOption('gelu');
    await expect.poll(async () => (await program()).settings).toEqual({ ...settings, 'vision.act': 'gelu' });
    await opened.page.getByRole('button', { name: 'Write into the text' }).click();
    await expect.poll(async () => (await program()).settings).toEqual({});
    const written = await text();
    expect(written).toContain('layers = 4');
    expect(zooc.model(written).model.config.get('vision.act')).toBe('gelu');
    await press('Control+z');
    await expect
      .poll(program)
      .toMatchObject({ text: towers, settings: { ...settings, 'vision.act': 'gelu' } });
    await opened.page.getByRole('button', { name: 'Reset all' }).click();
    await expect.poll(parameters).toBe(counted(zooc.model(towers).parameters));
  });

  it('says why a setting does not fit', async () => {
    const wrong = at('.settings .wrong');
    await opened.page.getByLabel('patch', { exact: true }).fill('5');
    await expect.poll(() => wrong.textContent()).toContain('Z304 resolution 32 is not a multiple of patch 5');
    await opened.page.getByRole('button', { name: 'Reset vision.patch' }).click();
    await expect.poll(() => wrong.textContent()).toBe('');
  });

  it('begins from a bundled model, and brings back the text before', async () => {
    await opened.page.getByLabel('Start from').selectOption('ViT-B/32');
    await expect.poll(text).toContain('model "my-ViT-B/32" = CLIP(');
    await expect.poll(parameters).toBe('151,277,313');
    await expect.poll(() => mistakes().textContent()).toContain('Nothing is wrong');
    expect(zooc.check(await text())).toEqual([]);
    await opened.page.getByLabel('Start from').selectOption('emoji');
    await expect.poll(parameters).toBe('435,649');
    expect(zooc.check(await text())).toEqual([]);
    await at('.cm-content').focus();
    await press('Control+z');
    await expect.poll(text).toContain('my-ViT-B/32');
    await press('Control+z');
    await expect.poll(text).toBe(towers);
  });

  it('formats by its button and by keys', async () => {
    const crooked = towers.replace('CLIP(\n', 'CLIP(').replaceAll(' = ', '=');
    await write(crooked);
    await opened.page.getByRole('button', { name: 'Format' }).click();
    await expect.poll(text).toBe(towers);
    await write(crooked);
    await press('Shift+Alt+F');
    await expect.poll(text).toBe(towers);
  });

  it('leads to declarations, and lets the keyboard out', async () => {
    await write(pooling);
    const chosen = () =>
      opened.page.evaluate("document.querySelector('.editor').shadowRoot.getSelection().toString()");
    await at('summary').filter({ hasText: 'Outline' }).click();
    await at('.outline').getByRole('button', { name: 'model pooling' }).click();
    await expect.poll(chosen).toBe('"pooling"');
    await press('End');
    for (let i = 0; i < 'side = 16, embed = 10)'.length + 2; i++) await press('ArrowLeft');
    await press('F12');
    await expect.poll(chosen).toBe('Pooling');
    await press('End');
    await press('Tab');
    expect(await text()).not.toBe(pooling);
    await press('Control+z');
    await press('Escape');
    await press('Tab');
    const outside = () => opened.page.evaluate('document.activeElement.className');
    expect(await outside()).not.toBe('editor');
    expect(await text()).toBe(pooling);
  });

  it('writes nothing to the console', () => expect(opened.console).toEqual([]));
});
