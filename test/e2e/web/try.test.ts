/** The playground's first part: pictures against labels, with models of its own and the visitor's. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as zooc from '../../../zoo/api/node.ts';
import type { OpenedPage } from '../../support/page.ts';
import { browser } from '../../support/reports/browser.ts';
import { builtPage, openPart } from '../../support/web-page.ts';
import { root, tinyZoo, Workspace } from '../harness.ts';

const labels = ['rocket', 'red apple', 'dog face', 'soccer ball'];
/** Those that the page begins with. */
const firstLabels = [
  'rocket',
  'red apple',
  'dog face',
  'soccer ball',
  'automobile',
  'red heart',
  'house',
  'pizza',
];
const templates = ['{}', '{} emoji', 'icon of {}', 'picture of {}'];

/** Label and percentage of each bar, as shown. */
function bars({ page }: OpenedPage): Promise<{ label: string; percent: number }[]> {
  return page.locator('.bars li').evaluateAll((rows) =>
    rows.map((row) => ({
      label: row.children[0]!.textContent!,
      percent: Number.parseFloat(row.children[2]!.textContent!),
    })),
  );
}

/** Waits for bars whose labels are these, in any order. */
async function barsOf(opened: OpenedPage, names: readonly string[]) {
  const shown = () => opened.page.locator('.results:not([aria-busy]) .bars .label').allTextContents();
  await expect.poll(async () => (await shown()).sort()).toEqual([...names].sort());
  return bars(opened);
}

/** Percentages are shown with one digit; f32 sums in another order on top of it. */
const near = (score: number) => expect.closeTo(100 * score, 0.9);

describe.skipIf(browser === undefined)('the playground, Try', () => {
  const place = new Workspace();
  let opened: OpenedPage;
  beforeAll(async () => {
    opened = await openPart('try');
  });
  afterAll(async () => {
    await opened?.close();
    place.remove();
  });

  it('classifies its first example without being asked, with the numbers of Node', async () => {
    const { page } = opened;
    await page.getByLabel('Labels, one a line').fill(labels.join('\n'));
    const shown = await barsOf(opened, labels);
    const { side, columns, emoji } = JSON.parse(
      readFileSync(join(await builtPage(), 'data', 'pictures.json'), 'utf8'),
    );
    const { tile } = emoji.find(({ title }: { title: string }) => title === 'rocket');
    const [left, top] = [(tile % columns) * side, Math.floor(tile / columns) * side];
    const picture = await sharp(join(await builtPage(), 'data', 'pictures.png'))
      .extract({ left, top, width: side, height: side })
      .png()
      .toBuffer();
    const gpu = await zooc.open();
    const clip = await gpu.load(`${root}/web/emoji/model.zoo`, `${root}/web/emoji/weights.safetensors`);
    const found = await clip.classify(picture, labels, templates);
    clip.close();
    gpu.close();
    expect(shown).toEqual(found.map(({ label, score }) => ({ label, percent: near(score) })));
    expect(shown[0]!.label).toBe('rocket');
    expect(opened.console).toEqual([]);
  });

  it('takes pictures from files and keeps the labels’ features', async () => {
    const { page } = opened;
    const red = { width: 40, height: 30, channels: 3, background: '#dd2e44' } as const;
    const buffer = await sharp({ create: red }).png().toBuffer();
    const before = await bars(opened);
    await page
      .getByLabel('Choose a picture')
      .setInputFiles({ name: 'red.png', mimeType: 'image/png', buffer });
    await expect.poll(() => bars(opened)).not.toEqual(before);
    expect(await page.locator('.results + .hint').textContent()).toContain('labels kept');
  });

  it('says what is wrong with a file that is no picture', async () => {
    const { page } = opened;
    const file = { name: 'a.png', mimeType: 'image/png', buffer: Buffer.from('no picture') };
    await page.getByLabel('Choose a picture').setInputFiles(file);
    await expect.poll(() => page.locator('#notices').textContent()).toContain('Z405');
    await page.getByRole('button', { name: 'rocket' }).click();
    await expect.poll(() => page.locator('#notices').textContent()).toBe('');
  });

  it('takes exported folders, and keeps the model before where one does not fit', async () => {
    const { page } = opened;
    await page.getByText('Another model').click();
    const gpu = await zooc.open();
    const clip = await gpu.load(tinyZoo, { seed: 3 });
    const weights = Buffer.from(await clip.weights());
    clip.close();
    gpu.close();
    mkdirSync(place.path('own/lib'), { recursive: true });
    place.write('own/lib/tiny.zoo', tinyZoo);
    place.write('own/model.zoo', 'import "./lib/tiny.zoo" { "tiny" }\n');
    place.write('own/weights.safetensors', weights);
    await page.getByLabel('A folder that zooc export wrote').setInputFiles(place.path('own'));
    await expect.poll(() => page.locator('.models').textContent()).toContain('tiny: ');
    const file = { name: 'w.safetensors', mimeType: 'application/octet-stream', buffer: weights };
    await page.getByLabel('A file of safetensors').setInputFiles(file);
    await expect.poll(() => page.locator('#notices').textContent()).toContain('Z401');
    expect(await page.locator('.models').textContent()).toContain('The model before stays.');
    await page.getByRole('button', { name: 'The emoji model' }).click();
    await expect.poll(() => page.locator('.models').textContent()).toContain('emoji: 435,649 parameters');
  });

  it('takes a photo by the camera, and says why where there is none', async () => {
    const withCamera = await openPart('try', { camera: true });
    try {
      const { page } = withCamera;
      const before = (await barsOf(withCamera, firstLabels)).map(({ percent }) => percent);
      await page.getByRole('button', { name: 'Camera' }).click();
      // The first picture of the stream.
      await page
        .locator('video')
        .evaluate('(video) => new Promise((resolve) => video.requestVideoFrameCallback(resolve))');
      await page.getByRole('button', { name: 'Take the photo' }).click();
      await expect
        .poll(async () => (await bars(withCamera)).map(({ percent }) => percent))
        .not.toEqual(before);
      expect(await page.locator('video').count()).toBe(0);
    } finally {
      await withCamera.close();
    }
    await opened.page.getByRole('button', { name: 'Camera' }).click();
    await expect.poll(() => opened.page.locator('#notices').textContent()).toContain('no camera');
  });
});
