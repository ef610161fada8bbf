/**
 * Pages are written for the repository, where links lead to files. On the site, a page outside of `docs/` has the place that
 * `outside` gives it, and a link to any other file of the repository is its text alone.
 */
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Documents of other folders and their pages. */
export const outside: Readonly<Record<string, string>> = {
  'examples/emoji/README.md': 'examples/emoji',
  'examples/ablation/README.md': 'examples/ablation',
  'examples/prompts/README.md': 'examples/prompts',
  'web/README.md': 'examples/playground',
  'bench/README.md': 'examples/bench',
  'CHANGELOG.md': 'examples/changes',
  'CONTRIBUTING.md': 'examples/contributing',
};

/** Where a link of the document `from` (a path in the repository) leads on the site. */
export function siteTarget(from: string, href: string): string | undefined {
  if (/^(?:[a-z]+:|#|\/)/.test(href)) return href;
  const [path = '', hash] = href.split('#');
  const file = posix.normalize(posix.join(posix.dirname(from), path));
  const page =
    outside[file] ?? (/^docs\/.*\.(?:md|svg)$/.test(file) ? file.slice('docs/'.length) : undefined);
  return page && `/${page}${hash === undefined ? '' : `#${hash}`}`;
}

/** Markdown of `from` with its links as the site has them, for pages that are made of documents elsewhere. */
export function withSiteLinks(from: string, text: string): string {
  return text.replace(/(!?)\[([^\]]*)\]\(([^)\s]+)\)/g, (_, image: string, label: string, href: string) => {
    if (image && !/^[a-z]+:/.test(href)) return `![${label}](${join(root, posix.dirname(from), href)})`;
    const target = siteTarget(from, href);
    return target === undefined ? label : `${image}[${label}](${target})`;
  });
}
