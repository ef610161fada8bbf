/** Runs an example in a folder of its own, within this process: one at a time, for folder and streams belong to it. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runCli } from '../../zoo/cli/main.ts';
import type { Example, Files } from './types.ts';

export interface Said {
  readonly code: number;
  /** Of diagnostics, each once. */
  readonly codes: readonly string[];
  readonly stderr: string;
}
export interface Ran {
  readonly wrong: Said;
  readonly mended: Said;
}

async function write(folder: string, files: Files): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), typeof content === 'string' ? content : await content());
  }
}

/** What a call says on stderr; its results go nowhere. */
async function call(
  args: readonly string[],
  files: Files,
  env: Readonly<Record<string, string>> = {},
): Promise<Said> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'zooc-errors-')));
  await write(folder, files);
  const before = { cwd: process.cwd(), exitCode: process.exitCode, env: { ...process.env } };
  const { stdout, stderr } = process;
  const writes = { stdout: stdout.write, stderr: stderr.write };
  let said = '';
  stdout.write = () => true;
  stderr.write = (text: string | Uint8Array) => {
    said += typeof text === 'string' ? text : Buffer.from(text).toString();
    return true;
  };
  Object.assign(process.env, { NO_COLOR: '1', ZOOC_DEBUG: '', ...env });
  process.exitCode = 0;
  process.chdir(folder);
  try {
    await runCli([process.execPath, 'zooc', ...args]);
    const codes = [...said.matchAll(/^(?:error|warning)\[(Z\d{3})\]/gm)].map(([, code]) => code!);
    const places = said.replaceAll(`${folder}/`, '').replaceAll(folder, '.');
    return { code: Number(process.exitCode), codes: [...new Set(codes)], stderr: places.trim() };
  } finally {
    process.chdir(before.cwd);
    process.exitCode = before.exitCode;
    for (const name of ['NO_COLOR', 'ZOOC_DEBUG', ...Object.keys(env)])
      if (before.env[name] === undefined) delete process.env[name];
      else process.env[name] = before.env[name];
    Object.assign(stdout, { write: writes.stdout });
    Object.assign(stderr, { write: writes.stderr });
    rmSync(folder, { recursive: true });
  }
}

/** Undefined for what is told in words. */
export async function runExample(example: Example): Promise<Ran | undefined> {
  if ('told' in example) return undefined;
  const { files = {} } = example;
  if ('wrong' in example) {
    const check = (text: string) => call(['check', 'main.zoo'], { ...files, 'main.zoo': text });
    return { wrong: await check(example.wrong), mended: await check(example.mended) };
  }
  const { call: wrong, mendedCall = wrong, mendedFiles = {}, env } = example;
  return {
    wrong: await call(wrong.split(' '), files, env),
    mended: await call(mendedCall.split(' '), { ...files, ...mendedFiles }, env),
  };
}
