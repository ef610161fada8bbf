/** A folder in which a page's commands run as in a checkout, with the command line built once. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleBrowser, bundleNode } from '../../scripts/bundle.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Not what a checkout begins with. */
const made = new Set(['.git', 'dist', 'runs', 'shared']);

export class Checkout {
  readonly #folder = mkdtempSync(join(tmpdir(), 'zooc-docs-'));
  readonly #bin = join(this.#folder, 'bin');

  /** Builds the command line and what takes its place on PATH. */
  async build(): Promise<void> {
    const tool = join(this.#folder, 'zooc');
    const dist = join(tool, 'dist');
    await bundleNode(dist);
    await bundleBrowser(join(dist, 'browser'));
    for (const path of ['zoo/lib', 'runtime/report/browser', 'zoo/export/page/browser'])
      cpSync(join(root, path), join(dist, path), { recursive: true });
    cpSync(join(root, 'package.json'), join(tool, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(tool, 'node_modules'));
    mkdirSync(this.#bin);
    const zooc = `exec ${process.execPath} ${join(dist, 'zoo/cli/main.js')} "$@"`;
    this.#script('zooc', zooc);
    // Another way to the same, which begins by compiling the sources.
    this.#script('npm', `[ "$1 $2 $3 $4" = "run --silent zooc --" ] && shift 4 && ${zooc}; exit 127`);
  }

  #script(name: string, text: string): void {
    writeFileSync(join(this.#bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }

  /** A new folder with all that the checkout has, or a copy of another. */
  folder(before?: string): string {
    const folder = mkdtempSync(join(this.#folder, 'page-'));
    if (before !== undefined) cpSync(before, folder, { recursive: true, verbatimSymlinks: true });
    else
      for (const name of readdirSync(root))
        if (!made.has(name)) symlinkSync(join(root, name), join(folder, name));
    return folder;
  }

  /** @returns exit code and both streams as a terminal shows them */
  run(folder: string, commands: string): { readonly code: number | null; readonly printed: string } {
    const { status, stdout } = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', `exec 2>&1\n${commands}`], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${this.#bin}${delimiter}${process.env.PATH}` },
    });
    return { code: status, printed: stdout };
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
