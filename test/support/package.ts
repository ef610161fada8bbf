/** The package as strangers get it: packed, unpacked into a folder's `node_modules`, its dependencies beside it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const modules = join(root, 'node_modules');

export interface InstalledPackage {
  /** Has `node_modules/zooc`. */
  readonly folder: string;
  /** Of the tarball. */
  readonly bytes: number;
  remove(): void;
}

/** @param without packages that were left out of the installation */
export function installPackage(without: readonly string[] = []): InstalledPackage {
  const folder = mkdtempSync(join(tmpdir(), 'zooc-package-'));
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root, stdio: 'pipe' });
  const tarball = join(folder, readdirSync(folder)[0]!);
  const { size } = statSync(tarball);
  execFileSync('tar', ['-xf', tarball, '-C', folder]);
  mkdirSync(join(folder, 'node_modules'));
  renameSync(join(folder, 'package'), join(folder, 'node_modules', 'zooc'));
  for (const name of readdirSync(modules))
    if (!name.startsWith('.') && !without.includes(name))
      symlinkSync(join(modules, name), join(folder, 'node_modules', name));
  return { folder, bytes: size, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Installs a package that was left out. */
export function link({ folder }: InstalledPackage, name: string): void {
  symlinkSync(join(modules, name), join(folder, 'node_modules', name));
}

/** Compiles the TypeScript of a folder by its own settings, as its owner would. */
export function compileFolder(folder: string): void {
  const tsc = join(modules, 'typescript', 'bin', 'tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stdout);
}
