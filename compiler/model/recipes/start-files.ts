/** `from { "teacher.**" = "l14.safetensors", "**" = "b32.safetensors" }`: files of weights by pattern. */
import type { TrainDecl } from '../../../grammar/ast.ts';
import type { Model, Recipe, StartFile, Weight } from '../types.ts';
import { matchesGlob } from '../values/globs.ts';
import type { Session } from '../values/session.ts';

/** The weights of each file: the first pattern that fits a weight decides. */
export function startFileWeights(
  weights: readonly Weight[],
  files: readonly StartFile[],
): readonly (readonly Weight[])[] {
  const decided = weights.map(({ name }) => files.findIndex(({ pattern }) => matchesGlob(pattern, name)));
  return files.map((_, i) => weights.filter((_, w) => decided[w] === i));
}

/** Undefined where the recipe has none. */
export function readStartFiles(decl: TrainDecl, model: Model | undefined, session: Session): Recipe['from'] {
  const [setting, ...more] = decl.settings.filter((s) => s.kind === 'from');
  if (setting === undefined) return undefined;
  const twice = more[0]?.span ?? decl.from?.span;
  if (twice !== undefined) session.report('Z505', twice, '`from` is given twice');
  const files = setting.files.map(({ pattern, weights }) => ({
    pattern: pattern.value,
    path: weights.value,
  }));
  if (model === undefined) return undefined;
  startFileWeights(model.weights, files).forEach((decided, i) => {
    if (decided.length > 0) return;
    const { value, span } = setting.files[i]!.pattern;
    const first = setting.files.find(({ pattern }) =>
      model.weights.some(({ name }) => matchesGlob(value, name) && matchesGlob(pattern.value, name)),
    );
    const late = first !== undefined && first.pattern.value !== value;
    const wider = [`${value}.**`, `**.${value}`].find((p) =>
      model.weights.some(({ name }) => matchesGlob(p, name)),
    );
    const message = late
      ? `all weights that "${value}" matches are those of "${first.pattern.value}" before it`
      : first === undefined
        ? `"${value}" matches no weight of ${model.name}`
        : `"${value}" stands there twice`;
    const help = late
      ? { help: `put "${value}" in front: the first pattern that fits a weight decides` }
      : first === undefined && wider !== undefined
        ? { help: `"${wider}" = ${JSON.stringify(files[i]!.path)}` }
        : {};
    session.report('Z504', span, message, help);
  });
  return { kind: 'files', files };
}
