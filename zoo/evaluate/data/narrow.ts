/** A part of a data set: some classes, or some pictures. */
import { fail } from '../../../grammar/diagnostics.ts';
import { pathIn } from '../../../runtime/data/sources/columns/path.ts';
import { readTexts } from '../../run/text-lists.ts';
import type { SuiteEntry } from '../suite.ts';
import type { OpenedData, Pictures, Truth } from './types.ts';

/** What is right for some pictures of `count`. */
export function truthAt(truth: Truth, rows: readonly number[], count: number): Truth {
  switch (truth.kind) {
    case 'classification':
      return { ...truth, labels: Int32Array.from(rows, (row) => truth.labels[row]!) };
    case 'multilabel': {
      const width = truth.targets.length / count;
      return {
        ...truth,
        targets: Int32Array.from(
          rows.flatMap((row) => [...truth.targets.subarray(row * width, (row + 1) * width)]),
        ),
      };
    }
    case 'retrieval':
      return { ...truth, texts: rows.map((row) => truth.texts[row]!) };
  }
}

function picturesAt(pictures: Pictures, rows: readonly number[], what: string): Pictures {
  return {
    ...pictures,
    count: rows.length,
    identity: `${pictures.identity} ${what}`,
    picture: (index) => pictures.picture(rows[index]!),
  };
}

/** So many pictures, spread evenly over all of them. */
export function limited<D extends OpenedData>(data: D, limit: number): D {
  const { count } = data.pictures;
  if (count <= limit) return data;
  const rows = Array.from({ length: limit }, (_, i) => Math.floor(((i + 0.5) * count) / limit));
  return {
    ...data,
    pictures: picturesAt(data.pictures, rows, `limit ${limit}`),
    truth: truthAt(data.truth, rows, count),
  };
}

/** The pictures of some classes, among these classes alone. @throws DiagnosticError Z460 */
export function subsetOf(data: OpenedData, { name, subset, folder }: SuiteEntry): OpenedData {
  const { truth, classes, pictures } = data;
  const wanted = typeof subset === 'string' ? readTexts(pathIn(folder, subset)) : subset!;
  if (truth.kind !== 'classification')
    fail('Z460', `${name}: a subset of classes goes with one right class a picture`);
  const places = wanted.map((one): number => {
    if (typeof one === 'number' || (classes === undefined && /^\d+$/.test(one))) return Number(one);
    const place = classes?.findIndex((names) => [names].flat().includes(one)) ?? -1;
    return place >= 0
      ? place
      : fail('Z460', `${name}: the subset's class ${JSON.stringify(one)} is none of its classes`);
  });
  const order = new Map(places.map((place, i) => [place, i]));
  const rows = [...truth.labels.keys()].filter((row) => order.has(truth.labels[row]!));
  if (rows.length === 0) fail('Z460', `${name}: no picture is of a class of the subset`);
  return {
    ...data,
    pictures: picturesAt(pictures, rows, `subset ${places.join(' ')}`),
    truth: { ...truth, labels: Int32Array.from(rows, (row) => order.get(truth.labels[row]!)!) },
    classes:
      classes && places.map((place) => classes[place] ?? fail('Z460', `${name}: it has no class ${place}`)),
  };
}
