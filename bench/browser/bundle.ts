/**
 * The contestants for a page: what is Node's in the modules around them is replaced by what a page has, and what no page
 * calls is left empty.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const at = (path: string) => JSON.stringify(join(root, path));

const lib = () => {
  const folder = join(root, 'zoo', 'lib');
  const names = readdirSync(folder).filter((name) => name.endsWith('.zoo'));
  const texts = names.map((name) => [name.slice(0, -4), readFileSync(join(folder, name), 'utf8')]);
  return `export const texts = ${JSON.stringify(Object.fromEntries(texts))};`;
};

/** Texts of modules by the end of the path that is imported. */
const replaced: readonly (readonly [path: RegExp, contents: () => string])[] = [
  [/^zooc:lib$/, lib],
  [/\/zoo\/host\.ts$/, () => `export { pageHost as nodeHost } from ${at('zoo/api/browser/host.ts')};`],
  [/\/run\/entry\.ts$/, () => `export * from ${at('zoo/run/compiled.ts')};`],
  [/\/weights\/weights\.ts$/, () => 'export const openWeights = undefined;'],
  [
    /\/runtime\/node\/gpu\.ts$/,
    () => `export { openPageDevice as openGpu } from ${at('zoo/api/browser/device.ts')};`,
  ],
  [
    /^onnxruntime-node$/,
    () => `import { env } from 'onnxruntime-web/webgpu';
env.wasm.wasmPaths = new URL('./ort/', location.href).href;
env.wasm.numThreads = 1;
export * from 'onnxruntime-web/webgpu';`,
  ],
  // For Node of old versions; Chromium has what they bring.
  [/^core-js\//, () => ''],
];

const page: Plugin = {
  name: 'page',
  setup({ onResolve, onLoad }) {
    for (const [i, [filter, contents]] of replaced.entries()) {
      onResolve({ filter }, () => ({ path: `${i}`, namespace: 'replaced' }));
      onLoad({ filter: new RegExp(`^${i}$`), namespace: 'replaced' }, () => ({
        contents: contents(),
        resolveDir: join(root, 'bench'),
      }));
    }
    const unused = new RegExp(`^(node:.*|${builtinModules.join('|')}|sharp|webgpu|koffi)$`);
    onResolve({ filter: unused }, ({ path }) => ({ path, namespace: 'unused' }));
    onLoad({ filter: /.*/, namespace: 'unused' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** Writes `page.js` and what it loads. */
export async function bundlePage(outdir: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: { page: 'bench/browser/page.ts' },
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    define: { 'process.env': '{}' },
    logLevel: 'error',
    plugins: [page],
  });
}
