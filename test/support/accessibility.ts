/** What axe-core finds in an open page. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type axe from 'axe-core';
import type { OpenedPage } from './page.ts';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * Serious faults that axe-core finds, by rule and element.
 * @param within a selector of what is looked at; everything by default
 */
export async function faults({ page }: OpenedPage, within = 'html'): Promise<string[]> {
  // Not as a script element, which the page's policy would refuse.
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(
    (selector) => (globalThis as unknown as { axe: typeof axe }).axe.run(selector),
    within,
  );
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 120)}`));
}
