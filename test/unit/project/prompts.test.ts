/** The example of learned prompts: classes, split, shots, tables, and what is shown of the results. */
import { describe, expect, it } from 'vitest';
import { readCatalog } from '../../../examples/emoji/catalog.ts';
import { renderChart } from '../../../examples/emoji/chart.ts';
import { renderPrompts } from '../../../examples/prompts/page.ts';
import { tablesOf } from '../../../examples/prompts/prepare.ts';
import { baselineRows, type Results, shotRows } from '../../../examples/prompts/results.ts';
import {
  classes,
  classNames,
  drawShots,
  type Labelled,
  makeTask,
  seeds,
  shotCounts,
} from '../../../examples/prompts/task.ts';

const catalog = readCatalog();
const task = makeTask(catalog);
const emojiOf = ({ picture }: Labelled) => picture.slice(picture.indexOf('/') + 1);
const names = (list: readonly Labelled[]) => list.map(({ picture }) => picture);

describe('classes', () => {
  it('are the largest subgroups of emoji but for other symbols, with names of their own', () => {
    const sizes = new Map<string, number>();
    for (const { subgroup, variant } of catalog)
      if (!variant) sizes.set(subgroup, (sizes.get(subgroup) ?? 0) + 1);
    sizes.delete('other-symbol');
    const largest = [...sizes].sort(([, a], [, b]) => b - a).slice(0, classNames.length);
    expect(Object.keys(classes).sort()).toEqual(largest.map(([name]) => name).sort());
    expect(new Set(classNames).size).toBe(32);
  });
});

describe('split', () => {
  it('has as many test pictures of each class, both styles of an emoji', () => {
    expect(task.test).toHaveLength(32 * 9 * 2);
    for (const label of classNames.keys()) {
      const own = task.test.filter((t) => t.label === label);
      expect(own.filter(({ picture }) => picture.startsWith('noto/'))).toHaveLength(9);
      expect(new Set(own.map(emojiOf)).size).toBe(9);
    }
  });

  it('keeps every emoji of the test, in either style, out of all shots', () => {
    const tested = new Set(task.test.map(emojiOf));
    expect(task.pool.flat().filter((shot) => tested.has(emojiOf(shot)))).toEqual([]);
    expect(Math.min(...task.pool.map((pictures) => pictures.length))).toBeGreaterThanOrEqual(16);
  });

  it('is the same whatever the order of the catalog', () => {
    expect(makeTask([...catalog].reverse())).toEqual(task);
  });
});

describe('shots', () => {
  it('are as many of each class, none twice', () => {
    for (const count of shotCounts) {
      const shots = drawShots(task, count, 1);
      for (const label of classNames.keys())
        expect(shots.filter((s) => s.label === label)).toHaveLength(count);
      expect(new Set(names(shots)).size).toBe(count * classNames.length);
    }
  });

  it('of a smaller number are among those of a larger one of the same seed; other seeds draw others', () => {
    const most = new Set(names(drawShots(task, 16, 1)));
    expect(names(drawShots(task, 4, 1)).filter((picture) => !most.has(picture))).toEqual([]);
    expect(drawShots(task, 4, 1)).toEqual(drawShots(task, 4, 1));
    expect(drawShots(task, 4, 2)).not.toEqual(drawShots(task, 4, 1));
  });

  it('are written with the names of their classes, a table for each number and seed', () => {
    const tables = tablesOf(task, '/x/examples/prompts/data');
    expect(tables.size).toBe(1 + shotCounts.length * seeds.length);
    expect(tables.get('classes.txt')!.trimEnd().split('\n')).toEqual(classNames);
    const [head, ...rows] = tables.get('shots-2-seed-3.csv')!.trimEnd().split('\n');
    expect(head).toBe('filepath\tclass');
    const drawn = drawShots(task, 2, 3);
    expect(rows.map((row) => row.split('\t')[1])).toEqual(drawn.map(({ label }) => classNames[label]));
    expect(rows.every((row, i) => row.split('\t')[0]!.endsWith(`/emoji/data/${drawn[i]!.picture}`))).toBe(
      true,
    );
  });
});

const results: Results = {
  baselines: [
    { prompts: ['a <b>{}</b>'], accuracy: 0.25 },
    { prompts: ['{}', '{} emoji'], accuracy: 0.3 },
  ],
  curves: [
    {
      label: 'one & all',
      results: [
        { shots: 1, accuracies: [0.1, 0.2, 0.3] },
        { shots: 4, accuracies: [0.4, 0.4, 0.4] },
      ],
    },
  ],
};

describe('results', () => {
  it('are means and standard deviations over the seeds, beside hand-written prompts and chance', () => {
    expect(shotRows(results)).toEqual([
      ['1', '20.0 ± 10.0 %'],
      ['4', '40.0 ± 0.0 %'],
    ]);
    expect(baselineRows(results)).toEqual([
      ['a <b>{}</b>', '25.0 %'],
      ['mean of {}, {} emoji', '30.0 %'],
      ['chance', '3.1 %'],
    ]);
  });

  it('are one page with a curve, its deviations and the levels, with markup made harmless', () => {
    const html = renderPrompts(results, ['one fact']);
    expect(html).toContain('one fact');
    expect(html).toContain('best hand-written prompts, 30.0 %');
    expect(html).toContain('<td>20.0 ± 10.0 %</td>');
    expect(html).toContain('one &#38; all');
    expect(html).not.toContain('<b>{}');
    expect(html).not.toMatch(/src=|href=/);
    const [svg] = /<svg[\s\S]*<\/svg>/.exec(html)!;
    const [first, last] = /<polyline[^>]*points="([^"]+)"/
      .exec(svg)![1]!
      .split(' ')
      .map((point) => point.split(',').map(Number));
    // Upwards is a smaller y in SVG.
    expect(first![0]).toBeLessThan(last![0]!);
    expect(first![1]).toBeGreaterThan(last![1]!);
    const [, x, low, high] = /<path class="line" d="M(\S+) (\S+)V(\S+)"/.exec(svg)!.map(Number);
    expect(x).toBe(first![0]);
    expect((low! + high!) / 2).toBeCloseTo(first![1]!, 0);
    expect(low).toBeGreaterThan(high!);
  });
});

describe('chart', () => {
  it('puts the name of a level above it, or below where a curve passes', () => {
    const side = (last: number) => {
      const points = [
        { x: 1, y: 0.1 },
        { x: 2, y: last },
      ];
      const level = { label: 'a level', y: 0.5 };
      const html = renderChart({
        title: 't',
        x: 'x',
        y: 'y',
        series: [{ label: 's', points }],
        levels: [level],
      });
      const line = Number(/class="level"[^>]* y1="([^"]+)"/.exec(html)![1]);
      const text = Number(/ y="([^"]+)"[^>]*>a level/.exec(html)![1]);
      return text < line ? 'above' : 'below';
    };
    expect(side(0.8)).toBe('above');
    expect(side(0.52)).toBe('below');
    expect(side(0.4)).toBe('above');
  });
});
