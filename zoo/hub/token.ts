/** The token of a hub, where Python's huggingface_hub looks for it, too. It is sent to the hub and shown to nobody. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fail } from '../../grammar/diagnostics.ts';
import { statOf } from '../../runtime/data/files/read-fully.ts';

function tokenFile(env: NodeJS.ProcessEnv): string {
  if (env.HF_TOKEN_PATH) return env.HF_TOKEN_PATH;
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  return join(home, 'token');
}

/**
 * Undefined where there is none.
 * @throws DiagnosticError Z481 for what cannot be one, which is not quoted
 */
export function hubToken(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const path = tokenFile(env);
  const [text, place] = env.HF_TOKEN
    ? [env.HF_TOKEN, 'HF_TOKEN']
    : [statOf(path)?.isFile() === true ? readFileSync(path, 'utf8') : '', path];
  const token = text.trim();
  if (token === '') return undefined;
  if (!/^[\x21-\x7e]{1,1000}$/.test(token)) fail('Z481', `${place} holds something that is no token`);
  return token;
}
