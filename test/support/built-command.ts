/**
 * The command line as it is installed, built once for a run of the tests: from its sources a process takes seconds of the processor
 * more to start, and there are hundreds of them.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { commandFile, writePrograms } from '../../scripts/programs.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Path of the command line's main file. */
    command: string;
  }
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Builds the command line into a folder; resolves with the path of its main file. */
export async function buildCommand(folder: string): Promise<string> {
  const dist = join(folder, 'dist');
  mkdirSync(dist, { recursive: true });
  await writePrograms(dist);
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return join(dist, commandFile);
}

export default async function setup(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'zooc-command-'));
  project.provide('command', await buildCommand(folder));
  return () => rmSync(folder, { recursive: true, force: true });
}
