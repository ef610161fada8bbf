/** `zooc completion`: a script that completes verbs, options and values in a shell. */
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { bundledModels } from '../../../bundled.ts';
import { nodeHost } from '../../../host.ts';
import { bashScript } from '../../completion/bash.ts';
import { declared } from '../../completion/declared.ts';
import { fishScript } from '../../completion/fish.ts';
import { zshScript } from '../../completion/zsh.ts';
import { print } from '../../output.ts';

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export function completion(shell: keyof typeof scripts, program: CommandUnknownOpts): void {
  print(scripts[shell](declared(program), bundledModels(nodeHost())));
}
