/** The HTML page: the curves, the table behind them, and what the scores are. */
import { escapeHtml } from '../../runtime/report/html.ts';
import { count } from '../../zoo/cli/output.ts';
import { chartStyle, renderChart } from '../emoji/chart.ts';
import { chanceText, percent, renderDocument, textTable, trainingSources } from '../emoji/document.ts';
import { accuracies, type Curve, drawn, pairsUntil, runnerUp } from './curves.ts';

export interface PageContent {
  /** Short facts under the heading. */
  readonly facts: readonly string[];
  readonly curves: readonly Curve[];
  /** Captions that a picture's is sought among. */
  readonly choices: number;
}

function section(title: string, ...parts: readonly string[]): string {
  return `<section><h2>${escapeHtml(title)}</h2>${parts.join('\n')}</section>`;
}

function paragraph(text: string): string {
  return `<p>${escapeHtml(text)}</p>`;
}

/** Top-1 and top-5 of the drawn scores at every point. */
export function pointRows(curves: readonly Curve[]): string[][] {
  return curves[0]!.points.map(({ pairs }, i) => [
    count(pairs),
    ...curves.map((curve) => {
      const { top1, top5 } = curve.points[i]!.scores[drawn(curve)]!;
      return `${percent(top1)} / ${percent(top5)}`;
    }),
  ]);
}

/** Every score at the end of the runs, and for drawn ones the pairs until the second-best objective's accuracy. */
export function finalRows(curves: readonly Curve[]): string[][] {
  const accuracy = runnerUp(curves);
  return curves.flatMap((curve) =>
    Object.entries(curve.scores).map(([name, meaning]) => {
      const { top1, top5 } = curve.points.at(-1)!.scores[name]!;
      const needed = pairsUntil(curve, accuracy);
      const until = needed === undefined ? 'not reached' : count(Math.round(needed));
      const reached = name === drawn(curve) ? until : '';
      return [curve.label, meaning, percent(top1), percent(top5), reached];
    }),
  );
}

export const pointHead = (curves: readonly Curve[]): string[] => [
  'pairs seen',
  ...curves.map((c) => c.label),
];

export const finalHead = (curves: readonly Curve[]): string[] => [
  'objective',
  'score of a caption',
  'top-1',
  'top-5',
  `pairs until ${percent(runnerUp(curves))}`,
];

/** The page as one HTML document. */
export function renderAblation({ facts, curves, choices }: PageContent): string {
  const chart = renderChart({
    title: 'Zero-shot accuracy against pairs seen, for three objectives',
    x: `pairs seen (logarithmic); dashed: chance, ${percent(1 / choices)}`,
    y: 'zero-shot top-1 accuracy',
    series: curves.map((curve) => ({
      label: curve.label,
      points: accuracies(curve).map(({ pairs, accuracy }) => ({ x: pairs, y: accuracy })),
    })),
    // Curves that have not learned anything yet lie where the level's own label would stand.
    levels: [{ label: '', y: 1 / choices }],
  });
  const { pictures, captions } = trainingSources;
  return renderDocument({
    heading: 'Three objectives, one image tower',
    facts,
    style: chartStyle,
    body: [
      chart,
      section(
        'Accuracy against pairs seen',
        textTable(pointHead(curves), pointRows(curves)),
        paragraph(
          `Top-1 / top-5 among ${choices} captions of skin-tone variants that training never saw; every word of them was seen, the combination never. Chance is ${chanceText(choices)}. The learning rate falls over the whole run, so points before the last are not as good as a run that ended there.`,
        ),
      ),
      section(
        'At the end',
        textTable(finalHead(curves), finalRows(curves)),
        paragraph(
          'The first score of each objective is the one that is drawn. Pairs until the second-best objective’s accuracy are read off straight lines between the points.',
        ),
      ),
      section(
        'What was compared',
        paragraph(
          'The same image tower, a ViT for 32 × 32 pixels, from the same initial weights, on the same pairs in the same order, with the same optimizer. The caption language model writes the caption token by token while it looks at the tower’s tokens; a caption’s score is its log-likelihood, the sum over its tokens and the end mark, not divided by its length. The bag of words says which words go with a picture, in no order; a caption’s score is the mean log-probability of its distinct words. The contrastive model compares features of picture and caption by their cosine. Words are pieces of a vocabulary of 1 536.',
        ),
        paragraph(
          'In Figure 2 of the CLIP paper (Radford et al. 2021), bag of words was three times as efficient as the caption language model on ImageNet, and the contrastive objective four times as efficient as bag of words.',
        ),
      ),
    ].join('\n'),
    sources: `Trained and tested on pictures of ${pictures}. Captions: ${captions}.`,
  });
}
