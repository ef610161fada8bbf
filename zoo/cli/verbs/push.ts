/** `zooc push`: what export wrote into a repository of a hub, in one commit. */
import { fail } from '../../../grammar/diagnostics.ts';
import { isHubName, parseHubName, pinnedName } from '../../hub/names.ts';
import { push } from '../../hub/push.ts';
import { access } from '../access.ts';
import { localEntry } from '../fetched.ts';
import { note, print, printJson } from '../output.ts';

interface PushOptions {
  readonly private?: boolean;
  readonly message: string;
  readonly json?: boolean;
}

export async function pushVerb(named: string, spec: string, options: PushOptions): Promise<void> {
  const target = isHubName(spec) ? parseHubName(spec) : undefined;
  if (target?.kind !== 'repository' || !spec.startsWith('hf:'))
    fail('Z480', `${spec} is no repository to push to`, 'hf:OWNER/REPO, or hf:OWNER/REPO@BRANCH');
  if (access.offline) fail('Z703', '--offline: a push sends everything', 'leave out --offline');
  const { message } = options;
  const folder = localEntry(named) ?? named;
  const { commit, files } = await push(folder, target, { private: options.private === true, message, note });
  const name = pinnedName(target, commit);
  if (options.json === true) {
    printJson({ name, commit, files });
    return;
  }
  note(`${files.length} files`);
  print(name);
}
