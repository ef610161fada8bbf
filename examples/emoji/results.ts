/** What `zooc evaluate` measured by suite.json, as the tables that the command, the page and the model card show. */

import { count } from '../../zoo/cli/output.ts';
import type { Metrics, Result } from '../../zoo/evaluate/results.ts';
import { chanceText, percent } from './document.ts';

/** How many captions a picture's own is sought among. */
export interface Choices {
  /** Of unseen combinations. */
  readonly combinations: number;
  /** Of concepts drawn in the unseen style. */
  readonly concepts: number;
  /** Of everything. */
  readonly captions: number;
}

export interface ResultTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

type Line = readonly [label: string, dataset: string];

/** @param results of all sets of suite.json, in any order */
export function resultTables(results: readonly Result[], choices: Choices): ResultTable[] {
  const found = (dataset: string): Result => results.find((result) => result.dataset === dataset)!;

  const zeroShot = (title: string, lines: readonly (readonly [...Line, number])[]): ResultTable => ({
    head: [title, 'pictures', 'captions', 'top-1', '95 %', 'top-5', 'chance'],
    rows: lines.map(([label, dataset, among]) => {
      const { n, metrics, ci95 } = found(dataset);
      const [low, high] = ci95!.acc1!;
      const range = `${(100 * low).toFixed(1)} to ${percent(high)}`;
      return [
        label,
        count(n),
        count(among),
        percent(metrics.acc1!),
        range,
        percent(metrics.acc5!),
        chanceText(among),
      ];
    }),
  });

  const both = (lines: readonly (readonly [...Line, string])[]): ResultTable => ({
    head: ['groups', 'pictures', 'linear probe', '10 nearest neighbours'],
    rows: lines.map(([label, probe, neighbours]) => [
      label,
      count(found(probe).n),
      percent(found(probe).metrics.lp_acc1!),
      percent(found(neighbours).metrics['knn_acc1@10']!),
    ]),
  });

  const recalls = (kind: string, metrics: Metrics): string =>
    [1, 5, 10].map((k) => (100 * metrics[`${kind}_retrieval_recall@${k}`]!).toFixed(1)).join(' / ');
  const retrieval = (lines: readonly Line[]): ResultTable => ({
    head: ['retrieval, recall at 1 / 5 / 10 in %', 'pictures', 'picture of a text', 'text of a picture'],
    rows: lines.map(([label, dataset]) => {
      const { n, metrics } = found(dataset);
      return [label, count(n), recalls('image', metrics), recalls('text', metrics)];
    }),
  });

  const { combinations, concepts, captions } = choices;
  return [
    zeroShot('unseen combinations', [
      ['the name alone', 'unseen combinations, the name alone', combinations],
      ['one prompt', 'unseen combinations, one prompt', combinations],
      ['mean of four prompts', 'unseen combinations', combinations],
      ['mean of four prompts, all captions', 'unseen combinations, all captions', captions],
    ]),
    zeroShot('unseen style', [
      ['trained styles, trained pictures', 'trained styles', concepts],
      ['unseen style (OpenMoji)', 'unseen style', concepts],
      ['unseen style, all captions', 'unseen style, all captions', captions],
    ]),
    both([
      ['trained styles', 'groups, trained styles, probe', 'groups, trained styles, neighbours'],
      ['unseen style (OpenMoji)', 'groups, unseen style, probe', 'groups, unseen style, neighbours'],
    ]),
    retrieval([
      ['unseen combinations', 'pairs of unseen combinations'],
      ['unseen style, names and keywords', 'pairs in the unseen style'],
    ]),
  ];
}
