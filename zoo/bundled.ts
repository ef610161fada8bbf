/** The models that come with the language. */
import { zooPackages } from '../compiler/model/modules/imports.ts';
import type { ModuleHost } from '../compiler/model/types.ts';
import { parse } from '../grammar/parser.ts';

/** Names of the models that bundled packages declare, in order of declaration. */
export function bundledModels(host: ModuleHost): string[] {
  return zooPackages.flatMap((name) => {
    const { program } = parse(host.bundled(name)!);
    return program.items.flatMap((item) => (item.kind === 'model' ? [item.name.text] : []));
  });
}
