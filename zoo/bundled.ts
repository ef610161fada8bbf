/** The models that come with the language. */
import { bundledProgram, zooPackages } from '../compiler/model/modules/imports.ts';
import type { ModuleHost } from '../compiler/model/types.ts';

/** Names of the models that bundled packages declare, in order of declaration. */
export function bundledModels(host: ModuleHost): string[] {
  return zooPackages.flatMap((name) => {
    const { program } = bundledProgram(host.bundled(name)!);
    return program.items.flatMap((item) => (item.kind === 'model' ? [item.name.text] : []));
  });
}

/** The bundled package that declares a model. */
export function packageOfModel(host: ModuleHost, model: string): string | undefined {
  return zooPackages.find((name) =>
    bundledProgram(host.bundled(name)!).program.items.some(
      (item) => item.kind === 'model' && item.name.text === model,
    ),
  );
}
