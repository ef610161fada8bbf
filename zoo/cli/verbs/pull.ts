/** `zooc pull`: a model of a hub into the cache, verified, and asked for again where it is there. */
import { fail } from '../../../grammar/diagnostics.ts';
import { isHubName } from '../../hub/names.ts';
import { fetched } from '../fetched.ts';
import { mebibytes, note, print, printJson } from '../output.ts';

export async function pullVerb(spec: string, options: { readonly json?: boolean }): Promise<void> {
  if (!isHubName(spec))
    fail(
      'Z480',
      `${spec} is no name of a hub`,
      'hf:OWNER/REPO[@REVISION], openai:MODEL, or open_clip:ARCH/TAG',
    );
  const { name, path, files, fetched: bytes } = await fetched(spec, true);
  if (options.json === true) {
    printJson({ name, path, files, fetched: bytes });
    return;
  }
  const held = Object.values(files).reduce((sum, file) => sum + file.bytes, 0);
  note(
    `${name}: ${Object.keys(files).length} files, ${mebibytes(held)}, of which ${mebibytes(bytes)} were fetched`,
  );
  print(path);
}
