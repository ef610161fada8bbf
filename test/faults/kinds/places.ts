/** Places on command lines where files are read and written. */
import { tinyZoo } from '../../support/models/tiny-zoo.ts';
import { words } from '../command.ts';
import { type Laboratory, recipeText } from '../laboratory.ts';

/** The folder of a finished run. */
export async function trained(lab: Laboratory): Promise<string> {
  return (await lab.uncut('workers', ['--device', 'reference'])).folder;
}

/** A place where a file is read. */
export interface Place {
  /** The file's name, whose end may matter. */
  readonly file: string;
  /** A right file of the laboratory. */
  right(lab: Laboratory): string | Promise<string>;
  /** The call, with the path that the file has for it; `out` is where the call may write. */
  args(path: string, out: string, trained: string): string[];
  /** A program beside the file that names it. */
  readonly program?: string;
  /** What is no file may stand there and be called so. */
  readonly lenient?: boolean;
}

const text = (name: string) => () => name;
const weights = async (lab: Laboratory) => `${await trained(lab)}/weights.safetensors`;

/** A recipe with this data; `more` are further settings. */
const programOf = (data: string, more = ''): string =>
  tinyZoo + recipeText('bad', 'TABLE', { workers: 1, more }).replace(/csv\(.*\)\n/, `${data}\n`);
const trainBeside = (path: string, out: string): string[] => {
  const folder = path.replace(/[^/]*$/, '');
  return words(`train ${folder}program.zoo#bad --out ${out} --steps 2 --device reference`);
};

const classify = (run: string, rest: string) =>
  words(`classify tiny.zoo#tiny --weights ${run} --device reference ${rest}`);
const embed = (run: string, rest: string) =>
  words(`embed tiny.zoo#tiny --weights ${run} --device reference ${rest}`);
const run = (weights: string, rest: string) =>
  words(`run tiny.zoo#tiny --weights ${weights} --device reference ${rest}`);

const program: Pick<Place, 'file' | 'right'> = { file: 'bad.zoo', right: text('tiny.zoo') };

export const places: Readonly<Record<string, Place>> = {
  check: { ...program, args: (path) => ['check', path] },
  fmt: { ...program, args: (path) => ['fmt', path] },
  show: { ...program, args: (path) => ['show', `${path}#tiny`] },
  compile: {
    ...program,
    args: (path, out) => words(`compile ${path}#tiny --entry logits --batch 2 --out ${out}`),
  },
  'import in a program': {
    ...program,
    program: 'import "./bad.zoo" { tiny }\nmodel "m" = "tiny"\n',
    args: (path) => ['check', path.replace('bad.zoo', 'program.zoo')],
  },
  table: {
    file: 'bad.tsv',
    right: text('table-of-cases.tsv'),
    program: programOf('csv("bad.tsv")'),
    args: trainBeside,
  },
  batches: {
    file: 'bad.safetensors',
    right: text('batches.safetensors'),
    program: programOf('tensors("bad.safetensors")'),
    args: trainBeside,
  },
  'weights to start from': {
    file: 'bad.safetensors',
    right: weights,
    program: programOf('csv("../../table.tsv")').replace(
      ' of "tiny" {',
      ' of "tiny" from "bad.safetensors" {',
    ),
    args: trainBeside,
  },
  picture: {
    file: 'bad.png',
    right: text('p1.png'),
    args: (path, _, run) => classify(run, `--labels labels.txt ${path} p2.webp`),
  },
  'embed --images': {
    file: 'bad.jpg',
    right: text('p0.jpeg'),
    args: (path, out, run) => embed(run, `--images ${path} --out ${out}.npy`),
  },
  'embed --texts': {
    file: 'bad.txt',
    right: text('labels.txt'),
    args: (path, out, run) => embed(run, `--texts @${path} --out ${out}.npy`),
  },
  '--labels': {
    file: 'bad.txt',
    right: text('labels.txt'),
    lenient: true,
    args: (path, _, run) => classify(run, `--labels ${path} p1.png`),
  },
  '--templates': {
    file: 'bad.txt',
    right: text('templates.txt'),
    args: (path, _, run) => classify(run, `--labels labels.txt --templates ${path} p1.png`),
  },
  'classify --weights': {
    file: 'bad.safetensors',
    right: weights,
    args: (path) => classify(path, '--labels a,b p1.png'),
  },
  'run --weights': {
    file: 'bad.pt',
    right: weights,
    args: (path, out) => run(path, `--entry logits --inputs hash --batch 2 --out ${out}`),
  },
  'run --inputs': {
    file: 'bad.safetensors',
    right: text('images.safetensors'),
    args: (path, out, weights) => run(weights, `--entry encode_image --inputs ${path} --out ${out}`),
  },
  export: {
    file: 'bad.safetensors',
    right: weights,
    args: (path, out) => words(`export ${path} --model tiny.zoo#tiny --format zoo --out ${out}`),
  },
  import: {
    file: 'bad.bin',
    right: weights,
    args: (path, out) => words(`import ${path} --model tiny.zoo#tiny --format openai --out ${out}`),
  },
  blend: {
    file: 'bad.safetensors',
    right: weights,
    args: (path, out, run) => words(`blend ${run} ${path} --alpha 0.5 --out ${out}`),
  },
};

/** Calls by where they write. */
export const outs: Readonly<Record<string, (out: string, trained: string) => string[]>> = {
  'train --out': (out) => words(`train tiny.zoo#f32 --out ${out} --steps 1 --device reference`),
  'export --out': (out, run) => words(`export ${run} --model tiny.zoo#tiny --format hf --out ${out}`),
  'run --out': (out, weights) => run(weights, `--entry logits --inputs hash --batch 2 --out ${out}`),
  'embed --out': (out, run) => embed(run, `--texts a --out ${out}`),
  'import --out': (out, run) => words(`import ${run} --model tiny.zoo#tiny --format openai --out ${out}`),
  'blend --out': (out, run) => words(`blend ${run} ${run} --alpha 0.5 --out ${out}`),
  'compile --out': (out) => words(`compile tiny.zoo#tiny --entry logits --batch 2 --out ${out}`),
};
