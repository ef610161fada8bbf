import { openPage } from '../test/support/page.ts';
const done = async (name: string, part: string, act: (p: any) => Promise<void>) => {
  for (const [width, colorScheme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']] as const) {
    const o = await openPage('web/dist', `index.html#${part}`, { width, colorScheme });
    try { await act(o.page); await o.page.waitForTimeout(500); } catch (e) { console.log(name, width, String(e).slice(0, 300)); }
    await o.page.screenshot({ path: `/tmp/shots/${name}-${width}-${colorScheme}.png`, fullPage: true });
    if (o.console.length) console.log(name, width, o.console.slice(0, 5));
    await o.close();
  }
};
const which = process.argv.slice(2);
if (which.includes('explore')) await done('explore', 'explore', async (p) => { await p.waitForTimeout(6000); });
if (which.includes('train')) await done('train', 'train', async (p) => { await p.getByRole('button', { name: 'Start' }).click(); await p.waitForTimeout(25000); });
if (which.includes('compare')) await done('compare', 'compare', async (p) => { await p.waitForTimeout(1500); const b = p.getByRole('button'); console.log(await b.allTextContents()); await p.getByRole('button', { name: /^Compare|Run/ }).first().click(); await p.waitForTimeout(20000); });
if (which.includes('write')) await done('write', 'write', async (p) => { await p.waitForTimeout(4000); });
if (which.includes('try')) await done('try', 'try', async (p) => { await p.waitForTimeout(5000); });
