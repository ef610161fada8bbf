/**
 * The playground: `npm run web` serves it, `npm run build:web` makes `web/dist`, a folder for any static host at any address.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';
import { libTexts } from '../scripts/bundle.ts';
import { makeAssets } from './build/assets.ts';
import { contentSecurityPolicy } from './build/security.ts';

const root = fileURLToPath(new URL('.', import.meta.url));

/** `zooc:lib`: the bundled packages as texts. */
const lib: Plugin = {
  name: 'zooc-lib',
  resolveId: (id) => (id === 'zooc:lib' ? '\0zooc:lib' : null),
  load: (id) => (id === '\0zooc:lib' ? libTexts() : null),
};

/** Pictures, merges and the emoji model, made before anything is served or copied. */
const assets: Plugin = { name: 'zooc-assets', buildStart: makeAssets };

/** In what is built; the development server needs inline styles of its own. */
const security: Plugin = {
  name: 'zooc-security',
  apply: 'build',
  transformIndexHtml: () => [
    {
      tag: 'meta',
      attrs: { 'http-equiv': 'Content-Security-Policy', content: contentSecurityPolicy },
      injectTo: 'head-prepend',
    },
  ],
};

export default defineConfig({
  root,
  base: './',
  publicDir: 'public',
  plugins: [lib, assets, security],
  worker: { format: 'es', plugins: () => [lib] },
  server: { fs: { allow: ['..'] } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2023',
    // Files of their own: the policy allows no data in scripts and styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Of what is in the bundles.
    license: { fileName: 'licences.md' },
  },
});
