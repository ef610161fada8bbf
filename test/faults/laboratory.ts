/**
 * What all cases share: the built command line, recipes with their pictures, and runs that nobody disturbed, made
 * when they are first asked for.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { encodeSafetensors } from '../../zoo/weights/formats/safetensors.ts';
import { buildCommand } from '../support/built-command.ts';
import { tinyZoo } from '../support/models/tiny-zoo.ts';
import { firstBatch, fixedBatches } from '../support/training/fixed-batches.ts';
import { type Call, type CallOptions, type Outcome, startCommand } from './command.ts';

/** What recipes differ in, by their names. */
const variants = {
  f32: { workers: 1, more: '' },
  mixed: { workers: 1, more: 'precision = mixed(compute = f16, master = f32, loss_scale = dynamic)' },
  chunk: { workers: 1, more: 'chunk = 2' },
  workers: { workers: 2, more: '' },
} as const;
export type RecipeName = keyof typeof variants;
export const recipes = Object.keys(variants) as RecipeName[];

const pictures = 24;
/** Steps of every recipe. */
const steps = 40;

/** A recipe that trains the tiny model on `table`. */
export function recipeText(
  name: string,
  table: string,
  { workers, more }: { workers: number; more: string },
): string {
  return `
train "${name}" of "tiny" {
  data = csv("${table}", workers = ${workers}, cache = 0, augment = [shift(2), flip()])
  batch = 4
  ${more}
  optimizer = adamw(lr = 1e-3, weight_decay = 0.1)
  schedule = cosine(warmup = 1 steps, total = ${steps} steps)
  clamp logit_scale in 0 .. ln(100)
  checkpoint every 3 steps keep 2
}
`;
}

/** Pictures with the table that names them, for a program beside it and for one in the folder of a case. */
async function makePictures(folder: string): Promise<void> {
  const formats = ['jpeg', 'png', 'webp'] as const;
  const rows = ['filepath\ttitle'];
  for (let i = 0; i < pictures; i++) {
    const format = formats[i % formats.length]!;
    const background = { r: (i * 37) % 256, g: (i * 91) % 256, b: (i * 53) % 256 };
    const picture = sharp({ create: { width: 24 + i, height: 40 - i, channels: 3, background } });
    writeFileSync(join(folder, `p${i}.${format}`), await picture.toFormat(format).toBuffer());
    // Six bytes fit into the context.
    rows.push(`p${i}.${format}\tno. ${i}`);
  }
  const table = `${rows.join('\n')}\n`;
  writeFileSync(join(folder, 'table.tsv'), table);
  writeFileSync(join(folder, 'table-of-cases.tsv'), table.replaceAll(/^p/gm, '../../p'));
}

/** A run that nobody disturbed. */
export interface Uncut {
  readonly folder: string;
  readonly milliseconds: number;
}

export class Laboratory {
  readonly #folder: string;
  readonly #main: string;
  readonly #made = new Map<string, unknown>();

  private constructor(folder: string, main: string) {
    this.#folder = folder;
    this.#main = main;
  }

  static async open(): Promise<Laboratory> {
    const folder = mkdtempSync(join(tmpdir(), 'zooc-faults-'));
    for (const name of ['command', 'cases', 'temporary']) mkdirSync(join(folder, name));
    const text = recipes.map((name) => recipeText(name, 'table.tsv', variants[name])).join('');
    writeFileSync(join(folder, 'tiny.zoo'), tinyZoo + text);
    writeFileSync(join(folder, 'labels.txt'), 'no. 1\nno. 2\nno. 3\n');
    writeFileSync(join(folder, 'templates.txt'), '{}\nthe {}\n');
    const batches = fixedBatches(2, 4, { resolution: 16, context: 8, vocab: 520 });
    writeFileSync(join(folder, 'batches.safetensors'), encodeSafetensors(batches));
    const { images } = Object.fromEntries(firstBatch(batches));
    writeFileSync(join(folder, 'images.safetensors'), encodeSafetensors(new Map([['images', images!]])));
    await makePictures(folder);
    return new Laboratory(folder, await buildCommand(join(folder, 'command')));
  }

  path(...names: string[]): string {
    return join(this.#folder, ...names);
  }

  start(
    args: readonly string[],
    { temporary, ...options }: Partial<CallOptions> & { temporary: string },
  ): Call {
    const own = { ZOOC_DEBUG: '', ZOOC_CACHE: this.path('cache'), TMPDIR: temporary };
    return startCommand(this.#main, args, { cwd: this.#folder, env: { ...process.env, ...own }, ...options });
  }

  /** A call that nobody disturbs. */
  async succeed(args: readonly string[]): Promise<Outcome> {
    const outcome = await this.start(args, { temporary: this.path('temporary') }).ended;
    if (outcome.code !== 0)
      throw new Error(`zooc ${args.join(' ')} ended with ${outcome.code}: ${outcome.stderr}`);
    return outcome;
  }

  /** What `make` gives, made once under this name. */
  async once<T>(name: string, make: () => Promise<T>): Promise<T> {
    if (!this.#made.has(name)) this.#made.set(name, await make());
    return this.#made.get(name) as T;
  }

  /** Such a run, with these options besides. */
  uncut(recipe: RecipeName, options: readonly string[]): Promise<Uncut> {
    const folder = `uncut-${[recipe, ...options].join('-').replaceAll(/[^\w]+/g, '-')}`;
    return this.once(folder, async () => {
      const began = performance.now();
      await this.succeed(['train', `tiny.zoo#${recipe}`, '--out', folder, ...options]);
      return { folder, milliseconds: performance.now() - began };
    });
  }

  read(...names: string[]): Buffer {
    return readFileSync(this.path(...names));
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
