/** Curves over the steps of a run, drawn as they grow. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { h } from '../ui/dom.ts';

const height = 200;

/** A colour of the page's style as it is now, light or dark. */
function colour(probe: HTMLElement, name: string): string {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

export function shortNumber(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  const size = Math.abs(value);
  if (size !== 0 && size < 1e-4) return value.toExponential(1);
  return String(Number(value.toPrecision(4)));
}

export interface CurveOptions {
  readonly title: string;
  readonly format?: (value: number) => string;
  /** A level that is shown beside the curve. */
  readonly level?: { readonly name: string; readonly value: () => number | undefined };
  readonly range?: [number, number];
}

export interface Curve {
  readonly element: HTMLElement;
  add(step: number, value: number): void;
  /** The values by step. */
  readonly values: ReadonlyMap<number, number>;
  /** Takes away what lies behind `step`. */
  cut(step: number): void;
  setLogarithmic(on: boolean): void;
  /** Draws again, in the size and colours that the page has now. */
  refresh(): void;
}

export function makeCurve({ title, format = shortNumber, level, range }: CurveOptions): Curve {
  const steps: number[] = [];
  const values: number[] = [];
  const probe = h('span', { hidden: true });
  const plot = h('div', { class: 'plot', role: 'img', 'aria-label': title });
  const element = h('figure', { class: 'curve' }, h('figcaption', {}, title), plot, probe);
  let chart: uPlot | undefined;
  let logarithmic = false;
  let drawing = false;

  const shown = (_: uPlot, value: number | null, __: number, at: number | null): string => {
    const number = at === null ? values.at(-1) : value;
    return number === null || number === undefined ? '–' : format(number);
  };
  const data = (): uPlot.AlignedData => {
    const line = level && steps.map(() => level.value() ?? null);
    return line === undefined ? [steps, values] : [steps, values, line];
  };
  const make = (): void => {
    chart?.destroy();
    const [accent, soft, grid] = ['--accent', '--soft', '--line'].map((name) => colour(probe, name));
    const axis = {
      stroke: soft!,
      grid: { stroke: grid!, width: 1 },
      ticks: { stroke: grid!, width: 1 },
      font: '12px system-ui, sans-serif',
    };
    const series: uPlot.Series[] = [
      { label: 'step', value: (_, value, __, at) => String(at === null ? (steps.at(-1) ?? '–') : value) },
      { label: title, stroke: accent!, width: 1.5, value: shown, points: { show: values.length < 40 } },
    ];
    if (level !== undefined) {
      const dashed = { stroke: soft!, dash: [4, 4], points: { show: false } };
      const told = () => (level.value() === undefined ? '–' : format(level.value()!));
      series.push({ label: level.name, ...dashed, value: told });
    }
    const positive = values.every((value) => value > 0);
    chart = new uPlot(
      {
        width: Math.max(plot.clientWidth, 200),
        height,
        cursor: { drag: { x: true, y: false } },
        scales: {
          x: { time: false, range: (_, min, max) => (min === max ? [min - 1, max + 1] : [min, max]) },
          y: { ...(range === undefined ? {} : { range }), ...(logarithmic && positive ? { distr: 3 } : {}) },
        },
        axes: [axis, { ...axis, size: 58, values: (_, ticks) => ticks.map((tick) => shortNumber(tick)) }],
        series,
      },
      data(),
      plot,
    );
  };
  const draw = (): void => {
    drawing = false;
    // Out of sight nothing is drawn; `refresh` does it when the part is shown again.
    if (!plot.isConnected) return;
    const last = values.at(-1);
    plot.setAttribute(
      'aria-label',
      last === undefined ? title : `${title}: ${format(last)} at step ${steps.at(-1)}`,
    );
    if (chart === undefined) make();
    else chart.setData(data());
  };
  const soon = (): void => {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(draw);
  };

  new ResizeObserver(() => {
    if (chart !== undefined && plot.clientWidth > 0 && chart.width !== plot.clientWidth)
      chart.setSize({ width: plot.clientWidth, height });
  }).observe(plot);
  return {
    element,
    get values() {
      return new Map(steps.map((step, i) => [step, values[i]!]));
    },
    add(step, value) {
      steps.push(step);
      values.push(value);
      soon();
    },
    cut(step) {
      while (steps.length > 0 && steps.at(-1)! >= step) {
        steps.pop();
        values.pop();
      }
      soon();
    },
    setLogarithmic(on) {
      logarithmic = on;
      if (plot.isConnected) make();
    },
    refresh: make,
  };
}
