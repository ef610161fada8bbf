/**
 * Requests to a hub: through the proxies that the environment names, redirects followed by hand, so that the token
 * reaches the hub alone and never the servers that files are fetched from.
 */
import { type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { z } from 'zod';
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import { parseJson } from '../../runtime/data/files/json.ts';
import { version } from '../version.ts';
import { endpointOf } from './endpoint.ts';
import { hubToken } from './token.ts';

export interface HubTiming {
  /** Milliseconds before the first retry; each further one waits four times as long. */
  readonly backOff: number;
  /** Milliseconds without a byte after which a connection counts as lost. */
  readonly silence: number;
}

const hubTiming: HubTiming = { backOff: 1000, silence: 60_000 };

const mostRedirects = 5;
const mostJson = 32 * 2 ** 20;
export const retries = 3;
/** Answers that another try may change. */
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);
const redirects = new Set([301, 302, 303, 307, 308]);

/** What a connection is lost by: another try may do. */
export class Lost extends Error {}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array> & { dump(): Promise<void>; destroy(): unknown };
  /** Headers of the hub itself, before redirects. */
  readonly first: Readonly<Record<string, string>>;
}

export interface Asked {
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Dispatcher.DispatchOptions['body'];
}

function plain(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

/** Why a request failed, in one line: Node's reason where it has several addresses, one each. */
export function reasonOfRequest(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOfRequest(error.errors[0]);
  const { message, code, cause } = error as NodeJS.ErrnoException;
  if (message === '' && code !== undefined) return code;
  return cause instanceof Error && message === 'fetch failed' ? reasonOfRequest(cause) : message;
}

function isLocal({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname);
}

export class HubConnection {
  readonly endpoint: URL;
  readonly timing: HubTiming;
  readonly #token: string | undefined;
  readonly #agent: EnvHttpProxyAgent;

  constructor(env: NodeJS.ProcessEnv = process.env, timing = hubTiming) {
    this.endpoint = endpointOf(env);
    this.timing = timing;
    this.#token = hubToken(env);
    this.#agent = new EnvHttpProxyAgent({ headersTimeout: timing.silence, bodyTimeout: timing.silence });
  }

  get hasToken(): boolean {
    return this.#token !== undefined;
  }

  /** An address of the hub. */
  address(path: string): URL {
    return new URL(`${this.endpoint.href.replace(/\/$/, '')}${path}`);
  }

  /** A token is a password: it does not travel in the clear. */
  #authorization(url: URL): Record<string, string> {
    const safe = url.protocol === 'https:' || isLocal(url);
    if (this.#token === undefined || url.origin !== this.endpoint.origin || !safe) return {};
    return { authorization: `Bearer ${this.#token}` };
  }

  /**
   * The answer behind all redirects, whatever its status is.
   * @throws Lost where there is none, DiagnosticError Z481 for a redirect that is not followed
   */
  async ask(address: URL, { method = 'GET', headers = {}, body = null }: Asked = {}): Promise<Answer> {
    let url = address;
    let first: Record<string, string> | undefined;
    for (let hops = 0; hops <= mostRedirects; hops++) {
      let response: Dispatcher.ResponseData;
      try {
        response = await request(url, {
          dispatcher: this.#agent,
          method,
          body,
          headers: {
            'user-agent': `zooc/${version}`,
            'accept-encoding': 'identity',
            ...headers,
            ...this.#authorization(url),
          },
        });
      } catch (error) {
        throw new Lost(`${url.host}: ${reasonOfRequest(error)}`);
      }
      // Whoever reads it learns of it; whoever does not has ended it.
      response.body.on('error', () => {});
      const found = plain(response.headers);
      first ??= found;
      if (!redirects.has(response.statusCode) || found.location === undefined)
        return { status: response.statusCode, headers: found, body: response.body, first };
      await response.body.dump();
      if (!URL.canParse(found.location, url.href)) fail('Z481', `${url.host} redirects to no address`);
      const next = new URL(found.location, url.href);
      if (next.protocol !== url.protocol && next.protocol !== 'https:')
        fail('Z481', `${url.host} redirects to ${next.protocol}, which is not followed`);
      // What is sent, and with which rights, is meant for the hub.
      if (method !== 'GET' && next.origin !== url.origin)
        fail('Z481', `${url.host} redirects what is sent to it to ${next.host}, which is not followed`);
      url = next;
    }
    fail('Z481', `${address.host} redirects more than ${mostRedirects} times`);
  }

  /**
   * The same until it is no passing failure.
   * @throws DiagnosticError Z481 where it stays one
   */
  async patiently(address: URL, asked?: Asked): Promise<Answer> {
    for (let tries = 0; ; tries++) {
      let reason: string;
      try {
        const answer = await this.ask(address, asked);
        if (!passing.has(answer.status)) return answer;
        await answer.body.dump();
        reason = `${address.host} answers ${answer.status}`;
      } catch (error) {
        if (!(error instanceof Lost)) throw error;
        reason = error.message;
      }
      if (tries === retries) fail('Z481', `${reason}, after ${retries} more tries`);
      await this.pause(tries);
    }
  }

  pause(tries: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.timing.backOff * 4 ** tries));
  }

  /**
   * A JSON answer in the form that is expected.
   * @throws DiagnosticError Z481 for any other
   */
  async json<T>(address: URL, schema: z.ZodType<T>, answer: Answer): Promise<T> {
    const parsed = schema.safeParse(parseJson(await textOf(address, answer)));
    if (parsed.success) return parsed.data;
    fail('Z481', `${address.href} answers in another form than a hub: ${z.prettifyError(parsed.error)}`);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

/** @throws DiagnosticError Z481 for a long one, or one that is cut */
async function textOf(address: URL, { body }: Answer): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.byteLength;
      if (bytes > mostJson) fail('Z481', `${address.href} answers with more than ${mostJson} bytes`);
      parts.push(chunk);
    }
  } catch (error) {
    if (error instanceof DiagnosticError) throw error;
    fail('Z481', `${address.host}: ${reasonOfRequest(error)}`);
  }
  return Buffer.concat(parts).toString('utf8');
}

export function isPassing(status: number): boolean {
  return passing.has(status);
}
