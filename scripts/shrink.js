/**
 * Makes a build small enough to be installed without a thought: sources without comments, and of the declarations those that
 * the library's types lead to.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { transformSync } from 'esbuild';

const files = readdirSync('dist', { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => resolve(entry.parentPath, entry.name));

for (const file of files.filter((name) => name.endsWith('.js'))) {
  const { code } = transformSync(readFileSync(file, 'utf8'), { legalComments: 'inline', target: 'es2023' });
  writeFileSync(file, code);
}

/** Declarations that a file imports, itself included. */
function reach(file, seen) {
  if (seen.has(file)) return;
  seen.add(file);
  for (const [, spec] of readFileSync(file, 'utf8').matchAll(/(?:from |import\()["'](\.[^"']+)["']/g)) {
    const target = resolve(dirname(file), spec.replace(/\.[jt]s$/, '.d.ts'));
    if (existsSync(target)) reach(target, seen);
  }
}

const kept = new Set();
reach(resolve(join('dist', 'zoo', 'api', 'node.d.ts')), kept);
for (const file of files) if (file.endsWith('.d.ts') && !kept.has(file)) rmSync(file);
