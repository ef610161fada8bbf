/**
 * Builds what the package holds, into an empty `dist`: its programs and libraries for Node and browsers, the files that they
 * read, and declarations as far as the library's types lead: the package is to be small enough to be installed without a thought.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { licensesOf } from './bundle.ts';
import { writePrograms } from './programs.ts';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
rmSync('dist', { recursive: true, force: true });
execFileSync(
  process.execPath,
  ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--emitDeclarationOnly'],
  {
    stdio: 'inherit',
  },
);

const files = readdirSync('dist', { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => resolve(entry.parentPath, entry.name));

/** Adds a declaration and those that it imports. */
function reach(file: string, seen: Set<string>): void {
  if (seen.has(file)) return;
  seen.add(file);
  for (const [, spec] of readFileSync(file, 'utf8').matchAll(/(?:from |import\()["'](\.[^"']+)["']/g)) {
    const target = resolve(dirname(file), spec!.replace(/\.[jt]s$/, '.d.ts'));
    if (existsSync(target)) reach(target, seen);
  }
}

const declared = new Set<string>();
for (const entry of ['node', 'plan-node']) reach(resolve('dist', 'zoo', 'api', `${entry}.d.ts`), declared);
for (const file of files) if (file.endsWith('.d.ts') && !declared.has(file)) rmSync(file);
writeFileSync('dist/licenses.txt', licensesOf(await writePrograms('dist')));
