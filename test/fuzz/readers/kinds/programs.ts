/** Programs: their syntax, their canonical form, their check, settings of the command line, packages that they come in. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkFile, objectiveOf, resolveModel } from '../../../../compiler/model/index.ts';
import type { ModuleHost } from '../../../../compiler/model/types.ts';
import { DiagnosticError } from '../../../../grammar/diagnostics.ts';
import { parse } from '../../../../grammar/parser.ts';
import { format } from '../../../../grammar/printer.ts';
import { readTextSync } from '../../../../runtime/data/files/read-fully.ts';
import { exportPackage, loadPackage } from '../../../../zoo/export/index.ts';
import { nodeHost } from '../../../../zoo/host.ts';
import { memoryHost } from '../../../errors/report.ts';
import { mutatePrograms, samplePrograms, shallow } from '../../../fixtures/fuzz.ts';
import { mutateMeanings } from '../../../fixtures/meaning-fuzz.ts';
import { jsonTokens, mutateJson, textTokens } from '../evil.ts';
import { bytesOf, fromFile, orThrow, type Reader } from '../reader.ts';
import { tinyText } from './weights.ts';

const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8');

/** Texts, and the bundled packages with towers as low as those of the programs. */
function lowHost(files: Readonly<Record<string, string>>): ModuleHost {
  const host = memoryHost(files);
  return {
    ...host,
    bundled: (name) => {
      const file = host.bundled(name);
      return file && { ...file, text: shallow(file.text) };
    },
  };
}

const samples = () => [...samplePrograms().values()].map(shallow);
/** Damaged and senseless programs, that the mutations go on from. */
const damaged = () => [...samples(), ...mutatePrograms(1, 50), ...mutateMeanings(1, 50)].map(bytesOf);

const programTokens = [
  ...textTokens,
  ...'( ) [ ] { } , : = -> |> ?: .. ... ^ @ " # import block model train param forward let if when for in else'.split(
    ' ',
  ),
  '2147483647',
  '9 ^ 9 ^ 9',
  '"\\u{0}"',
  'import "x\\u{0}.zoo" { a }\n',
  'import "./fuzz.zoo" { a }\n',
  '[i in 0..1000000000]',
  '1 + '.repeat(3_000),
  '- '.repeat(3_000),
  '[['.repeat(3_000),
  'f('.repeat(3_000),
  'if x then '.repeat(1_000),
  'x |> '.repeat(2_000),
];

/** A package of the small model; its folder. */
async function packageIn(folder: string): Promise<string> {
  const out = join(folder, 'package');
  const text = join(folder, 'tiny.zoo');
  writeFileSync(text, tinyText);
  const model = resolveModel(nodeHost(), text);
  if (!model.ok) throw new DiagnosticError(model.diagnostics);
  await exportPackage({ source: 'init:1', model: model.value, out });
  return out;
}

/** Checks take tenths of seconds where programs are large, and seconds at the limits of the compiler. */
const checkBounds = { ms: () => 10_000, memory: () => 512 * 2 ** 20 };

export const programReaders: readonly Reader[] = [
  {
    name: 'syntax',
    share: 4,
    seeds: damaged,
    tokens: programTokens,
    open: fromFile('x.zoo', (path) => {
      const { program, diagnostics } = parse({ path, text: readTextSync(path, 'Z701') });
      orThrow({ ok: diagnostics.length === 0, diagnostics });
      return format(program);
    }),
    bounds: { ms: (bytes) => 1000 + bytes / 10, memory: (bytes) => 128 * 2 ** 20 + 2048 * bytes },
  },
  {
    name: 'program',
    share: 2,
    seeds: damaged,
    tokens: programTokens,
    open: () => (bytes) => orThrow(checkFile(lowHost({ 'fuzz.zoo': textOf(bytes) }), 'fuzz.zoo')),
    bounds: checkBounds,
  },
  {
    name: 'settings of the command line',
    share: 1.5,
    seeds: () =>
      ['vision.layers=2', 'text.context=5', 'vision.act=gelu', 'vision.width=1 + 2 * 3'].map(bytesOf),
    tokens: [...programTokens, 'vision.', 'text.', 'gelu', 'identity', '=', '.'],
    open: () => {
      const host = memoryHost({ 'tiny.zoo': tinyText });
      return (bytes) => {
        const [path = '', ...value] = textOf(bytes).split('=');
        orThrow(resolveModel(host, 'tiny.zoo', [{ path, value: value.join('=') }]));
      };
    },
    bounds: checkBounds,
  },
  {
    name: 'objective of the command line',
    share: 2,
    seeds: () => ['contrastive', 'classify(smoothing = 0.1)', 'coca(caption = 1.0)'].map(bytesOf),
    tokens: programTokens,
    open: () => {
      const host = nodeHost();
      return (bytes) => orThrow(objectiveOf(host, textOf(bytes), '--objective'));
    },
    bounds: checkBounds,
  },
  {
    name: 'manifest of a package',
    share: 5,
    seeds: async (folder) => [readFileSync(join(await packageIn(folder), 'model.json'))],
    tokens: [...jsonTokens, '"model.json":{"bytes":1,"sha256":"x"},', '"CON":{}', '"..":{}'],
    mutations: [mutateJson],
    open: async (folder) => {
      const out = await packageIn(folder);
      return fromFile('package/model.json', () => loadPackage(out))(folder);
    },
  },
  {
    name: 'package.json of an npm package',
    share: 4,
    seeds: () => [bytesOf('{"name":"acme","zoo":"./index.zoo"}'), bytesOf('{"name":"acme"}')],
    tokens: [...jsonTokens, '"zoo":"\\u0000"', '"zoo":"../../x.zoo"', '"zoo":"."', '.zoo'],
    mutations: [mutateJson],
    open: (folder) => {
      const host = nodeHost();
      const at = join(folder, 'node_modules', 'acme');
      mkdirSync(at, { recursive: true });
      writeFileSync(join(at, 'index.zoo'), 'block A { }\n');
      const main = join(folder, 'main.zoo');
      writeFileSync(main, 'import "acme" { A }\nblock B { a: A() }\n');
      return fromFile('node_modules/acme/package.json', () => orThrow(checkFile(host, main)))(folder);
    },
  },
  {
    name: 'program beside others',
    share: 3,
    seeds: () => [bytesOf('import "./other.zoo" { A }\nimport "acme" { C }\nblock B { a: A()  c: C() }\n')],
    tokens: [
      ...programTokens,
      '"./',
      '"../',
      '"/etc/passwd"',
      '"acme/../../other.zoo"',
      '\\u{0}',
      '\\u{d800}',
      '"main.zoo"',
    ],
    open: (folder) => {
      const host = nodeHost();
      const at = join(folder, 'node_modules', 'acme');
      mkdirSync(at, { recursive: true });
      writeFileSync(join(at, 'package.json'), '{"zoo":"index.zoo"}');
      writeFileSync(join(at, 'index.zoo'), 'block C { }\n');
      writeFileSync(join(folder, 'other.zoo'), 'block A { }\n');
      return fromFile('main.zoo', (path) => orThrow(checkFile(host, path)))(folder);
    },
    bounds: checkBounds,
  },
];
