/** A page in a real browser with WebGPU, served from a folder of this machine. */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { browser as executablePath } from './reports/browser.ts';

export const unsafeWebGpu = '--enable-unsafe-webgpu';

const fakeCamera = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

/** What Chromium needs to have WebGPU without a GPU and without a window, and to ask nobody anything. */
export const browserFlags = [
  '--no-sandbox',
  unsafeWebGpu,
  '--disable-background-networking',
  '--disable-component-update',
  '--no-first-run',
];

const types: Readonly<Record<string, string>> = {
  html: 'text/html',
  js: 'text/javascript',
  css: 'text/css',
  json: 'application/json',
  svg: 'image/svg+xml',
  png: 'image/png',
  wasm: 'application/wasm',
};

function serve(folder: string): Promise<Server> {
  const server = createServer(({ url = '' }, response) => {
    // Dots do not survive a URL, so no path leaves the folder.
    const path = join(folder, decodeURIComponent(new URL(url, 'http://localhost').pathname));
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

export interface PageOptions {
  readonly width?: number;
  readonly colorScheme?: 'light' | 'dark';
  /** Without it, the browser gives pages no adapter. */
  readonly webgpu?: boolean;
  /** A camera that shows a moving pattern, and is allowed. */
  readonly camera?: boolean;
}

/** Opens a file of a folder, `index.html#part`, say. */
export async function openPage(folder: string, name: string, options: PageOptions = {}): Promise<OpenedPage> {
  const { width = 1280, colorScheme = 'light', webgpu = true, camera = false } = options;
  const server = await serve(folder);
  let browser: Browser | undefined;
  const close = async () => {
    await browser?.close();
    server.close();
  };
  try {
    const args = [
      ...browserFlags.filter((flag) => webgpu || flag !== unsafeWebGpu),
      ...(camera ? fakeCamera : []),
    ];
    browser = await chromium.launch({ executablePath: executablePath!, args });
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
    const page = await context.newPage();
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
