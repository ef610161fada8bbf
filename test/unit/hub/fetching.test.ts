/** What a hub, or the way to it, may do wrong: cut connections, other bytes, other names, refusals; and what a pull then does. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { type PullOptions, pull, pullPublished } from '../../../zoo/hub/pull.ts';
import { HubServer } from '../../support/hub/hub-server.ts';

const hub = new HubServer();
const weights = randomBytes(300_000);
let cache = '';
let commit = '';

beforeAll(() => hub.start());
afterAll(() => hub.stop());
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'zooc-hub-'));
  vi.stubEnv('ZOOC_CACHE', cache);
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', '');
  vi.stubEnv('HF_TOKEN_PATH', join(cache, 'no-token'));
  hub.asked.length = 0;
  hub.leaked.length = 0;
  hub.faults.clear();
  hub.listed = {};
  hub.token = undefined;
  commit = hub.commit('a/b', { 'model.safetensors': weights, 'config.json': '{"hidden_size": 8}' });
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true });
});

const get = (spec = 'hf:a/b', options: PullOptions = {}) =>
  pull(spec, { refresh: true, timing: { backOff: 1, silence: 5000 }, ...options });

async function refusal(spec = 'hf:a/b'): Promise<string> {
  const error = await get(spec).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DiagnosticError)) throw error ?? new Error('it was not refused');
  const [{ code, message, help }] = error.diagnostics as [DiagnosticError['diagnostics'][0]];
  return `${code} ${message}${help === undefined ? '' : `; ${help}`}`;
}

const paths = () => readdirSync(cache, { recursive: true, encoding: 'utf8' });
const partials = () => paths().filter((path) => /partial\/./.test(path));
const ranges = () => hub.asked.filter((line) => line.includes('bytes=') && line.includes(`/a/b/${commit}`));
const weightsOf = ({ path }: { path: string }) => readFileSync(join(path, 'model.safetensors'));

describe('a connection that ends early', () => {
  it('is taken up again at the next byte', async () => {
    hub.faults.set('model.safetensors', { drop: 100_000, times: 1 });
    expect(weightsOf(await get()).equals(weights)).toBe(true);
    expect(ranges()).toEqual([expect.stringMatching(/ bytes=100000-$/)]);
  });

  it('again and again ends the pull; what came is kept, and the next one goes on there', async () => {
    hub.faults.set('model.safetensors', { drop: 50_000 });
    expect(await refusal()).toMatch(
      /^Z481 a\/b: model\.safetensors: .+, after 3 more tries; what came is kept$/,
    );
    expect(partials()).toHaveLength(1);
    expect(existsSync(join(cache, 'hub'))).toBe(true);
    hub.faults.clear();
    hub.asked.length = 0;
    const pulled = await get();
    expect(weightsOf(pulled).equals(weights)).toBe(true);
    expect(ranges()).toEqual([expect.stringMatching(/ bytes=200000-$/)]);
    expect(pulled.fetched).toBe(100_000 + '{"hidden_size": 8}'.length);
    expect(partials()).toEqual([]);
  });

  it('to a server without ranges begins anew', async () => {
    hub.faults.set('model.safetensors', { drop: 50_000 });
    await refusal();
    hub.faults.set('model.safetensors', { whole: true });
    expect(weightsOf(await get()).equals(weights)).toBe(true);
  });

  it('as a busy server does is tried again', async () => {
    hub.faults.set('info', { status: 503, times: 2 });
    hub.faults.set('config.json', { status: 429, times: 1 });
    expect(weightsOf(await get()).equals(weights)).toBe(true);
    hub.faults.set('info', { status: 503 });
    expect(await refusal()).toMatch(/^Z481 127\.0\.0\.1:\d+ answers 503, after 3 more tries$/);
  });
});

describe('other bytes than were announced', () => {
  it.each([
    ['large files', 'model.safetensors', Buffer.from(weights).fill(0, 1000, 1001)],
    ['small files', 'config.json', Buffer.from('{"hidden_size": 9}')],
  ])('are refused, and nothing of them stays: %s', async (_, file, content) => {
    hub.faults.set(file, { content });
    expect(await refusal()).toMatch(/^Z482 a\/b: .+ is not what was announced: its digest differs$/);
    expect(partials()).toEqual([]);
    expect(paths().filter((path) => path.endsWith(`${commit}.json`))).toEqual([]);
    await expect(pull('hf:a/b', { offline: true })).rejects.toThrow(/Z483|offline/);
    hub.faults.clear();
    expect(weightsOf(await get()).equals(weights)).toBe(true);
  });

  it('are refused as soon as they are too many', async () => {
    hub.faults.set('model.safetensors', { content: Buffer.concat([weights, weights]) });
    expect(await refusal()).toMatch(/^Z482 .* sends more than 300000 bytes$/);
    expect(partials()).toEqual([]);
  });

  it('are refused where the listing and the file disagree, or the commit is another one', async () => {
    const sibling = (more: object) => ({ rfilename: 'model.safetensors', size: 300_000, ...more });
    hub.listed = { siblings: [sibling({ lfs: { sha256: 'a'.repeat(64), size: 300_000 } })] };
    expect(await refusal()).toBe(
      'Z482 a/b: the hub lists model.safetensors with one digest and sends it with another',
    );
    hub.listed = { sha: 'b'.repeat(40) };
    expect(await refusal(`hf:a/b@${commit}`)).toMatch(
      /^Z482 .* answers with commit b+ where [0-9a-f]+ was asked for$/,
    );
    hub.listed = { siblings: [sibling({})] };
    expect(await refusal()).toMatch(/^Z481 a\/b holds no weights/);
    hub.listed = { siblings: [sibling({ size: 2 ** 30, blobId: 'a'.repeat(40) })] };
    expect(await refusal()).toMatch(/^Z482 .* more than 67108864, which a text may have$/);
    hub.listed = { siblings: [sibling({ lfs: { sha256: 'a'.repeat(64), size: 2 ** 52 } })] };
    expect(await refusal()).toMatch(/^Z701 model\.safetensors of a\/b takes .* MiB, and there are/);
    hub.listed = { siblings: 'all of them' };
    expect(await refusal()).toMatch(/^Z481 .* answers in another form than a hub/);
  });
});

describe('names of files', () => {
  it.each([
    ['an index of shards', { weight_map: { w: '../../../../evil.safetensors' } }, 'Z482'],
    ['an index of hidden files', { weight_map: { w: '.bashrc' } }, 'Z482'],
    ['an index of what is not there', { weight_map: { w: 'other.safetensors' } }, 'Z481'],
  ])('that lead elsewhere are refused: %s', async (_, index, code) => {
    hub.commit('a/b', {
      'model.safetensors.index.json': JSON.stringify(index),
      '../../../../evil.safetensors': 'x',
      '.bashrc': 'x',
    });
    expect(await refusal()).toMatch(new RegExp(`^${code} `));
    expect(paths().filter((path) => /evil|bashrc/.test(path))).toEqual([]);
  });

  it('of a manifest are plain, too', async () => {
    const files = { '../evil': { bytes: 1, sha256: 'a'.repeat(64) } };
    const manifest = { format: 1, name: 'm', reference: 'model.zoo#m', parameters: 1, config: {}, files };
    hub.commit('a/b', { 'model.zoo': '', 'model.json': JSON.stringify(manifest), '../evil': 'x' });
    expect(await refusal()).toBe('Z430 model.json of a/b is no manifest of a package');
  });

  it('that are not known are not fetched: pickles only where there is nothing else', async () => {
    hub.commit('a/b', {
      'model.safetensors': weights,
      'pytorch_model.bin': 'x',
      'run.py': 'x',
      'on/e.json': '{}',
    });
    expect(Object.keys((await get()).files)).toEqual(['model.safetensors']);
    hub.commit('a/b', { 'pytorch_model.bin': 'x', 'config.json': '{}' });
    expect(Object.keys((await get()).files)).toEqual(['pytorch_model.bin', 'config.json']);
  });

  it('of shards are those of the index', async () => {
    const index = { weight_map: { a: 'm-1.safetensors', b: 'm-2.safetensors', c: 'm-1.safetensors' } };
    const shards = { 'm-1.safetensors': 'x', 'm-2.safetensors': 'y', 'm-3.safetensors': 'z' };
    hub.commit('a/b', { ...shards, 'model.safetensors.index.json': JSON.stringify(index) });
    const names = ['model.safetensors.index.json', 'm-1.safetensors', 'm-2.safetensors'];
    expect(Object.keys((await get()).files)).toEqual(names);
  });
});

describe('redirects', () => {
  it('to what is no server are not followed, nor without end', async () => {
    hub.faults.set('config.json', { redirect: 'file:///etc/passwd' });
    expect(await refusal()).toMatch(/^Z481 .* redirects to file:, which is not followed$/);
    hub.faults.set('config.json', { redirect: 'config.json' });
    expect(await refusal()).toMatch(/^Z481 .* redirects more than 5 times$/);
  });
});

describe('a token', () => {
  const secret = 'hf_aVerySecretToken';

  it('opens what is private, and reaches the hub alone', async () => {
    hub.token = secret;
    expect(await refusal()).toMatch(/^Z481 .* it is private, or not there \(401\); a token in HF_TOKEN/);
    vi.stubEnv('HF_TOKEN', secret);
    expect(weightsOf(await get()).equals(weights)).toBe(true);
    expect(hub.leaked).toEqual([]);
  });

  it('that is wrong, or none, is refused and not shown', async () => {
    hub.token = secret;
    vi.stubEnv('HF_TOKEN', 'hf_anotherSecret');
    const said = await refusal();
    expect(said).toContain('the token that is set may not read it');
    expect(said).not.toContain('anotherSecret');
    vi.stubEnv('HF_TOKEN', 'two\nlines');
    expect(await refusal()).toBe('Z481 HF_TOKEN holds something that is no token');
  });
});

describe('refusals in words', () => {
  it.each([
    ['hf:a/none', 'has no repository a/none, or no revision main of it (404)'],
    ['hf:a/b@none', 'a/b has no revision none (404)'],
  ])('%s', async (spec, words) => {
    expect(await refusal(spec)).toContain(words);
  });

  it('of gated files, of files that are gone, of no server', async () => {
    hub.faults.set('model.safetensors', { status: 403 });
    expect(await refusal()).toContain('does not give a/b away unasked (403); ask for access on its page');
    hub.faults.set('model.safetensors', { status: 404 });
    expect(await refusal()).toContain('has no file model.safetensors in a/b (404)');
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
    expect(await refusal()).toMatch(/^Z481 127\.0\.0\.1:9: .*ECONNREFUSED.*, after 3 more tries$/);
    for (const address of ['ftp://hub', 'hub', 'https://me:password@hub']) {
      vi.stubEnv('HF_ENDPOINT', address);
      expect(await refusal()).toBe('Z481 HF_ENDPOINT is no address of a hub; https://HOST');
    }
  });
});

describe('two pulls at once', () => {
  it('fetch a file once', async () => {
    hub.faults.set('model.safetensors', { slow: 300 });
    const notes: string[] = [];
    const both = [get(), get('hf:a/b', { note: (text) => notes.push(text) })];
    for (const pulled of await Promise.all(both)) expect(weightsOf(pulled).equals(weights)).toBe(true);
    expect(
      hub.asked.filter((line) => line.endsWith(`/${commit}/model.safetensors`) && !line.includes('resolve')),
    ).toHaveLength(1);
  });
});

describe('a file that was published with its digest', () => {
  it('is fetched once, and again where it is another one by now', async () => {
    const url = `${hub.files}/a/b/${commit}/model.safetensors`;
    const name = {
      kind: 'file',
      model: 'RN50',
      url,
      sha256: createHash('sha256').update(weights).digest('hex'),
    } as const;
    const options = { timing: { backOff: 1, silence: 5000 } };
    const get = (more: PullOptions = {}) => pullPublished(name, 'openai:RN50', { ...options, ...more });
    hub.faults.set('model.safetensors', { drop: 100_000, times: 1 });
    const { path, fetched } = await get();
    expect([readFileSync(path).equals(weights), fetched]).toEqual([true, 300_000]);
    hub.asked.length = 0;
    expect((await get()).fetched).toBe(0);
    expect((await get({ refresh: true })).fetched).toBe(0);
    expect(hub.asked).toEqual([]);
    writeFileSync(path, 'x');
    expect((await get({ refresh: true })).fetched).toBe(300_000);
    rmSync(path);
    hub.faults.set('model.safetensors', { content: Buffer.from('other') });
    await expect(get()).rejects.toMatchObject({ diagnostics: [{ code: 'Z482' }] });
    expect(paths().filter((path) => path.includes('model.safetensors'))).toEqual([]);
  });
});

describe('proxies', () => {
  it('that the environment names are used, but for hosts that it excepts', async () => {
    const tunnels: string[] = [];
    const proxy = createServer().on('connect', (request, socket) => {
      tunnels.push(request.url!);
      const [host, port] = request.url!.split(':');
      const server = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        server.pipe(socket).pipe(server);
      });
      socket.on('error', () => server.destroy());
      server.on('error', () => socket.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    try {
      vi.stubEnv('HTTP_PROXY', address);
      vi.stubEnv('NO_PROXY', '');
      expect(weightsOf(await get()).equals(weights)).toBe(true);
      expect(tunnels).toContain(new URL(hub.endpoint).host);
      tunnels.length = 0;
      vi.stubEnv('NO_PROXY', '127.0.0.1');
      await get();
      expect(tunnels).toEqual([]);
    } finally {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    }
  });
});
