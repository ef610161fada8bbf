/**
 * Bad inputs: something else in the place of each file that a verb reads or writes, and command lines made of the right words
 * in wrong ways. Refused in words, with nothing written; what happens to be right after all is done.
 */
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { claim, type Trial } from '../trial.ts';
import { badCommandLine } from './bad-command-lines.ts';
import { contents, irregular, makeSparse, nowhere } from './bad-files.ts';
import { outs, type Place, places, trained } from './places.ts';

const listing = (trial: Trial) =>
  readdirSync(trial.at(), { recursive: true, encoding: 'utf8' }).sort().join('\n');

/** Makes something of these that is no file or not there; says what. */
async function putOther(
  trial: Trial,
  path: string,
  kinds: Readonly<Record<string, (path: string) => unknown>>,
): Promise<string> {
  const what = trial.draw.pick(Object.keys(kinds));
  await kinds[what]!(path);
  return what;
}

/** Makes a bad file; whether it has to be refused. */
async function putBad(trial: Trial, { file, right }: Place): Promise<{ what: string; refused: boolean }> {
  const { draw, lab } = trial;
  const path = trial.at(file);
  const kind = draw.weighted([
    [3, 'irregular'],
    [1, 'nowhere'],
    [1, 'sparse'],
    [8, 'content'],
  ] as const);
  if (kind === 'irregular') return { what: await putOther(trial, path, irregular), refused: true };
  if (kind === 'nowhere') return { what: await putOther(trial, path, nowhere), refused: true };
  if (kind === 'sparse') {
    makeSparse(path);
    return { what: 'eight GiB of nothing', refused: true };
  }
  const what = draw.pick(Object.keys(contents));
  writeFileSync(path, contents[what]!(Buffer.from(lab.read(await right(lab))), draw));
  return { what, refused: false };
}

async function badFile(trial: Trial): Promise<string> {
  const { draw, lab } = trial;
  const name = draw.pick(Object.keys(places));
  const place = places[name]!;
  if (place.program !== undefined) writeFileSync(trial.at('program.zoo'), place.program);
  const call = place.args(trial.name(place.file), trial.name('out'), await trained(lab));
  await lab.once(`the right file of ${name}`, async () => {
    // Else whatever is refused would be refused for another reason.
    const path = trial.at(place.file);
    cpSync(lab.path(await place.right(lab)), path);
    await lab.succeed(call);
    for (const made of [path, trial.at('out'), trial.at('out.npy')])
      rmSync(made, { recursive: true, force: true });
  });
  const { what, refused } = await putBad(trial, place);
  trial.note(`${place.file} is ${what}`);
  const before = listing(trial);
  const { code } = await trial.run(call);
  claim(code === 1 || !refused || place.lenient === true, `${name} takes ${what}`);
  if (code === 1) claim(listing(trial) === before, 'a call that was refused has written');
  return `${name}: ${code === 1 ? 'refused' : 'done'}`;
}

async function badOut(trial: Trial): Promise<string> {
  const { draw, lab } = trial;
  const name = draw.pick(Object.keys(outs));
  const { 'a folder': _, ...kinds } = irregular;
  const what = await putOther(trial, trial.at('there'), kinds);
  trial.note(`there is ${what}`);
  // In its place, or below it.
  const out = trial.name(draw.pick(['there', 'there', 'there/below', 'there/far/below']));
  const before = listing(trial);
  const { code } = await trial.run(outs[name]!(out, await trained(lab)));
  claim(code === 1, `${name} writes into ${what}`);
  claim(listing(trial) === before, 'a call that was refused has written');
  return `${name}: refused`;
}

/** Runs in its own folder, on copies, since any word may become the place to write to. */
async function badWords(trial: Trial): Promise<string> {
  const { draw, lab } = trial;
  for (const name of ['tiny.zoo', 'table.tsv', 'p1.png']) cpSync(lab.path(name), trial.at(name));
  cpSync(lab.path(await trained(lab)), trial.at('trained'), { recursive: true });
  const before = listing(trial);
  const { code } = await trial.run(badCommandLine(draw), { inside: true });
  if (code === 1) claim(listing(trial) === before, 'a call that was refused has written');
  return `command lines: ${code === 1 ? 'refused' : 'done'}`;
}

export function inputs(trial: Trial): Promise<string> {
  const kind = trial.draw.weighted([
    [5, badFile],
    [2, badOut],
    [3, badWords],
  ] as const);
  return kind(trial);
}
