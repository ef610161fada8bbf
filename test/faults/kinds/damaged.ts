/**
 * One file of a run or a package is damaged: whatever reads the folder gives the answer of the whole one, or refuses in words.
 * What no reader can tell, such as another digit in a row of `metrics.jsonl`, is no part of an answer.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { words } from '../command.ts';
import type { Laboratory } from '../laboratory.ts';
import { claim, type Trial } from '../trial.ts';
import { damage } from './damage.ts';

const reference = ['--device', 'reference'];

/** A folder to be damaged, as it is made in the laboratory. */
type Base = (lab: Laboratory) => Promise<string>;

const finished: Base = async (lab) => (await lab.uncut('workers', reference)).folder;
/** A run in its middle, as a kill leaves it. */
const half: Base = (lab) =>
  lab.once('half', async () => {
    await lab.succeed(['train', 'tiny.zoo#workers', '--out', 'half', '--steps', '20', ...reference]);
    rmSync(lab.path('half', 'weights.safetensors'));
    return 'half';
  });
const packed: Base = (lab) =>
  lab.once('packed', async () => {
    const model = ['--model', 'tiny.zoo#tiny', '--format', 'zoo'];
    await lab.succeed(['export', await finished(lab), ...model, '--out', 'packed']);
    return 'packed';
  });

/** What is done with a folder, and the bytes that it answers with. */
interface Use {
  readonly bases: readonly Base[];
  /** It writes into the folder itself. */
  readonly inPlace?: boolean;
  args(folder: string, out: string): string[];
  answer(out: string, stdout: string): string | Buffer;
}

const file = (name: string) => (out: string) => readFileSync(join(out, name));
const itself = (out: string) => readFileSync(out);

const both = [finished, packed];
const printed = (_: string, stdout: string): string => stdout;

const uses: Readonly<Record<string, Use>> = {
  'train --resume': {
    bases: [half, finished],
    inPlace: true,
    args: (folder) => words(`train tiny.zoo#workers --out ${folder} --resume --device reference`),
    answer: file('weights.safetensors'),
  },
  export: {
    bases: both,
    args: (folder, out) => words(`export ${folder} --model tiny.zoo#tiny --format zoo --out ${out}`),
    answer: file('weights.safetensors'),
  },
  'export hf': {
    bases: both,
    args: (folder, out) => words(`export ${folder} --model tiny.zoo#tiny --format hf --out ${out}`),
    answer: file('model.safetensors'),
  },
  classify: {
    bases: both,
    args: (folder) =>
      words(`classify ${folder} --labels labels.txt --json --device reference p1.png p2.webp`),
    answer: printed,
  },
  'classify --weights': {
    bases: both,
    args: (folder) =>
      words(
        `classify tiny.zoo#tiny --weights ${folder} --labels labels.txt --json --device reference p1.png p2.webp`,
      ),
    answer: printed,
  },
  run: {
    bases: both,
    args: (folder, out) =>
      words(`run ${folder} --entry logits --inputs hash --batch 2 --out ${out} --device reference`),
    answer: itself,
  },
  blend: {
    bases: both,
    args: (folder, out) => words(`blend ${folder} ${folder} --alpha 0.5 --out ${out}`),
    answer: itself,
  },
  'train --weights': {
    bases: both,
    args: (folder, out) =>
      words(`train tiny.zoo#workers --weights ${folder} --steps 2 --out ${out} --device reference`),
    answer: file('weights.safetensors'),
  },
};

/** The answer of a folder that is whole. */
function rightAnswer(lab: Laboratory, name: string, base: string): Promise<string | Buffer> {
  const place = `${name} of ${base}`.replaceAll(/\W+/g, '-');
  return lab.once(place, async () => {
    const { inPlace, args, answer } = uses[name]!;
    const [folder, out] = [`whole-${place}`, `answer-${place}`];
    cpSync(lab.path(base), lab.path(folder), { recursive: true });
    const { stdout } = await lab.succeed(args(folder, out));
    return answer(lab.path(inPlace ? folder : out), stdout);
  });
}

/** Damages a file of the folder: any of them, or one that holds numbers. */
function damageOne(trial: Trial, folder: string): void {
  const { draw } = trial;
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  const numbers = files.filter((name) => name.endsWith('.safetensors'));
  const victim = draw.pick(draw.chance(0.5) ? files : numbers);
  trial.note(`${victim}: ${damage(join(folder, victim), draw)}`);
}

export async function damaged(trial: Trial): Promise<string> {
  const { draw, lab } = trial;
  const name = draw.pick(Object.keys(uses));
  const { bases, inPlace, args, answer } = uses[name]!;
  const base = await draw.pick(bases)(lab);
  const right = await rightAnswer(lab, name, base);
  const [folder, out] = [trial.at('folder'), trial.at('out')];
  cpSync(lab.path(base), folder, { recursive: true });
  damageOne(trial, folder);
  const { code, stdout, stderr } = await trial.run(args(trial.name('folder'), trial.name('out')));
  if (code === 1) {
    claim(!existsSync(out), 'a call that was refused has written');
    return `${name}: refused`;
  }
  const given = Buffer.from(answer(inPlace ? folder : out, stdout));
  claim(given.equals(Buffer.from(right)), 'an answer that is not that of the whole folder, without a word');
  return `${name}: right${/^warning/m.test(stderr) ? ', with a warning' : ''}`;
}
