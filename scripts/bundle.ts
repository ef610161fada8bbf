/**
 * The library for browsers: two entries in one bundle with a common part, everything that they need inside, so that a page can
 * load them without a bundler of its own. Node's modules do not resolve there, so one that is reached ends the build. And what
 * the package has for Node, whose own packages stay outside.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildResult, build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The module `zooc:lib`: the bundled packages as texts, and the version. */
export function libTexts(): string {
  const folder = join(root, 'zoo', 'lib');
  const names = readdirSync(folder).filter((name) => name.endsWith('.zoo'));
  const texts = names.sort().map((name) => [name.slice(0, -4), readFileSync(join(folder, name), 'utf8')]);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return `export const texts = ${JSON.stringify(Object.fromEntries(texts))};
export const version = ${JSON.stringify(version)};`;
}

const lib: Plugin = {
  name: 'zooc-lib',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^zooc:lib$/ }, ({ path }) => ({ path, namespace: 'zooc' }));
    onLoad({ filter: /.*/, namespace: 'zooc' }, () => ({ contents: libTexts() }));
  },
};

/** `zooc/plan` and `zooc`, by the name of their file in the package. */
export const entries = { zooc: 'zoo/api/browser.ts', plan: 'zoo/api/plan-browser.ts' } as const;

/** @param outdir where files are written; without it they are in the result */
export function bundleBrowser(
  outdir?: string,
  names: readonly (keyof typeof entries)[] = ['zooc', 'plan'],
): Promise<BuildResult<{ write: boolean; metafile: true }>> {
  return build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(names.map((name) => [name, entries[name]])),
    outdir: outdir ?? 'dist/browser',
    write: outdir !== undefined,
    bundle: true,
    // What both need, and what is loaded when it is asked for, are files of their own.
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    minify: true,
    metafile: true,
    logLevel: 'silent',
    plugins: [lib],
  });
}

/** What Node starts or imports; all else is in parts that these share, or that a verb loads when it is called. */
const nodeEntries = [
  'zoo/cli/main.ts',
  'zoo/api/node.ts',
  'zoo/api/plan-node.ts',
  'runtime/data/pictures/decode-worker.ts',
  'runtime/data/pictures/formats/svg-renderer.ts',
];

/**
 * Programs and library for Node. Packages that a user installs stay outside; those of `devDependencies` are taken in: the parser's
 * toolkit is some hundred files, whose loading took longer than all that is ours. Names are shortened, as in the library for
 * browsers: kept ones would take 41 kB of a package that is to stay below a megabyte.
 */
export function bundleNode(
  outdir: string,
  entryPoints: readonly string[] = nodeEntries,
): Promise<BuildResult<{ metafile: true }>> {
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return build({
    absWorkingDir: root,
    entryPoints: [...entryPoints],
    outdir,
    outbase: '.',
    chunkNames: 'parts/[name]-[hash]',
    bundle: true,
    splitting: true,
    external: Object.keys({ ...dependencies, ...optionalDependencies }),
    format: 'esm',
    platform: 'node',
    target: 'es2023',
    minify: true,
    metafile: true,
    logLevel: 'warning',
  });
}

/** Licences of the packages that are taken in, which have to go along; packages of one text stand above it. */
export function licensesOf(inputs: readonly string[]): string {
  const folders = inputs.flatMap((path) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []);
  const texts = new Map<string, string[]>();
  for (const folder of [...new Set(folders)].sort()) {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? '' : readFileSync(join(root, folder, file), 'utf8').trim();
    texts.set(text, [...(texts.get(text) ?? []), `${name} ${version}: ${license}`]);
  }
  return [...texts].map(([text, names]) => `${names.join('\n')}\n\n${text}\n`).join('\n');
}
