/**
 * How the model stage reads files under Node: the file system, npm packages with a `zoo` entry, and the
 * bundled packages, which lie beside this program in `zoo/lib`.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { ModuleHost } from '../compiler/model/types.ts';
import { fail } from '../grammar/diagnostics.ts';
import type { SourceFile } from '../grammar/source.ts';
import { readTextSync } from '../runtime/data/files/read-fully.ts';

const zooFolder = dirname(fileURLToPath(import.meta.url));
const packageSchema = z.object({ zoo: z.string().optional() });

function readText(path: string): string | undefined {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
    ? readTextSync(path, 'Z701')
    : undefined;
}

/**
 * The file that `spec` names when imported from `from`: `./enc.zoo`, or an npm package
 * found as Node finds them.
 */
function resolveImport(spec: string, from: string): string | undefined {
  const folder = dirname(resolve(from));
  if (/^\.{0,2}\//.test(spec)) {
    const path = resolve(folder, spec);
    return existsSync(path) ? path : undefined;
  }
  for (let at = folder; ; at = dirname(at)) {
    const manifest = join(at, 'node_modules', spec, 'package.json');
    const text = readText(manifest);
    if (text !== undefined) return zooEntry(manifest, text);
    if (dirname(at) === at) return undefined;
  }
}

function zooEntry(manifest: string, text: string): string | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    fail('Z702', `${manifest} is not valid JSON`);
  }
  const parsed = packageSchema.safeParse(json);
  if (!parsed.success) fail('Z702', `${manifest}: ${z.prettifyError(parsed.error)}`);
  return parsed.data.zoo === undefined ? undefined : join(dirname(manifest), parsed.data.zoo);
}

function bundledPaths(): Map<string, string> {
  const paths = new Map<string, string>();
  const folder = join(zooFolder, 'lib');
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
