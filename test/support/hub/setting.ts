/** What the tests of hubs share: a server, a workspace whose cache is its own, and calls with both. */
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { Workspace } from '../../e2e/harness.ts';
import { HubServer } from './hub-server.ts';

export function hubSetting() {
  const hub = new HubServer();
  const workspace = new Workspace();
  const env = (extra: Readonly<Record<string, string>> = {}) => ({
    HF_ENDPOINT: hub.endpoint,
    HF_TOKEN: '',
    HF_TOKEN_PATH: workspace.path('no-token'),
    ZOOC_CACHE: workspace.path('cache'),
    ZOOC_ZOO: workspace.path('zoo'),
    ...extra,
  });
  beforeAll(() => hub.start());
  afterAll(async () => {
    await hub.stop();
    workspace.remove();
  });
  beforeEach(() => {
    hub.asked.length = 0;
    hub.faults.clear();
    hub.listed = {};
    hub.token = undefined;
  });
  const call = (args: readonly string[], extra?: Readonly<Record<string, string>>) =>
    workspace.call(args, env(extra));
  return {
    hub,
    workspace,
    env,
    call,
    async zooc(...args: string[]) {
      const { code, ...streams } = await call(args);
      expect(code, streams.stderr).toBe(0);
      return streams;
    },
    /** A call that has to be refused; what it said. */
    async refused(...args: string[]): Promise<string> {
      const { code, stdout, stderr } = await call(args);
      expect([code, stdout], stderr).toEqual([1, '']);
      return stderr;
    },
    /** The files of an export as they would lie in a repository. */
    files(folder: string, names: readonly string[]): Record<string, Uint8Array> {
      return Object.fromEntries(names.map((name) => [name, workspace.bytes(`${folder}/${name}`)]));
    },
  };
}
