/** `zooc lsp`: the language server over standard input and output. */
import { serve } from '../../../../editor/server/index.ts';
import { fail } from '../../../../grammar/diagnostics.ts';
import { ownFile } from '../../../../runtime/node/own-files.ts';
import { nodeHost } from '../../../host.ts';
import { version } from '../../../version.ts';

export function lsp({ stdio }: { stdio?: true }): void {
  if (stdio !== true) fail('Z700', 'lsp speaks over standard input and output alone', 'zooc lsp --stdio');
  const { stdin: input, stdout: output } = process;
  serve({ host: nodeHost(), version, lib: ownFile('zoo/lib'), input, output });
}
