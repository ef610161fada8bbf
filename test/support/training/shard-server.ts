/** A server of shards for tests, which drops connections, truncates, stalls and refuses as it is told. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Fault {
  /** Ends the connection behind this many bytes of each answer. */
  readonly drop?: number;
  /** Says nothing more behind this many bytes. */
  readonly stall?: number;
  readonly status?: number;
  /** Does not know ranges. */
  readonly whole?: boolean;
  /** Times that it happens; always by default. */
  times?: number;
}

export class ShardServer {
  readonly files = new Map<string, Uint8Array>();
  readonly faults = new Map<string, Fault>();
  /** `GET name range` */
  readonly asked: string[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #faultOf(name: string): Fault {
    const fault = this.faults.get(name);
    if (fault === undefined || fault.times === 0) return {};
    if (fault.times !== undefined) fault.times--;
    return fault;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const name = request.url!.slice(1);
    const { range } = request.headers;
    this.asked.push(range === undefined ? name : `${name} ${range}`);
    const file = this.files.get(name);
    const { drop, stall, status, whole } = this.#faultOf(name);
    if (file === undefined || status !== undefined) {
      response.writeHead(status ?? 404).end();
      return;
    }
    const from = whole === true ? 0 : Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    const part = file.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': part.length, etag: '"1"' });
    if (drop !== undefined && drop < part.length)
      response.write(part.subarray(0, drop), () => setImmediate(() => response.destroy()));
    else if (stall !== undefined && stall < part.length) response.write(part.subarray(0, stall));
    else response.end(part);
  }
}
