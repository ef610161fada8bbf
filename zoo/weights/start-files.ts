/**
 * Weights that come from several files, each for the weights that a pattern names.
 *
 * A file may hold more than is taken from it. Its names are the model's own, or those below what the pattern
 * begins with: `teacher.visual.proj` is `visual.proj` in a file of CLIP. What no pattern fits starts fresh.
 */
import { dirname, resolve } from 'node:path';
import { checkWeights } from '../../compiler/model/index.ts';
import { startFileWeights } from '../../compiler/model/recipes/start-files.ts';
import type { Model, Recipe, StartFile, Weight } from '../../compiler/model/types.ts';
import { isHubName } from '../hub/names.ts';
import { checkBeside, silenceRemarks } from './beside/compare.ts';
import type { TensorFile } from './formats/tensor-file.ts';
import { initialWeight } from './initial-weights.ts';
import { type Detected, detectNaming, wantedTensors, weightTensors } from './naming.ts';
import { replacedRemarks, replacedWeights } from './replaced.ts';
import { plainDtype, type WeightSource } from './source.ts';
import { fileWeights, formRemarks, refuseMisfit } from './tensors/tensor-weights.ts';
import { openWholeTensors } from './whole-tensors.ts';

/**
 * @param replaced weights that the caller makes itself: a file may lack them or have them in another shape
 * @throws DiagnosticError Z401 where a file does not fit, Z41x and Z42x where it cannot be read
 */
export async function openStartFiles(
  { model, seed, source }: Recipe,
  files: readonly StartFile[],
  replaced: ReadonlySet<string>,
): Promise<WeightSource> {
  const opened: WeightSource[] = [];
  const close = async () => {
    for (const part of opened) await part.close();
  };
  const places = new Map<string, WeightSource>();
  try {
    for (const [i, weights] of startFileWeights(model.weights, files).entries()) {
      const { path, pattern } = files[i]!;
      const part = await openPart(
        { ...model, weights },
        isHubName(path) ? path : resolve(dirname(source.path), path),
        {
          prefixes: fixedPrefixes(pattern),
          replaced,
          seed,
        },
      );
      opened.push(part);
      for (const { name } of weights) places.set(name, part);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const fresh = model.weights.filter(({ name }) => !places.has(name) && !replaced.has(name));
  const some = fresh.slice(0, 3).map(({ name }) => name);
  const more = fresh.length > some.length ? `, and ${fresh.length - some.length} more` : '';
  return {
    description: opened.map(({ description }) => description).join(', '),
    remarks: [
      ...opened.flatMap(({ remarks }) => remarks),
      ...(fresh.length === 0
        ? []
        : [`weights that no pattern of \`from\` fits start fresh: ${some.join(', ')}${more}`]),
    ],
    storedShape: (weight) => places.get(weight.name)?.storedShape(weight),
    storedDtype: (weight) => places.get(weight.name)?.storedDtype(weight) ?? plainDtype(weight),
    read: async (weight) =>
      places.get(weight.name)?.read(weight) ?? initialWeight(seed, weight.name, weight.shape, weight.init),
    close,
  };
}

/** What a pattern begins with, from nothing on: ``, `teacher.`, `teacher.visual.` of `teacher.visual.**`. */
function fixedPrefixes(pattern: string): string[] {
  const segments = pattern.split('.').slice(0, -1);
  const open = segments.findIndex((segment) => segment.includes('*'));
  const fixed = open < 0 ? segments : segments.slice(0, open);
  return ['', ...fixed.map((_, i) => `${fixed.slice(0, i + 1).join('.')}.`)];
}

/** @param model with the weights that the file is to give, and no others */
async function openPart(
  model: Model,
  path: string,
  options: { prefixes: readonly string[]; replaced: ReadonlySet<string>; seed: number },
): Promise<WeightSource> {
  const { prefixes, replaced, seed } = options;
  const file = await openWholeTensors(path);
  try {
    const { detected, prefix, fresh, left } = prefixes
      .map((begin) => detectBelow(model, file, begin))
      .reduce((a, b) => (b.detected.found > a.detected.found ? b : a));
    checkPart(model, file, detected, { prefix, replaced: new Set([...replaced, ...left]) });
    // What lies below a prefix is a part of the model, whose towers have other paths.
    if (prefix === '')
      checkBeside(model, file.path, { towers: towersOf(model.weights), resized: replaced.size > 0 });
    const remarks = [
      ...formRemarks(file, detected),
      ...replacedRemarks(file.path, fresh, []),
      ...(prefix === '' ? silenceRemarks(model, file.path) : []),
    ];
    const source = fileWeights(file, detected, remarks, seed);
    const stored = (weight: Weight) => ({ ...weight, name: below(weight.name, prefix) });
    return {
      description: source.description,
      remarks,
      storedShape: (weight) => source.storedShape(stored(weight)),
      storedDtype: (weight) => source.storedDtype(stored(weight)),
      // What starts fresh is drawn by the weight's own name.
      read: async (weight) =>
        source.storedShape(stored(weight)) === undefined
          ? initialWeight(seed, weight.name, weight.shape, weight.init)
          : source.read(stored(weight)),
      close: () => source.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The towers of a CLIP that have some of these weights. */
function towersOf(weights: readonly Weight[]): Set<'vision' | 'text'> {
  return new Set(weights.map(({ name }) => (name.startsWith('visual.') ? 'vision' : 'text')));
}

function below(name: string, prefix: string): string {
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

function detectBelow(model: Model, file: TensorFile, prefix: string) {
  const { stored, fresh, left } = replacedWeights(model, (name) => file.infos.has(below(name, prefix)));
  const renamed = stored.map((weight) => ({ ...weight, name: below(weight.name, prefix) }));
  return { detected: detectNaming(renamed, file.infos), prefix, fresh, left };
}

/** @throws DiagnosticError Z401 that names what the file lacks, or has in another shape */
function checkPart(
  model: Model,
  file: TensorFile,
  detected: Detected,
  { prefix, replaced }: { prefix: string; replaced: ReadonlySet<string> },
): void {
  const own = new Map(model.weights.map((weight) => [below(weight.name, prefix), weight]));
  const wanted = new Map(
    [...wantedTensors(detected)].flatMap(([name, tensor]) => {
      const weight = own.get(tensor.weight.name);
      return weight === undefined ? [] : [[name, { ...tensor, weight }] as const];
    }),
  );
  const held = [...weightTensors(file.infos, detected)].filter(([name]) => wanted.has(name));
  refuseMisfit(checkWeights(model, new Map(held), wanted, replaced), file, detected);
}
