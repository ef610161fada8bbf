/** The library's bundle for browsers: what is in it, how large it is, and that a page gets the numbers that Node gets. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleBrowser, type entries } from '../../../scripts/bundle.ts';
import * as zooc from '../../../zoo/api/node.ts';
import { type OpenedPage, openPage } from '../../support/page.ts';
import { browser } from '../../support/reports/browser.ts';
import { tinyZoo } from '../harness.ts';

const text = `${tinyZoo}
train "own" of "tiny" {
  objective = contrastive
  batch = 4
  optimizer = adamw(lr = 1e-2)
  schedule = constant(warmup = 1 steps)
  steps = 3
}
`;
/** The second was read in the wrong encoding somewhere, which texts are mended of: in a page as in Node. */
const labels = ['q', 'schÃ¶n'];

/** A JPEG that a viewer would turn. */
function turnedPicture(): Promise<Buffer> {
  const data = Uint8Array.from({ length: 24 * 40 * 3 }, (_, i) => (i * 5 + Math.floor(i / 72) * 3) % 256);
  const raw = { width: 24, height: 40, channels: 3 } as const;
  return sharp(data, { raw }).withMetadata({ orientation: 6 }).jpeg({ quality: 95 }).toBuffer();
}

interface Results {
  readonly pixels: number[];
  readonly scores: zooc.Classification[];
  readonly losses: number[];
}

/** The program of a user: the same text runs in Node and in the page. */
async function program(
  library: typeof zooc,
  source: string,
  picture: Blob,
  names: string[],
): Promise<Results> {
  const model = library.model(source);
  const gpu = await library.open();
  const clip = await gpu.load(model, { seed: 1 });
  const scores = await clip.classify(picture, names, ['{}']);
  const pixels = await model.pixels([picture]);
  const run = await gpu.train(source);
  const images = Float32Array.from({ length: 4 * 3 * 16 * 16 }, (_, i) => Math.sin(i * i));
  const batch = { images, tokens: await model.tokens(['a', 'b', 'c', 'd']) };
  const losses: number[] = [];
  for await (const { loss } of run.steps([batch, batch, batch])) losses.push(loss);
  run.close();
  clip.close();
  gpu.close();
  return { pixels: [...pixels], scores, losses };
}

/** What each step of the loss comes from, with the lines of the text. */
function inside(library: typeof zooc, source: string) {
  const { steps, memory } = library.model(source).explain({ entry: 'loss', batch: 2, profile: 'gpu' });
  const origins = steps.map((step) =>
    step.origins.map(({ op, path, span }) => [op, path, span?.file.path, span?.start, span?.end]),
  );
  return { origins, memory };
}

const page = `<!doctype html>
<link rel="icon" href="data:,">
<script type="module">
import * as zooc from './zooc.js';
import { load } from './plan.js';
zooc.useMerges('merges.txt');
const picture = async () => (await fetch('picture.jpg')).blob();
window.whole = async (source, names) => (${program.toString()})(zooc, source, await picture(), names);
window.planned = async (names) => {
  const clip = await load('plans.json', 'weights.safetensors');
  const found = await clip.classify(await picture(), names);
  clip.close();
  return found;
};
window.refused = async () => {
  try {
    zooc.model('model "m" = Nothing()');
  } catch (error) {
    return error instanceof zooc.DiagnosticError && error.diagnostics[0].code;
  }
};
window.inside = (source) => (${inside.toString()})(zooc, source);
window.ready = true;
</script>`;

interface Exports {
  readonly ready?: true;
  whole(source: string, names: readonly string[]): Promise<Results>;
  planned(names: readonly string[]): Promise<zooc.Classification[]>;
  refused(): Promise<string>;
  inside(source: string): ReturnType<typeof inside>;
}

describe('the bundle for browsers', () => {
  /** Bytes of the files that a page loads at once, and of those that it loads when it asks for them. */
  const compressed = async (name: keyof typeof entries): Promise<{ atOnce: number; later: number }> => {
    const { outputFiles, metafile } = await bundleBrowser(undefined, [name]);
    const atOnce = new Set<string>();
    const load = (path: string): void => {
      if (atOnce.has(path)) return;
      atOnce.add(path);
      for (const { path: imported, kind } of metafile.outputs[path]!.imports)
        if (kind === 'import-statement') load(imported);
    };
    load(Object.keys(metafile.outputs).find((path) => path.endsWith(`/${name}.js`))!);
    const sum = (wanted: boolean) =>
      outputFiles!
        .filter(({ path }) => [...atOnce].some((one) => path.endsWith(`/${one}`)) === wanted)
        .reduce((bytes, { contents }) => bytes + gzipSync(contents, { level: 9 }).length, 0);
    return { atOnce: sum(true), later: sum(false) };
  };

  it('reaches no module of Node and none of the packages that are Node’s', async () => {
    const { metafile } = await bundleBrowser();
    const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
    expect(imports.filter(({ external }) => external)).toEqual([]);
    const packages = Object.keys(metafile.inputs).filter((path) =>
      /node_modules\/(sharp|webgpu|koffi)\//.test(path),
    );
    expect(packages).toEqual([]);
  });

  it('uses no global of Node', async () => {
    const { outputFiles } = await bundleBrowser(undefined, ['zooc']);
    const used = outputFiles!.flatMap(
      ({ text }) => text.match(/(?<![\w$.])(?:Buffer|process|require|__dirname)[.(].{20}/g) ?? [],
    );
    expect(used).toEqual([]);
  });

  it('is small: plans and classification below 150 kB, everything but the self-test below 350 kB, that one below 15 kB', async () => {
    const [plan, whole] = [await compressed('plan'), await compressed('zooc')];
    console.info(
      `compressed, plan.js has ${plan.atOnce} bytes, zooc.js ${whole.atOnce} and what it loads later ${whole.later}`,
    );
    expect(plan.atOnce).toBeLessThan(150_000);
    expect(plan.later).toBe(0);
    expect(whole.atOnce).toBeLessThan(350_000);
    expect(whole.later).toBeLessThan(15_000);
  });
});

describe.skipIf(browser === undefined)('a page', () => {
  const folder = mkdtempSync(join(tmpdir(), 'zooc-page-'));
  let opened: OpenedPage;
  let picture: Blob;
  let inNode: Results;

  beforeAll(async () => {
    const bytes = await turnedPicture();
    picture = new Blob([new Uint8Array(bytes)]);
    const model = zooc.model(tinyZoo);
    inNode = await program(zooc, text, picture, labels);
    const gpu = await zooc.open();
    const clip = await gpu.load(model, { seed: 1 });
    writeFileSync(join(folder, 'weights.safetensors'), await clip.weights());
    clip.close();
    gpu.close();
    writeFileSync(join(folder, 'plans.json'), JSON.stringify(await model.plans({ profile: 'gpu' })));
    writeFileSync(join(folder, 'merges.txt'), await zooc.merges(520));
    writeFileSync(join(folder, 'picture.jpg'), bytes);
    writeFileSync(join(folder, 'index.html'), page);
    await bundleBrowser(folder);
    opened = await openPage(folder, 'index.html');
    await opened.page.waitForFunction(() => (globalThis as unknown as Exports).ready);
  });
  afterAll(async () => {
    await opened?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Sums of f32 in another order, by another adapter. */
  const near = (value: number) => expect.closeTo(value, 4);

  it('classifies and trains with the numbers of Node', async () => {
    const call = ([source, names]: [string, string[]]) =>
      (globalThis as unknown as Exports).whole(source, names);
    const inPage = await opened.page.evaluate(call, [text, labels] as [string, string[]]);
    expect(opened.console).toEqual([]);
    // Decoders of JPEG may round a sample to its neighbour, which is 1 / 255 before the division by a deviation of 0.26.
    const off = inPage.pixels.map((value, i) => Math.abs(value - inNode.pixels[i]!));
    expect(inPage.pixels).toHaveLength(3 * 16 * 16);
    expect(Math.max(...off)).toBeLessThan(0.016);
    expect(inPage.scores).toEqual(inNode.scores.map(({ label, score }) => ({ label, score: near(score) })));
    expect(inPage.losses).toEqual(inNode.losses.map(near));
  });

  it('classifies by plans that were made before, without the compiler', async () => {
    const found = await opened.page.evaluate(
      (names) => (globalThis as unknown as Exports).planned(names),
      labels,
    );
    expect(found).toEqual(inNode.scores.map(({ label, score }) => ({ label, score: near(score) })));
  });

  it('explains a plan as Node does', async () => {
    const call = (source: string) => (globalThis as unknown as Exports).inside(source);
    const found = await opened.page.evaluate(call, tinyZoo);
    expect(found).toEqual(inside(zooc, tinyZoo));
  });

  it('gets mistakes as data', async () => {
    expect(await opened.page.evaluate(() => (globalThis as unknown as Exports).refused())).toBe('Z200');
  });
});
