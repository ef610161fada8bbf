/**
 * What `npm version` runs between the new number in package.json and its commit: the changelog's *Unreleased* becomes that version's,
 * and the citation names it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @throws Error where nothing is to be released */
export function released(changelog: string, version: string, date: string): string {
  const heading = '## [Unreleased]\n';
  const [before, after, ...more] = changelog.split(heading);
  if (after === undefined || more.length > 0)
    throw new Error('CHANGELOG.md has to have one heading [Unreleased]');
  const [news] = after.split(/^## /m);
  if (!/^- /m.test(news!)) throw new Error('CHANGELOG.md says nothing under [Unreleased]');
  return `${before}${heading}\n## [${version}] - ${date}\n${after}`;
}

/** The citation, of a version. */
export function cited(citation: string, version: string, date: string): string {
  const rest = citation.replace(/^date-released: .*\n/m, '');
  return rest.replace(/^version: .*$/m, () => `version: ${version}\ndate-released: ${date}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  const date = new Date().toISOString().slice(0, 10);
  for (const [file, change] of [
    ['CHANGELOG.md', released],
    ['CITATION.cff', cited],
  ] as const)
    writeFileSync(file, change(readFileSync(file, 'utf8'), version, date));
}
