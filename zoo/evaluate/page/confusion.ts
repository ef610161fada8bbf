/** Which classes are recognised least, and what they are taken for. */
import type { Evaluated } from '../evaluate.ts';
import { nameOfClass } from '../prompts.ts';

export interface ClassResult {
  readonly name: string;
  readonly pictures: number;
  /** Share that is recognised. */
  readonly recall: number;
  /** What the others are taken for most often. */
  readonly takenFor: readonly { readonly name: string; readonly count: number }[];
}

/** Other classes that are named. */
const named = 3;

/** Of each class that occurs, the worst first. */
export function classResults({ set, told }: Evaluated): ClassResult[] {
  const { truth, classes } = set;
  if (told === undefined || truth.kind !== 'classification' || classes === undefined) return [];
  const rows = new Map<number, number[]>();
  for (const [row, label] of truth.labels.entries()) {
    const own = rows.get(label) ?? [];
    rows.set(label, own);
    own.push(told.best[row]![0]!.index);
  }
  const found = [...rows].map(([label, predictions]): ClassResult => {
    const counts = new Map<number, number>();
    for (const prediction of predictions) counts.set(prediction, (counts.get(prediction) ?? 0) + 1);
    const right = counts.get(label) ?? 0;
    counts.delete(label);
    const others = [...counts].sort(([, a], [, b]) => b - a).slice(0, named);
    return {
      name: nameOfClass(classes[label]!),
      pictures: predictions.length,
      recall: right / predictions.length,
      takenFor: others.map(([other, count]) => ({ name: nameOfClass(classes[other]!), count })),
    };
  });
  return found.sort((a, b) => a.recall - b.recall || b.pictures - a.pictures);
}

/** `[true class][told class]`: how often; for few enough classes to be seen. */
export function confusionMatrix(
  { set, told }: Evaluated,
  mostClasses: number,
): { readonly names: readonly string[]; readonly counts: readonly (readonly number[])[] } | undefined {
  const { truth, classes } = set;
  if (told === undefined || truth.kind !== 'classification' || classes === undefined) return undefined;
  if (classes.length > mostClasses) return undefined;
  const counts = classes.map(() => new Array<number>(classes.length).fill(0));
  for (const [row, label] of truth.labels.entries()) counts[label]![told.best[row]![0]!.index]!++;
  return { names: classes.map(nameOfClass), counts };
}
