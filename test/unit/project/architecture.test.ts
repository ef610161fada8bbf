/**
 * The flow goes one way: reads every import of the sources and fails on an arrow that runs back, on Node in
 * the parts that a browser must be able to load, and on product code that leans on its satellites.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

interface Import {
  /** Path below the root, with slashes. */
  readonly file: string;
  /** Path below the root for relative imports, the bare specifier otherwise. */
  readonly target: string;
  readonly relative: boolean;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** `import ... from 'x'`, `export ... from 'x'`, `import 'x'`, `import('x')`. */
const specifier = /(?:\bfrom\s+|\bimport\s+|\bimport\s*\(\s*)'([^'\n]+)'/g;

function importsOf(path: string): Import[] {
  const file = relative(root, path).split(sep).join('/');
  return [...readFileSync(path, 'utf8').matchAll(specifier)].map(([, spec]) => {
    const isRelative = spec!.startsWith('.');
    const target = isRelative
      ? relative(root, resolve(dirname(path), spec!))
          .split(sep)
          .join('/')
      : spec!;
    return { file, target, relative: isRelative };
  });
}

/** From left to right; a folder imports only from itself and from folders to its left. */
const layers = ['grammar', 'compiler', 'runtime', 'editor', 'zoo'];
const imports = layers.flatMap((layer) => sources(layer).flatMap(importsOf));

function show(list: readonly Import[]): string[] {
  return list.map((i) => `${i.file} imports ${i.target}`);
}

/** Which stage folders each stage of the compiler may know. */
const stages = ['model', 'graph', 'ops', 'autodiff', 'passes', 'joins', 'kernels', 'plan'] as const;
const allowed: Readonly<Record<(typeof stages)[number], readonly string[]>> = {
  model: ['model', 'graph', 'ops'],
  graph: ['graph', 'ops'],
  ops: ['graph', 'ops'],
  autodiff: ['autodiff', 'graph', 'ops'],
  passes: ['passes', 'graph', 'ops'],
  joins: ['joins', 'graph', 'ops'],
  kernels: ['kernels', 'joins', 'graph', 'ops'],
  plan: ['plan', 'kernels', 'graph', 'ops'],
};

/** The rooms of the large stages, from the first to the last: each knows itself and those before it. */
const rooms = {
  model: [
    'values',
    'nodes',
    'builtins',
    'modules',
    'evaluate',
    'build',
    'inspect',
    'trace',
    'resolve',
    'recipes',
    'names',
  ],
  kernels: ['text', 'schedules', 'rows', 'moves', 'attention', 'products', 'update', 'lowering'],
} as const;

/** One file an operation, one a case. */
const mayBeFull = ['compiler/ops', 'test/fixtures/pictures'];

/** Parts that are Node's by nature: files, threads, signals, Dawn's bindings, what editors start. */
function isNodePart(file: string): boolean {
  return /^runtime\/(data|eval)\/|^editor\/(server|vscode)\/|\/node\//.test(file);
}

function needsNode(target: string): boolean {
  const packages = ['sharp', 'webgpu', 'koffi', '@commander-js', 'csv-parse', 'tar-stream'];
  const name = target.replace(/^node:/, '').split('/')[0]!;
  return target.startsWith('node:') || builtinModules.includes(target) || packages.includes(name);
}

describe('architecture', () => {
  it('reads imports at all', () => {
    expect(imports.length).toBeGreaterThan(100);
  });

  it('imports only leftwards: grammar, compiler, runtime, editor, zoo', () => {
    const back = imports.filter((i) => {
      if (!i.relative) return false;
      const from = layers.indexOf(i.file.split('/')[0]!);
      const to = layers.indexOf(i.target.split('/')[0]!);
      return to === -1 ? !i.target.endsWith('package.json') : to > from;
    });
    expect(show(back)).toEqual([]);
  });

  it('lets no stage of the compiler know a later one', () => {
    const back = imports.filter((i) => {
      const stage = stages.find((s) => i.file.startsWith(`compiler/${s}/`));
      const target = stages.find((s) => i.target.startsWith(`compiler/${s}/`));
      return stage !== undefined && target !== undefined && !allowed[stage].includes(target);
    });
    expect(show(back)).toEqual([]);
  });

  for (const [stage, order] of Object.entries<readonly string[]>(rooms))
    it(`lets no room of the stage ${stage} know a later one, and every folder be a room`, () => {
      const roomOf = (file: string) => new RegExp(`^compiler/${stage}/([^/]+)/`).exec(file)?.[1];
      const found = new Set(imports.map((i) => roomOf(i.file)).filter((room) => room !== undefined));
      expect([...found].sort()).toEqual([...order].sort());
      const back = imports.filter((i) => {
        const [from, to] = [roomOf(i.file), roomOf(i.target)];
        return from !== undefined && to !== undefined && order.indexOf(to) > order.indexOf(from);
      });
      expect(show(back)).toEqual([]);
    });

  it('keeps Node out of grammar, compiler, the core of the runtime and the language service', () => {
    const browser = imports.filter((i) => !i.file.startsWith('zoo/') && !isNodePart(i.file));
    const node = browser.filter((i) => !i.relative && needsNode(i.target));
    const leaning = browser.filter(
      (i) => i.relative && isNodePart(i.target) && !i.target.endsWith('types.ts'),
    );
    expect(show([...node, ...leaning])).toEqual([]);
  });

  it('keeps the language service beside the runtime: it knows the language and no device', () => {
    const service = imports.filter((i) => i.file.startsWith('editor/service/'));
    const known = service.filter(
      (i) => i.relative && !/^(editor\/service|grammar|compiler)\//.test(i.target),
    );
    expect(service.length).toBeGreaterThan(20);
    expect(show(known)).toEqual([]);
    const around = imports.filter((i) => i.file.startsWith('editor/') && i.target.startsWith('runtime/'));
    expect(show(around)).toEqual([]);
  });

  it('keeps folders small enough to be seen at a glance', () => {
    const full = [...layers, 'test', 'docs', 'scripts']
      .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, entry.parentPath).split(sep).join('/'))
      .filter((folder) => !/node_modules|\.vitepress\/(?:cache|dist)/.test(folder))
      .reduce(
        (counts, folder) => counts.set(folder, (counts.get(folder) ?? 0) + 1),
        new Map<string, number>(),
      );
    const crowded = [...full].filter(([folder, files]) => files > 16 && !mayBeFull.includes(folder));
    expect(crowded).toEqual([]);
  });

  it('keeps files short, or has them say in their header why they are long', () => {
    const long = layers
      .flatMap(sources)
      .map((path) => ({ path, text: readFileSync(path, 'utf8') }))
      .filter(({ text }) => !/\blong\b/.test(text.slice(0, text.indexOf('*/'))))
      .map(({ path, text }) => ({ path, lines: text.split('\n').length }))
      .filter(({ lines }) => lines > 450)
      .map(({ path, lines }) => `${relative(root, path)}: ${lines} lines`);
    expect(long).toEqual([]);
  });

  it('gives every source a header comment', () => {
    const bare = layers
      .flatMap(sources)
      .filter((path) => !/^(#!.*\n)?\/\*\*/.test(readFileSync(path, 'utf8')))
      .map((path) => relative(root, path));
    expect(bare).toEqual([]);
  });

  it('gives packages of their own, which their own types check, the names that they import', () => {
    const named = /^import (?:type )?\{([^}]+)\} from '(\.[^']+\.ts)';$/gm;
    const own = ['bench', 'docs/.vitepress', 'docs/examples'].flatMap(sources);
    const wanted = own
      .filter((path) => !path.includes('node_modules'))
      .flatMap((path) =>
        [...readFileSync(path, 'utf8').matchAll(named)].flatMap(([, names, target]) =>
          names!
            .split(',')
            .map(
              (name) =>
                name
                  .trim()
                  .replace(/^type /, '')
                  .split(' as ')[0]!,
            )
            .filter((name) => name !== '')
            .map((name) => ({ path, name, target: resolve(dirname(path), target!) })),
        ),
      );
    expect(wanted.length).toBeGreaterThan(40);
    const missing = wanted.filter(({ name, target }) => {
      const declared = `^export (?:async )?(?:function\\*?|const|let|class|abstract class|interface|type) ${name}\\b`;
      const passed = `^export (?:type )?\\{[^}]*\\b${name}\\b\\s*[,}]`;
      return !new RegExp(`${declared}|${passed}`, 'm').test(readFileSync(target, 'utf8'));
    });
    expect(missing.map(({ path, name }) => `${relative(root, path)}: ${name}`)).toEqual([]);
  });
});
