/**
 * How the model stage reads files under Node: the file system, npm packages with a `zoo` entry, and the
 * bundled packages, which lie beside this program in `zoo/lib`.
 */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { ModuleHost } from '../compiler/model/types.ts';
import { fail } from '../grammar/diagnostics.ts';
import type { SourceFile } from '../grammar/source.ts';
import { readTextSync, statOf } from '../runtime/data/files/read-fully.ts';
import { ownFile } from '../runtime/node/own-files.ts';

function readText(path: string): string | undefined {
  return statOf(path)?.isFile() === true ? readTextSync(path, 'Z701') : undefined;
}

/**
 * The file that `spec` names when imported from `from`: `./enc.zoo`, or an npm package
 * found as Node finds them.
 */
function resolveImport(spec: string, from: string): string | undefined {
  const folder = dirname(resolve(from));
  if (/^\.{0,2}\//.test(spec)) {
    const path = resolve(folder, spec);
    return existsSync(path) ? reached(path) : undefined;
  }
  for (let at = folder; ; at = dirname(at)) {
    const manifest = join(at, 'node_modules', spec, 'package.json');
    const text = readText(manifest);
    if (text !== undefined) return zooEntry(manifest, text);
    if (dirname(at) === at) return undefined;
  }
}

/** A path, or what it leads to where that is no file of the language: a link must not pass for one. */
function reached(path: string): string {
  const target = realpathSync(path);
  return target.endsWith('.zoo') ? path : target;
}

function zooEntry(manifest: string, text: string): string | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    fail('Z702', `${manifest} is not valid JSON`);
  }
  // By hand: to load zod takes longer than to list all models.
  const zoo = typeof json === 'object' && json !== null && 'zoo' in json ? json.zoo : undefined;
  if (zoo === undefined) return undefined;
  if (typeof zoo !== 'string') fail('Z702', `${manifest}: "zoo" must be the path of a file`);
  const path = join(dirname(manifest), zoo);
  return existsSync(path) ? reached(path) : path;
}

function bundledPaths(): Map<string, string> {
  const paths = new Map<string, string>();
  const folder = ownFile('zoo/lib');
  for (const file of readdirSync(folder).sort()) {
    if (file.endsWith('.zoo')) paths.set(basename(file, '.zoo'), join(folder, file));
  }
  return paths;
}

/** The host of every verb; reads the list of bundled packages once. */
export function nodeHost(): ModuleHost {
  const bundled = bundledPaths();
  return {
    read: readText,
    resolve: resolveImport,
    bundled(name: string): SourceFile | undefined {
      const path = bundled.get(name);
      return path === undefined ? undefined : { path: `zooc:${name}`, text: readFileSync(path, 'utf8') };
    },
    bundledNames: () => [...bundled.keys()],
  };
}

/**
 * The host of a folder that came from elsewhere: nothing but its own files is read, as far as `listed` names them,
 * and the bundled packages.
 */
export function folderHost(folder: string, listed?: ReadonlySet<string>): ModuleHost {
  const inside = (path: string) =>
    dirname(resolve(path)) === resolve(folder) && (listed === undefined || listed.has(basename(path)));
  return {
    ...nodeHost(),
    read: (path) => (inside(path) ? readText(path) : undefined),
    resolve(spec, from) {
      const path = resolve(dirname(resolve(from)), spec);
      return /^\.{0,2}\//.test(spec) && inside(path) && existsSync(path) ? path : undefined;
    },
  };
}
