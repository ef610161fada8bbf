/** `zooc bundle`: folders that a browser runs, with the numbers that Node gets, and what they refuse. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as zooc from '../../../zoo/api/node.ts';
import { type OpenedPage, openPage } from '../../support/page.ts';
import { browser } from '../../support/reports/browser.ts';
import { tinyZoo, Workspace } from '../harness.ts';

/** What dropping takes of a page, which Node's types have no names for. */
interface Dom {
  readonly DataTransfer: new () => { readonly items: { add(file: File): void } };
  readonly DragEvent: new (type: string, options: object) => Event;
  readonly document: EventTarget;
}

const place = new Workspace();
const labels = ['q', 'zoo'];
/** By their entries; the first has a batch that is larger than what it is given. */
const folders = { picture: ['encode_image'], text: ['encode_text'], pair: ['encode_image', 'encode_text'] };

beforeAll(async () => {
  place.write('tiny.zoo', tinyZoo);
  const data = Uint8Array.from({ length: 24 * 40 * 3 }, (_, i) => (i * 5 + Math.floor(i / 72) * 3) % 256);
  place.write(
    'picture.png',
    await sharp(data, { raw: { width: 24, height: 40, channels: 3 } })
      .png()
      .toBuffer(),
  );
  for (const [name, entries] of Object.entries(folders)) {
    const batch = name === 'picture' ? '2' : '1';
    const { stdout } = await place.succeed([
      ...['bundle', 'tiny.zoo', '--weights', 'init:1', '--batch', batch, '-o', name],
      ...['--entry', ...entries],
    ]);
    expect(stdout).toBe(`${name}\n`);
  }
});
afterAll(() => place.remove());

describe('the folder of a page', () => {
  it('has the weights that its plans read and no others', () => {
    const names = (folder: string) => [...place.weights(folder).keys()].sort();
    const all = zooc.model(tinyZoo).weights.map(({ name }) => name);
    const ofPictures = all.filter((name) => name.startsWith('visual.'));
    expect(names('picture')).toEqual(ofPictures.sort());
    expect(names('text')).toEqual(
      all.filter((name) => !ofPictures.includes(name) && name !== 'logit_scale').sort(),
    );
    expect(names('pair')).toEqual(all.sort());
  });

  it('has the merges of the vocabulary, where texts are read', () => {
    const plans = (folder: string) => JSON.parse(readFileSync(place.path(`${folder}/plans.json`), 'utf8'));
    expect(plans('picture')).not.toHaveProperty('text');
    expect(plans('text').text.merges).toHaveLength(520 - 514);
  });

  it('allows no script but its own files, and names nothing that is not beside it', () => {
    const page = readFileSync(place.path('pair/index.html'), 'utf8');
    expect(page).toContain("default-src 'none'; script-src 'self'");
    expect(page).not.toMatch(/unsafe-|<style|\son\w+=|style=|https?:/);
    const named = [...page.matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)].map(([, name]) => name);
    const imported = readdirSync(place.path('pair'))
      .filter((name) => name.endsWith('.js'))
      .flatMap((name) => [
        ...readFileSync(place.path(`pair/${name}`), 'utf8').matchAll(/\bfrom\s*["']\.\/([^"']+)/g),
      ])
      .map(([, name]) => name);
    expect(named).toEqual(['page.css', 'page.js']);
    expect(imported).toContain('plan.js');
    for (const name of [...named, ...imported]) expect(existsSync(place.path(`pair/${name}`))).toBe(true);
  });

  it('may have its weights as halves', async () => {
    await place.succeed(['bundle', 'tiny.zoo', '--weights', 'init:1', '--dtype', 'f16', '-o', 'half']);
    const dtypes = [...place.weights('half').values()].map(({ dtype }) => dtype);
    expect(new Set(dtypes)).toEqual(new Set(['F16']));
  });

  it('is refused for what is no tower, and nothing is left', async () => {
    const call = ['bundle', 'tiny.zoo', '--weights', 'init:1', '-o', 'refused', '--entry'];
    const { code, stderr } = await place.call([...call, 'logits']);
    expect(code).toBe(1);
    expect(stderr).toContain('error[Z704]: logits is no tower of tiny');
    expect(stderr).toContain('towers: encode_image, encode_text');
    expect(existsSync(place.path('refused'))).toBe(false);
    expect((await place.call([...call.slice(0, 5), 'pair'])).stderr).toContain(
      'error[Z431]: pair exists already',
    );
  });

  it('needs weights', async () => {
    const { stderr } = await place.call(['bundle', 'tiny.zoo', '-o', 'refused']);
    expect(stderr).toContain('error[Z703]: tiny.zoo needs weights');
  });
});

describe.skipIf(browser === undefined)('the page', () => {
  let clip: zooc.LoadedModel;
  let gpu: zooc.Gpu;
  let opened: OpenedPage;
  beforeAll(async () => {
    gpu = await zooc.open();
    clip = await gpu.load(tinyZoo, { seed: 1 });
  });
  afterAll(() => {
    clip.close();
    gpu.close();
  });

  /** What the page shows once it has run: its items with their headings. */
  async function results(folder: string, fill: (page: OpenedPage['page']) => Promise<void>) {
    opened = await openPage(place.path(folder), 'index.html');
    try {
      const { page } = opened;
      await page.getByText('Ready').waitFor();
      expect(await page.title()).toBe('tiny');
      await fill(page);
      await page.getByRole('button', { name: 'Run' }).click();
      await page.getByText(/^\d+ ms$/).waitFor();
      expect(opened.console).toEqual([]);
      const texts = (selector: string) => page.locator(selector).allTextContents();
      return { headings: await texts('output h2'), items: await texts('output pre') };
    } finally {
      await opened.close();
    }
  }

  /** Sums of f32 in another order, by another adapter. */
  const near = (values: Float32Array) => [...values].map((value) => expect.closeTo(value, 4));

  it('shows the features of pictures', async () => {
    const { headings, items } = await results('picture', async (page) => {
      await page.locator('#pictures').setInputFiles([place.path('picture.png'), place.path('picture.png')]);
      expect(await page.locator('#texts').isVisible()).toBe(false);
    });
    const wanted = near(await clip.encodeImage(place.path('picture.png')));
    expect(headings).toEqual(['picture.png', 'picture.png']);
    expect(items.map((item) => JSON.parse(item))).toEqual([wanted, wanted]);
  });

  it('shows the features of texts', async () => {
    const { headings, items } = await results('text', async (page) => {
      await page.locator('#texts').fill(labels.join('\n'));
      expect(await page.locator('#pictures').isVisible()).toBe(false);
    });
    expect(headings).toEqual(labels);
    const wanted = await clip.encodeText(labels);
    expect(items.flatMap((item) => JSON.parse(item))).toEqual(near(wanted));
  });

  it('classifies pictures that are dropped on it against labels', async () => {
    const { headings, items } = await results('pair', async (page) => {
      await page.locator('#texts').fill(labels.join('\n'));
      const bytes = [...place.bytes('picture.png')];
      await page.evaluate((data) => {
        const { DataTransfer, DragEvent, document } = globalThis as unknown as Dom;
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([new Uint8Array(data)], 'dropped.png', { type: 'image/png' }));
        document.dispatchEvent(new DragEvent('drop', { dataTransfer, cancelable: true }));
      }, bytes);
      await page.getByText(/^\d+ ms$/).waitFor();
    });
    expect(headings).toEqual(['dropped.png']);
    const scores = await clip.classify(place.path('picture.png'), labels);
    // Percentages with two digits.
    expect(items).toEqual([
      scores.map(({ label, score }) => `${(100 * score).toFixed(2)} %  ${label}`).join('\n'),
    ]);
  });

  it('says what keeps it from running', async () => {
    place.write('pair/weights.safetensors', 'not tensors');
    opened = await openPage(place.path('pair'), 'index.html');
    await opened.page.getByText('the weights is not a valid').waitFor();
    expect(await opened.page.getByRole('button', { name: 'Run' }).isDisabled()).toBe(true);
    await opened.close();
  });
});
