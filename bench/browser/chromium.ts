/** Chromium without a window, with a page for each contestant, which are asked one at a time. All have one process for WebGPU. */
import { createReadStream, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { Request } from '../job.ts';
import type { Contender } from '../measure.ts';
import { bundlePage } from './bundle.ts';
import { graphicsProcess, processorSeconds } from './processor.ts';

const args = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--no-first-run',
];

const types: Readonly<Record<string, string>> = {
  html: 'text/html',
  js: 'text/javascript',
  mjs: 'text/javascript',
  wasm: 'application/wasm',
};

const runtime = fileURLToPath(new URL('../node_modules/onnxruntime-web/dist', import.meta.url));

function serve(folder: string): Promise<Server> {
  const server = createServer(({ url = '' }, response) => {
    const path = join(url.startsWith('/ort/') ? runtime : folder, basename(url.split('?')[0]!));
    if (!existsSync(path) || !statSync(path).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': types[path.slice(path.lastIndexOf('.') + 1)] ?? 'text/plain' });
    createReadStream(path).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

/** Arrays that crossed as plain ones. */
const revived = (key: string, value: unknown) =>
  key === 'result' ? Float32Array.from(value as number[]) : value;

export class Chromium {
  readonly #browser: Browser;
  readonly #server: Server;
  readonly #folder: string;
  readonly #limit: number;

  private constructor(browser: Browser, server: Server, folder: string, limit: number) {
    this.#browser = browser;
    this.#server = server;
    this.#folder = folder;
    this.#limit = limit;
  }

  /** @param limit seconds that one answer may take */
  static async start(limit: number): Promise<Chromium> {
    const folder = mkdtempSync(join(tmpdir(), 'zooc-bench-'));
    await bundlePage(folder);
    writeFileSync(join(folder, 'index.html'), '<!doctype html><script type="module" src="page.js"></script>');
    const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
    const browser = await chromium.launch({ executablePath, args });
    return new Chromium(browser, await serve(folder), folder, limit);
  }

  get versions(): Record<string, string> {
    return { chromium: this.#browser.version() };
  }

  contender(): Contender {
    const url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/index.html`;
    return new PageContender(this.#open(url), this.#limit);
  }

  async #open(url: string): Promise<Page> {
    const page = await this.#browser.newPage();
    page.setDefaultTimeout(this.#limit * 1000);
    await page.goto(url);
    await page.waitForFunction(() => 'ask' in globalThis);
    return page;
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

class PageContender implements Contender {
  readonly #page: Promise<Page>;
  readonly #limit: number;

  constructor(page: Promise<Page>, limit: number) {
    this.#page = page;
    this.#limit = limit;
  }

  async ask<T>(request: Request): Promise<T> {
    const page = await this.#page;
    const before = request.kind === 'run' ? processorSeconds(graphicsProcess()) : undefined;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const say = () => reject(new Error(`did not finish within ${this.#limit} s`));
      timer = setTimeout(say, this.#limit * 1000);
    });
    const asked = page.evaluate(
      (r) => (globalThis as unknown as { ask(r: Request): Promise<string> }).ask(r),
      request,
    );
    try {
      const answer = JSON.parse(await Promise.race([asked, late]), revived) as T;
      if (before === undefined) return answer;
      return { ...answer, processorSeconds: processorSeconds(graphicsProcess())! - before };
    } catch (error) {
      this.end();
      throw new Error((error as Error).message.split('\n')[0]);
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    void this.#page.then((page) => page.close());
  }
}
