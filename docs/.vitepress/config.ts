/** The documentation as a site. What `npm run docs` serves and `npm run build:docs` writes loads nothing from elsewhere. */
import { existsSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';
import { siteMarkdown } from './markdown.ts';
import { sidebar } from './sidebar.ts';

const grammar = new URL('../../editor/vscode/syntaxes/zoo.tmLanguage.json', import.meta.url);
/** Without the editor's grammar, programs are shown plain. */
const zoo = existsSync(grammar)
  ? JSON.parse(readFileSync(grammar, 'utf8'))
  : { scopeName: 'source.zoo', patterns: [] };

export default defineConfig({
  title: 'zooc',
  description: 'A language and compiler for CLIP-style encoders on WebGPU',
  lang: 'en',
  cleanUrls: false,
  // Works at any path of any host.
  base: process.env.DOCS_BASE ?? '/',
  lastUpdated: false,
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Tutorial', link: '/tutorial/ten-minutes' },
      { text: 'How-to', link: '/how-to/' },
      { text: 'Reference', link: '/reference/' },
      { text: 'Explanation', link: '/explanation/' },
    ],
    sidebar,
  },
  markdown: {
    // Names such as <weight> are text, no elements.
    html: false,
    // Braces behind code are records and sets.
    attrs: { disable: true },
    languages: [{ ...zoo, name: 'zoo' }],
    config: siteMarkdown,
  },
  vite: { build: { chunkSizeWarningLimit: 1500 } },
});
