/** The playground's frame: every part without faults of accessibility, a device that is lost, a browser without WebGPU. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { faults } from '../../support/accessibility.ts';
import { type OpenedPage, unsafeWebGpu } from '../../support/page.ts';
import { browser } from '../../support/reports/browser.ts';
import { openPart } from '../../support/web-page.ts';

describe.skipIf(browser === undefined)('the playground', () => {
  describe.each(['light', 'dark'] as const)('in %s', (colorScheme) => {
    let opened: OpenedPage;
    beforeAll(async () => {
      opened = await openPart('try', { colorScheme, width: colorScheme === 'dark' ? 390 : 1280 });
    });
    afterAll(() => opened?.close());

    it.each(['Try', 'Write', 'Explore', 'Train', 'Compare'])(
      'has no serious fault of accessibility in %s, and no line in the console',
      async (part) => {
        const { page } = opened;
        await page.getByRole('navigation').getByRole('link', { name: part }).click();
        await page.getByRole('heading', { level: 1 }).waitFor();
        await expect.poll(() => page.locator('main > section').getAttribute('aria-label')).toBe(part);
        await expect.poll(() => page.locator('main [aria-busy]').count()).toBe(0);
        expect(await faults(opened)).toEqual([]);
        expect(opened.console).toEqual([]);
        const wider = await page.evaluate(
          'document.documentElement.scrollWidth - document.documentElement.clientWidth',
        );
        expect(wider, 'pixels that the page is wider than its window').toBe(0);
      },
    );
  });

  it('goes on with another device when one is lost, and says so', async () => {
    const opened = await openPart('try');
    try {
      const { page } = opened;
      const bars = () => page.locator('.bars').textContent();
      await page.locator('.bars li').first().waitFor();
      const before = await bars();
      const browserSession = await page.context().browser()!.newBrowserCDPSession();
      // It does not answer: what would is gone.
      void browserSession.send('Browser.crashGpuProcess').catch(() => {});
      await expect.poll(() => page.locator('#notices').textContent()).toContain('Z606');
      await page.getByRole('button', { name: 'red apple' }).click();
      await expect.poll(bars).not.toBe(before);
      await page.getByRole('button', { name: 'rocket' }).click();
      await expect.poll(bars).toBe(before);
      expect(await page.locator('#notices').textContent()).toBe('');
    } finally {
      await opened.close();
    }
  });

  it('says what is missing where the browser gives no adapter', async () => {
    const opened = await openPart('try', { webgpu: false });
    try {
      const { page } = opened;
      await expect.poll(() => page.locator('#device').textContent()).toContain('no WebGPU');
      await expect.poll(() => page.locator('#notices').textContent()).toContain('Z601');
      expect(await page.locator('#notices').textContent()).toContain(unsafeWebGpu);
    } finally {
      await opened.close();
    }
  });
});
