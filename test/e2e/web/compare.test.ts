/** The playground's Compare: another library beside ours, a check of the adapter, and a report of both. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenedPage } from '../../support/page.ts';
import { browser } from '../../support/reports/browser.ts';
import { openPart } from '../../support/web-page.ts';

describe.skipIf(browser === undefined)('the playground, Compare', () => {
  let opened: OpenedPage;
  beforeAll(async () => {
    opened = await openPart('compare');
  });
  afterAll(() => opened?.close());

  const button = (name: string) => opened.page.getByRole('button', { name, exact: true });
  const report = async () => (await opened.page.getByLabel('Report').textContent())!;
  const notices = () => opened.page.locator('#notices').textContent();

  it('finds that jax-js computes what zooc does from its export, and times both', async () => {
    const { page } = opened;
    await page.getByLabel('Batch').fill('3');
    await page.getByLabel('Repetitions').fill('2');
    await button('Compare').click();
    await expect.poll(report).toContain('## emoji, encode_image, pictures [3, 3, 32, 32]');
    const text = await report();
    const [, difference, largest] = /differ by (\S+) at most, of numbers up to (\S+);/.exec(text)!;
    // Sums of f32 in another order through two layers.
    expect(Number(difference) / Number(largest)).toBeLessThan(3e-5);
    expect(text).toContain('the smallest cosine is 1.00000');
    for (const library of ['zooc', 'jax-js'])
      expect(text).toMatch(new RegExp(`^- ${library}, ms: \\d+\\.\\d \\d+\\.\\d$`, 'm'));
    expect(await page.locator('.compare tbody tr').first().textContent()).toContain('1.00 ×');
    expect(opened.console).toEqual([]);
  });

  it('says in words what the other library does not have', async () => {
    const text = `import clip { CLIP, ModifiedResNet, TextTransformer }
model "small" = CLIP(
  vision = ModifiedResNet(layers = [1, 1, 1, 1], width = 8, resolution = 32, heads = 4, embed = 16),
  text = TextTransformer(context = 8, vocab = 520, width = 32, layers = 1, heads = 2, embed = 16)
)`;
    const { page } = opened;
    const program = JSON.stringify({ text, settings: {} });
    await page.evaluate(`localStorage.setItem('zooc.program', ${JSON.stringify(program)})`);
    await page.reload();
    await page.getByLabel('Model', { exact: true }).selectOption('text');
    await page.getByLabel('Repetitions').fill('1');
    await button('Compare').click();
    await expect.poll(report).toContain('jax-js has no operation BatchNormalization of ONNX');
    expect(await report()).toMatch(/^\| zooc \S+ \| \d.* 1\.00 × \|$/m);
    expect(await notices()).toBe('');
  });

  it('checks the adapter against double precision, and copies the report', async () => {
    const { page } = opened;
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await button('Check this adapter').click();
    // A software adapter compiles every kind of kernel for it.
    await expect.poll(report, { timeout: 240_000 }).toMatch(/^All \d+ checks are within tolerance\. /m);
    const text = await report();
    for (const part of ['\\w+ … \\w+', 'products', 'attention', 'rows', 'small ViT: loss with gradients'])
      expect(text).toMatch(new RegExp(`^\\| ${part} \\| f32 \\| .* \\| ok \\|`, 'm'));
    expect(text).toMatch(/^- copy: [\d.]+ GB\/s$/m);
    expect(text).toContain('| vendor | ');
    expect(text).toContain('Chrome/');
    await button('Copy the report').click();
    await expect.poll(() => page.locator('.compare .row .hint').textContent()).toBe('Copied.');
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(text);
  });
});
