/**
 * Models of the local zoo as an npm package: its `zoo` entry is a program that others import their models from, and beside it lies each
 * model's package with its weights.
 */
import { constants } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { resolveModel } from '../../compiler/model/index.ts';
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import { count } from '../../runtime/report/format.ts';
import { makeFolder } from '../export/folder.ts';
import { nodeHost } from '../host.ts';
import { loadPackage, manifestName } from '../weights/package.ts';
import { type Entry, readEntries } from './entries.ts';

const entryFile = 'zoo.zoo';
const npmName = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;

function readme(name: string, entries: readonly Entry[]): string {
  const first = entries[0]!.name;
  const rows = entries.map(
    ({ name, manifest }) => `| [\`${name}\`](${name}/README.md) | ${count(manifest.parameters)} |`,
  );
  return `# ${name}

| model | parameters |
| --- | --- |
${rows.join('\n')}

\`\`\`sh
npm install ${name}
npx zooc classify node_modules/${name}/${first} --labels "a cat,a dog" picture.jpg
\`\`\`

In a program: \`import "${name}" { "${first}" }\`, with \`--weights node_modules/${name}/${first}\`.
`;
}

/** A model under its name in the zoo: two packages may call theirs the same. */
function wrapper({ name, manifest }: Entry): string {
  const own =
    manifest.name === name ? '' : `\nmodel ${JSON.stringify(name)} = ${JSON.stringify(manifest.name)}\n`;
  return `import "./${name}/model.zoo" { ${JSON.stringify(manifest.name)} }\n${own}`;
}

/**
 * Writes the folder, ready for `npm publish` or `npm pack`.
 * @throws DiagnosticError Z484 for a model that the zoo has not, or a name that npm does not take
 */
export async function packEntries(
  names: readonly string[],
  { out, name, version }: { readonly out: string; readonly name: string; readonly version: string },
): Promise<void> {
  if (!npmName.test(name) || name.length > 214)
    fail('Z484', `${name} is no name of an npm package`, '--name my-zoo');
  if (!/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version))
    fail('Z484', `${version} is no version of an npm package`, '--version 1.0.0');
  const entries = await readEntries([...new Set(names)]);
  await makeFolder(out, async (folder) => {
    for (const entry of entries) {
      const { manifest } = await loadPackage(entry.path);
      await mkdir(join(folder, entry.name));
      for (const file of [manifestName, ...Object.keys(manifest.files)])
        await copyFile(join(entry.path, file), join(folder, entry.name, file), constants.COPYFILE_FICLONE);
      await writeFile(join(folder, `${entry.name}.zoo`), wrapper(entry));
    }
    const imports = entries.map(({ name }) => `import "./${name}.zoo" { ${JSON.stringify(name)} }\n`);
    await writeFile(join(folder, entryFile), imports.join(''));
    const about = {
      name,
      version,
      description: `Models of zooc: ${names.join(', ')}`,
      zoo: `./${entryFile}`,
    };
    await writeFile(join(folder, 'package.json'), `${JSON.stringify(about, null, 2)}\n`);
    await writeFile(join(folder, 'README.md'), readme(name, entries));
    for (const entry of entries) {
      const model = resolveModel(nodeHost(), `${join(folder, entryFile)}#${entry.name}`);
      if (!model.ok) throw new DiagnosticError(model.diagnostics);
    }
  });
}
