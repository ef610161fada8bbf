/**
 * Draws the curves of a report: one chart a column, all with the same steps, cursor and zoom. Inlined into the page
 * behind uPlot; a browser runs it as it is.
 */

/** @typedef {{ name: string, curves: Record<string, [steps: number[], values: number[]]> }} Run */

(() => {
  const holder = document.getElementById('data');
  /** @type {{ runs: Run[] }} */
  const { runs } = JSON.parse(holder?.textContent ?? '{"runs":[]}');
  const boxes = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('.chart')]);
  if (boxes.length === 0) return;

  const smoothing = /** @type {HTMLInputElement} */ (document.getElementById('smoothing'));
  const logarithmic = /** @type {HTMLInputElement} */ (document.getElementById('logarithmic'));
  const unzoom = /** @type {HTMLButtonElement} */ (document.getElementById('unzoom'));
  const output = /** @type {HTMLOutputElement} */ (document.querySelector('output'));
  const chartHeight = 220;
  const colours = 6;

  /** @type {uPlot[]} */
  let charts = [];
  /** The steps that all charts show; undefined for all there are. @type {{ min: number, max: number } | undefined} */
  let zoomed;
  let zooming = false;

  const steps = runs.flatMap((run) =>
    Object.values(run.curves).flatMap(([at]) => [at[0] ?? 0, at.at(-1) ?? 0]),
  );
  const [first, last] = [Math.min(...steps), Math.max(...steps)];

  /** @param {string} name a property of the page's style */
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  /** Means of all values so far, of which older ones count less. @param {number[]} values @param {number} weight */
  function smooth(values, weight) {
    let sum = 0;
    let norm = 0;
    return values.map((value) => {
      sum = weight * sum + (1 - weight) * value;
      norm = weight * norm + (1 - weight);
      return sum / norm;
    });
  }

  /** @param {number | null | undefined} value */
  function shown(value) {
    if (value === null || value === undefined) return '–';
    const size = Math.abs(value);
    if (size !== 0 && size < 1e-4) return value.toExponential(2);
    return size >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(4)));
  }

  /** Shows these steps in all charts. @param {{ min: number, max: number } | undefined} range */
  function zoom(range) {
    zoomed = range;
    zooming = true;
    for (const chart of charts) chart.setScale('x', range ?? { min: first, max: last });
    zooming = false;
    unzoom.disabled = range === undefined;
  }

  /** @param {string} column @param {number} width @returns {{ options: uPlot.Options, data: uPlot.AlignedData }} */
  function plan(column, width) {
    const weight = Number(smoothing.value);
    const present = runs.flatMap((run, i) => {
      const curve = run.curves[column];
      return curve === undefined ? [] : [{ name: run.name, stroke: colour(`--run-${i % colours}`), curve }];
    });
    const positive = present.every(({ curve }) => curve[1].every((v) => v > 0));
    /** @type {uPlot.AlignedData[]} */
    const tables = [];
    /** Without a cursor the last value. @param {number[]} values @returns {uPlot.Series.Value} */
    const showing = (values) => (_, value, __, at) => shown(at === null ? values.at(-1) : value);
    /** @type {uPlot.Series[]} */
    const series = [{ label: 'step', value: showing([last]) }];
    for (const { name, stroke, curve } of present) {
      const [at, values] = curve;
      const label = runs.length === 1 ? column : name;
      const points = { show: at.length < 2 };
      tables.push([at, values]);
      series.push({
        ...{ label, stroke, points, spanGaps: true, width: 1.5, value: showing(values) },
        alpha: weight > 0 ? 0.25 : 1,
      });
      if (weight === 0) continue;
      const smoothed = smooth(values, weight);
      tables.push([at, smoothed]);
      series.push({
        ...{ label: `${label}, smooth`, stroke, spanGaps: true, width: 2, value: showing(smoothed) },
        points: { show: false },
      });
    }
    const strokes = series.map(({ stroke }) => String(stroke));
    const ink = colour('--soft');
    const grid = { stroke: colour('--line'), width: 1 };
    const axis = { stroke: ink, grid, ticks: grid, font: '12px system-ui, sans-serif' };
    return {
      data: uPlot.join(tables),
      options: {
        width,
        height: chartHeight,
        legend: { markers: { width: 0, fill: (_, i) => strokes[i] ?? '' } },
        cursor: {
          sync: {
            key: 'steps',
            // A zoom is passed on by its steps, not by the pixels of the drag.
            filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' },
          },
          drag: { x: true, y: false },
          points: { size: 6 },
        },
        scales: {
          x: { time: false, range: (_, min, max) => (min === max ? [min - 1, max + 1] : [min, max]) },
          y: logarithmic.checked && positive ? { distr: 3 } : {},
        },
        axes: [axis, { ...axis, size: 62, values: (_, ticks) => ticks.map(shown) }],
        series,
        hooks: {
          setScale: [
            (chart, key) => {
              const { min, max } = chart.scales.x ?? {};
              if (key !== 'x' || zooming || min == null || max == null) return;
              zoom(min <= first && max >= last ? undefined : { min, max });
            },
          ],
        },
      },
    };
  }

  function draw() {
    for (const chart of charts) chart.destroy();
    // Charts that are made set their scales: that is no zoom.
    zooming = true;
    charts = boxes.map((box) => {
      const place = /** @type {HTMLElement} */ (box.querySelector('.plot'));
      const column = box.dataset.column ?? '';
      const { options, data } = plan(column, place.clientWidth);
      return new uPlot(options, data, place);
    });
    // uPlot sets scales in a microtask.
    queueMicrotask(() => zoom(zoomed));
  }

  draw();
  const controls = document.querySelector('.controls');
  if (controls instanceof HTMLElement) controls.hidden = false;
  smoothing.addEventListener('input', () => {
    output.value = smoothing.value;
    draw();
  });
  logarithmic.addEventListener('change', draw);
  unzoom.addEventListener('click', () => zoom(undefined));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  new ResizeObserver(() => {
    for (const [i, chart] of charts.entries()) {
      const width = boxes[i]?.querySelector('.plot')?.clientWidth ?? chart.width;
      if (width !== chart.width) chart.setSize({ width, height: chartHeight });
    }
  }).observe(document.body);
})();
