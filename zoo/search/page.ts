/** Results of a search as one file that needs nothing else: thumbnails, captions, scores. */
import { Html, html } from '../../runtime/report/html.ts';
import type { Found, Hit } from './hits.ts';

export interface Query {
  readonly kind: 'text' | 'image';
  /** The text, or the path. */
  readonly value: string;
  /** Thumbnail of a picture. */
  readonly picture?: string | undefined;
}

const style = new Html(`
  :root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }
  body { margin: 2rem auto; max-width: 80rem; padding: 0 1rem }
  .hits { display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: 1rem }
  figure { margin: 0 }
  img, .none { width: 100%; aspect-ratio: 1; border-radius: 4px; background: #8883; display: block }
  h2 img { width: 6rem; display: inline-block; vertical-align: middle }
  figcaption { overflow-wrap: anywhere }
  small { opacity: .7; display: block }
`);

/** A link where the address is one of the web: what data sets say is not to be trusted. */
function link({ fields, key }: Hit): Html {
  const { url } = fields;
  return typeof url === 'string' && /^https?:\/\//i.test(url)
    ? html`<a href="${url}" rel="noreferrer">${key}</a>`
    : html`${key}`;
}

function figure(hit: Hit, picture: string | undefined): Html {
  const image = picture === undefined ? html`<div class="none"></div>` : html`<img src="${picture}" alt="">`;
  return html`<figure>${image}<figcaption>${hit.caption ?? ''}
<small>${hit.score.toFixed(4)} · ${hit.shard} · ${link(hit)}</small></figcaption></figure>
`;
}

function heading({ kind, value, picture }: Query): Html {
  if (kind === 'text') return html`<h2>“${value}”</h2>`;
  return html`<h2>${picture === undefined ? '' : html`<img src="${picture}" alt=""> `}${value}</h2>`;
}

/** @param about what was searched, in a line */
export function searchPage(about: string, queries: readonly Query[], { hits, picture }: Found): string {
  const sections = queries.map(
    (query, q) => html`<section>${heading(query)}
<div class="hits">
${hits[q]!.map((hit) => figure(hit, picture(hit)))}</div></section>
`,
  );
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>zooc search</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>${style}</style></head>
<body><p>${about}</p>
${sections}</body></html>
`.text;
}
