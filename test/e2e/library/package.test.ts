/** The library as it is installed from the packed package: three small programs in TypeScript, checked against its types. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build as esbuild } from 'esbuild';
import { build as vite } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LanguageClient } from '../../support/language-client.ts';
import { compileFolder, type InstalledPackage, installPackage, link } from '../../support/package.ts';
import { tinyZoo } from '../harness.ts';

const classify = `
import * as zooc from 'zooc';
const [, , text] = process.argv;
const gpu = await zooc.open();
const clip = await gpu.load(text!, { seed: 1 });
const data = Uint8Array.from({ length: 20 * 30 * 3 }, (_, i) => (i * 7) % 256);
const found: zooc.Classification[] = await clip.classify({ width: 20, height: 30, data }, ['q', 'z']);
clip.close();
gpu.close();
console.log(JSON.stringify(found));
`;

const train = `
import * as zooc from 'zooc';
const [, , text] = process.argv;
const gpu = await zooc.open();
const run = await gpu.train(text!);
const model = zooc.model(text!);
const images = Float32Array.from({ length: 4 * 3 * 16 * 16 }, (_, i) => Math.sin(i * i));
const batch = { images, tokens: await model.tokens(['a', 'b', 'c', 'd']) };
const losses: number[] = [];
for await (const { loss } of run.steps([batch, batch, batch, batch])) losses.push(loss);
const bytes = await run.weights();
run.close();
const again = await gpu.load(model, bytes);
const { shape } = (await again.run('encode_image', { images }, { batch: 4 }))['image_features']!;
again.close();
gpu.close();
console.log(JSON.stringify({ losses, shape }));
`;

const compile = `
import { check, DiagnosticError, model, render } from 'zooc';
const [, , text] = process.argv;
const made = model(text!, { 'vision.layers': 2 });
const plan = made.compile({ entry: 'encode_image', batch: 1, profile: 'apple' });
let refused = '';
try {
  model(text!, { 'vision.patch': 7 });
} catch (error) {
  if (error instanceof DiagnosticError) refused = render(error.diagnostics);
}
const blocks = made.tree().children.map(({ name, parameters }) => [name, parameters]);
const wgsl = plan.pipelines[0]!.wgsl;
const unread = await made.pixels([new Uint8Array(9)]).catch((error: Error) => error.message);
console.log(JSON.stringify({ wgsl, blocks, refused, unread, found: check('model "m" = Nothing()') }));
`;

const recipe = `${tinyZoo}
train "own" of "tiny" {
  objective = contrastive
  batch = 4
  optimizer = adamw(lr = 1e-2)
  schedule = constant(warmup = 1 steps)
  steps = 3
}
`;

describe('the packed library', () => {
  let installed: InstalledPackage;
  beforeAll(() => {
    installed = installPackage(['sharp', 'webgpu']);
    const { folder } = installed;
    const settings = {
      target: 'es2023',
      module: 'nodenext',
      strict: true,
      types: ['node'],
      skipLibCheck: false,
    };
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: settings }));
    for (const [name, text] of Object.entries({ classify, train, compile }))
      writeFileSync(join(folder, `${name}.ts`), text);
    compileFolder(folder);
  });
  afterAll(() => installed.remove());

  const run = (name: string, text: string) =>
    spawnSync(process.execPath, [`${name}.js`, text], { cwd: installed.folder, encoding: 'utf8' });

  it('is smaller than a megabyte', () => {
    console.info(`the package has ${installed.bytes} bytes`);
    expect(installed.bytes).toBeLessThan(1e6);
  });

  it('compiles a model to WGSL and gives mistakes as data, without the optional packages', () => {
    const { stdout, stderr } = run('compile', tinyZoo);
    expect(stderr).toBe('');
    const { wgsl, blocks, refused, found } = JSON.parse(stdout);
    expect(wgsl).toContain('@compute');
    expect(blocks.map(([name]: [string]) => name)).toEqual(['visual', 'text']);
    expect(refused).toContain('error[Z304]: resolution 16 is not a multiple of patch 7');
    expect(found).toMatchObject([{ code: 'Z200', severity: 'error' }]);
  });

  it('says how to install what running on a GPU takes', () => {
    const { status, stderr } = run('classify', tinyZoo);
    expect(status).toBe(1);
    expect(stderr).toContain(
      'Z636: running on a GPU in Node takes the package webgpu, which is not installed',
    );
    const { stdout } = run('compile', tinyZoo);
    expect(JSON.parse(stdout).unread).toBe(
      'Z636: reading pictures in Node takes the package sharp, which is not installed',
    );
  });

  it('says so on its command line', () => {
    const main = join(installed.folder, 'node_modules', 'zooc', 'dist', 'zoo', 'cli', 'main.js');
    const { status, stderr } = spawnSync(process.execPath, [main, 'devices'], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toContain('error[Z636]: running on a GPU in Node takes the package webgpu');
    expect(stderr).toContain('= help: npm install webgpu');
  });

  it('runs its command line', () => {
    const main = join(installed.folder, 'node_modules', 'zooc', 'dist', 'zoo', 'cli', 'main.js');
    const { stdout, stderr } = spawnSync(process.execPath, [main, 'list'], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout).toContain('ViT-B/32');
  });

  it('serves editors', async () => {
    const main = join(installed.folder, 'node_modules', 'zooc', 'dist', 'zoo', 'cli', 'main.js');
    const client = new LanguageClient({}, [main]);
    await client.initialize();
    await client.open('a.zoo', 'import nn { Linaer }\n');
    expect((await client.diagnostics('a.zoo')).map(({ message }) => message)).toEqual([
      'package nn exports no `Linaer`; did you mean `Linear`?',
    ]);
    expect(client.logged).toEqual([]);
    expect(await client.end()).toBe(0);
  });

  it('writes pages whose player needs nothing that is not beside it', () => {
    const { folder } = installed;
    const main = join(folder, 'node_modules', 'zooc', 'dist', 'zoo', 'cli', 'main.js');
    writeFileSync(join(folder, 'tiny.zoo'), tinyZoo);
    const args = [main, 'bundle', 'tiny.zoo', '--weights', 'init:1', '-o', 'page'];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    const names = readdirSync(join(folder, 'page'));
    for (const name of ['index.html', 'page.css', 'page.js', 'plan.js', 'plans.json', 'weights.safetensors'])
      expect(names).toContain(name);
    const scripts = names.filter((name) => name.endsWith('.js'));
    const imported = scripts.flatMap((name) => {
      const text = readFileSync(join(folder, 'page', name), 'utf8');
      return [...text.matchAll(/\bfrom\s*["']\.\/([^"']+)["']/g)].map(([, spec]) => spec);
    });
    expect([...new Set(imported)].sort()).toEqual(scripts.filter((name) => name !== 'page.js').sort());
  });

  it('goes into bundles of esbuild and Vite for browsers', async () => {
    const { folder } = installed;
    const entry = join(folder, 'page.js');
    writeFileSync(
      entry,
      "import { model } from 'zooc'; import { load } from 'zooc/plan'; export { load, model };",
    );
    const bundled = await esbuild({
      entryPoints: [entry],
      bundle: true,
      format: 'esm',
      write: false,
      metafile: true,
    });
    const external = (found: typeof bundled) =>
      Object.values(found.metafile.inputs).flatMap((input) => input.imports.filter((i) => i.external));
    expect(external(bundled)).toEqual([]);
    const { output } = (await vite({
      root: folder,
      logLevel: 'error',
      build: { write: false, lib: { entry, formats: ['es'], fileName: 'page' } },
    }).then((found) => [found].flat()[0])) as { output: { imports: string[] }[] };
    // The common part of both entries may be a file of its own.
    const imported = output.flatMap(({ imports }) => imports);
    expect(imported.filter((name) => !/\.js$/.test(name))).toEqual([]);
  });

  describe('with the package webgpu', () => {
    beforeAll(() => link(installed, 'webgpu'));

    it('classifies', () => {
      const { stdout, stderr } = run('classify', tinyZoo);
      expect(stderr).toBe('');
      const found: { label: string; score: number }[] = JSON.parse(stdout);
      expect(found.map(({ label }) => label).sort()).toEqual(['q', 'z']);
      // Two probabilities of a softmax in double precision.
      expect(found[0]!.score + found[1]!.score).toBeCloseTo(1, 12);
      expect(found[0]!.score).toBeGreaterThan(found[1]!.score);
    });

    it('trains with the loop of its caller, as long as the recipe says', () => {
      const { stdout, stderr } = run('train', recipe);
      expect(stderr).toBe('');
      const { losses, shape } = JSON.parse(stdout);
      expect(losses).toHaveLength(3);
      expect(losses[2]).toBeLessThan(losses[0]);
      expect(shape).toEqual([4, 16]);
    });
  });
});
