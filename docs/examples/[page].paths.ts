/** Documents that lie beside what they are about, as pages of the site. */
import { readFileSync } from 'node:fs';
import { outside, withSiteLinks } from '../.vitepress/links.ts';

export default {
  watch: Object.keys(outside).map((file) => `../../${file}`),
  paths: () =>
    Object.entries(outside).map(([file, page]) => ({
      params: { page: page.slice('examples/'.length) },
      content: withSiteLinks(file, readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')),
    })),
};
