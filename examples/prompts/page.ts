/** The HTML page: accuracy against shots, and the tables behind the curves. */
import { chartStyle, renderChart } from '../emoji/chart.ts';
import { percent, renderDocument, textTable, trainingSources } from '../emoji/document.ts';
import { baselineHead, baselineRows, chance, type Results, shotHead, shotRows, spread } from './results.ts';

/** The page as one HTML document. */
export function renderPrompts(results: Results, facts: readonly string[]): string {
  const best = results.baselines.reduce((a, b) => (b.accuracy > a.accuracy ? b : a));
  const chart = renderChart({
    title: 'Accuracy of learned prompts against shots, with hand-written prompts for comparison',
    x: 'labelled pictures of each class (logarithmic)',
    y: 'accuracy on the test pictures',
    series: results.curves.map(({ label, results }) => ({
      label,
      points: results.map(({ shots, accuracies }) => {
        const { mean, deviation } = spread(accuracies);
        return { x: shots, y: mean, deviation };
      }),
    })),
    levels: [
      { label: `best hand-written prompts, ${percent(best.accuracy)}`, y: best.accuracy },
      { label: `chance, ${percent(chance)}`, y: chance },
    ],
  });
  const { pictures, captions } = trainingSources;
  return renderDocument({
    heading: 'Learned prompts against hand-written ones',
    facts,
    style: chartStyle,
    body: [
      chart,
      '<p>Points are means over the seeds, bars their standard deviation. A seed draws the shots and the first context vectors.</p>',
      textTable(shotHead(results), shotRows(results)),
      textTable(baselineHead, baselineRows(results)),
    ].join('\n'),
    sources: `Pictures: ${pictures}. Names and classes: ${captions}.`,
  });
}
