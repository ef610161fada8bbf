/** The hub that is asked: that of `HF_ENDPOINT`, as for Python's huggingface_hub. */
import { fail } from '../../grammar/diagnostics.ts';

/** @throws DiagnosticError Z481 for what is no address; it is not quoted, since it may hold a password */
export function endpointOf(env: NodeJS.ProcessEnv = process.env): URL {
  const text = env.HF_ENDPOINT || 'https://huggingface.co';
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '')
    fail('Z481', 'HF_ENDPOINT is no address of a hub', 'https://HOST');
  return url;
}
