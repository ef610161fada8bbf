/** What the site's markdown does beyond VitePress's. */
import { relative, sep } from 'node:path';
import type { MarkdownRenderer } from 'vitepress';
import { root, siteTarget } from './links.ts';

/** Links of the pages in `docs/`, and the name of a block's file above it. */
export function siteMarkdown(md: MarkdownRenderer): void {
  md.core.ruler.push('site-links', ({ tokens, env }) => {
    const from = relative(root, env.realPath ?? env.path)
      .split(sep)
      .join('/');
    for (const { children } of tokens) {
      let closing = 0;
      for (const token of children ?? []) {
        if (token.type === 'link_open') {
          const target = siteTarget(from, token.attrGet('href') ?? '');
          if (target === undefined) {
            token.type = 'text';
            closing++;
          } else token.attrSet('href', target);
        } else if (token.type === 'link_close' && closing > 0) {
          token.type = 'text';
          closing--;
        }
      }
    }
  });
  const { fence } = md.renderer.rules;
  md.renderer.rules.fence = (tokens, index, ...rest) => {
    const name = /\bfile=(\S+)/.exec(tokens[index]!.info)?.[1];
    const block = fence!(tokens, index, ...rest);
    return name === undefined ? block : `<div class="file-name">${name}</div>${block}`;
  };
}
