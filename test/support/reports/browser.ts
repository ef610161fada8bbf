/** Pages in a real browser without a window: what their document is once their scripts have run. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { skipFor } from '../needs.ts';

/** Path of Chromium, by its usual names. */
function findBrowser(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  return names
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => existsSync(path));
}

export const browser = findBrowser() ?? skipFor('Chromium is not installed (Debian: chromium)');

export interface Loaded {
  /** The document as markup. */
  readonly document: string;
  /** Lines of the console: errors, and what was refused. */
  readonly console: readonly string[];
}

/** Loads a file and gives its scripts some seconds of a clock that runs as fast as it can. */
export async function load(path: string, width = 1200): Promise<Loaded> {
  const profile = mkdtempSync(join(tmpdir(), 'zooc-chromium-'));
  try {
    const child = spawn(browser!, [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--no-first-run',
      `--user-data-dir=${profile}`,
      `--window-size=${width},900`,
      '--virtual-time-budget=4000',
      '--enable-logging=stderr',
      '--dump-dom',
      pathToFileURL(path).href,
    ]);
    const read = async (stream: NodeJS.ReadableStream): Promise<string> => {
      let text = '';
      stream.setEncoding('utf8');
      for await (const part of stream) text += part;
      return text;
    };
    const [document, log] = await Promise.all([read(child.stdout), read(child.stderr)]);
    return { document, console: log.split('\n').filter((line) => line.includes(':CONSOLE')) };
  } finally {
    // A child of the browser may still write into it.
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
