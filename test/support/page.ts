/** A page in a real browser with WebGPU, served from a folder of this machine. */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { browser as executablePath } from './reports/browser.ts';

/** What Chromium needs to have WebGPU without a GPU and without a window, and to ask nobody anything. */
const args = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--no-first-run',
];

const types: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', css: 'text/css' };

function serve(folder: string): Promise<Server> {
  const server = createServer(({ url = '' }, response) => {
    const path = join(folder, basename(url));
    if (!existsSync(path) || !statSync(path).isFile()) {
      response.writeHead(404).end();
      return;
    }
    const type = types[path.slice(path.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type });
    createReadStream(path).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

export interface OpenedPage {
  readonly page: Page;
  /** Lines of the console and errors that nobody caught. */
  readonly console: readonly string[];
  close(): Promise<void>;
}

/** Opens a file of a folder. */
export async function openPage(folder: string, name: string): Promise<OpenedPage> {
  const server = await serve(folder);
  let browser: Browser | undefined;
  const close = async () => {
    await browser?.close();
    server.close();
  };
  try {
    browser = await chromium.launch({ executablePath: executablePath!, args });
    const page = await browser.newPage();
    const lines: string[] = [];
    page.on('console', (message) => lines.push(message.text()));
    page.on('pageerror', (error) => lines.push(String(error)));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`);
    return { page, console: lines, close };
  } catch (error) {
    await close();
    throw error;
  }
}
