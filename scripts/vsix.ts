/**
 * The extension for Visual Studio Code as `.vsix`: a zip with a manifest of its own. Its usual packer asks for a newer Node than
 * we do, and the format is small.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';
import { ZipFile } from 'yazl';
import { textMateGrammar } from '../editor/vscode/grammar.ts';
import { licensesOf } from './bundle.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  write: false,
  minify: true,
  metafile: true,
  platform: 'node',
  target: 'es2023',
  logLevel: 'warning',
};

/** What an editor runs on its own Node, whatever the user's: everything is taken in. */
async function bundles(): Promise<{ client: string; server: string; inputs: string[] }> {
  const [client, server] = await Promise.all([
    build({ ...common, entryPoints: ['editor/vscode/client.ts'], format: 'cjs', external: ['vscode'] }),
    build({
      ...common,
      stdin: {
        contents: "import { lsp } from './zoo/cli/verbs/source/lsp.ts';\nlsp({ stdio: true });",
        resolveDir: root,
        loader: 'ts',
      },
      format: 'esm',
      // For Node's modules, which the protocol's packages load by `require`.
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      },
    }),
  ]);
  const inputs = [client, server].flatMap(({ metafile }) => Object.keys(metafile!.inputs));
  return { client: client.outputFiles![0]!.text, server: server.outputFiles![0]!.text, inputs };
}

interface Manifest {
  readonly displayName: string;
  readonly description: string;
  readonly publisher: string;
  readonly name: string;
  readonly version: string;
  readonly categories: readonly string[];
  readonly keywords: readonly string[];
  readonly engines: { readonly vscode: string };
}

/** Files of the extension, by their paths in it. */
export async function extensionFiles(): Promise<Map<string, string>> {
  const { version } = JSON.parse(read('package.json'));
  const manifest: Manifest = { ...JSON.parse(read('editor/vscode/manifest.json')), version };
  const { client, server, inputs } = await bundles();
  const lib = readdirSync(join(root, 'zoo/lib')).filter((name) => name.endsWith('.zoo'));
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  return new Map([
    ['package.json', json(manifest)],
    ['README.md', read('editor/vscode/README.md')],
    ['LICENSE.txt', read('LICENSE')],
    ['licenses.txt', licensesOf(inputs)],
    ['language-configuration.json', read('editor/vscode/language-configuration.json')],
    ['snippets.json', read('editor/vscode/snippets.json')],
    ['zoo.tmLanguage.json', json(textMateGrammar())],
    ['dist/client.js', client],
    ['dist/server.mjs', server],
    // Where the server looks for them.
    ...lib.map((name) => [`dist/zoo/lib/${name}`, read(`zoo/lib/${name}`)] as const),
  ]);
}

const escaped = (text: string) =>
  text.replace(/[&<>"]/g, (mark) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[mark]!);

function vsixManifest(manifest: Manifest): string {
  const { displayName, description, publisher, name, version, categories, keywords, engines } = manifest;
  const asset = (type: string, path: string) =>
    `<Asset Type="Microsoft.VisualStudio.${type}" Path="extension/${path}" Addressable="true"/>`;
  return `<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id="${escaped(name)}" Version="${escaped(version)}" Publisher="${escaped(publisher)}"/>
    <DisplayName>${escaped(displayName)}</DisplayName>
    <Description xml:space="preserve">${escaped(description)}</Description>
    <Tags>${escaped(keywords.join(','))}</Tags>
    <Categories>${escaped(categories.join(','))}</Categories>
    <GalleryFlags>Public</GalleryFlags>
    <Properties>
      <Property Id="Microsoft.VisualStudio.Code.Engine" Value="${escaped(engines.vscode)}"/>
      <Property Id="Microsoft.VisualStudio.Code.ExtensionKind" Value="workspace"/>
    </Properties>
    <License>extension/LICENSE.txt</License>
  </Metadata>
  <Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation>
  <Dependencies/>
  <Assets>
    ${asset('Code.Manifest', 'package.json')}
    ${asset('Services.Content.Details', 'README.md')}
    ${asset('Services.Content.License', 'LICENSE.txt')}
  </Assets>
</PackageManifest>
`;
}

const contentTypes = `<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
  ${Object.entries({
    json: 'application/json',
    js: 'application/javascript',
    mjs: 'application/javascript',
    md: 'text/markdown',
    txt: 'text/plain',
    zoo: 'text/plain',
    vsixmanifest: 'text/xml',
  })
    .map(([extension, type]) => `<Default Extension=".${extension}" ContentType="${type}"/>`)
    .join('\n  ')}
</Types>
`;

/** The bytes of the archive; the same sources give the same bytes. */
export async function packVsix(): Promise<Buffer> {
  const files = await extensionFiles();
  const zip = new ZipFile();
  const add = (path: string, text: string) =>
    zip.addBuffer(Buffer.from(text), path, { mtime: new Date(1980, 0, 1), mode: 0o100644 });
  add('extension.vsixmanifest', vsixManifest(JSON.parse(files.get('package.json')!)));
  add('[Content_Types].xml', contentTypes);
  for (const [path, text] of files) add(`extension/${path}`, text);
  zip.end();
  return buffer(zip.outputStream);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , target = join(root, 'dist', 'zooc.vsix')] = process.argv;
  const bytes = await packVsix();
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, bytes);
  console.log(`${target}, ${bytes.length} bytes`);
}
