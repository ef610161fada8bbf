/** The parts of a report below its curves: each is markup, or undefined where there is nothing to say. */
import { count, digits, flops, moment, percent, size } from './format.ts';
import { type Html, html } from './html.ts';
import type { Evaluation, RunReport, WrongExample } from './types.ts';

export interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: Html;
}

/** A table whose first column names a row. A row that differs between runs is marked. */
function table(
  head: readonly (string | Html)[],
  rows: readonly (readonly (string | Html)[])[],
  mark = false,
): Html {
  const titles = head.every((cell) => cell === '')
    ? undefined
    : html`<thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>`;
  return html`<div class="scroll"><table>${titles}<tbody>${rows.map(
    ([name, ...cells]) =>
      html`<tr${mark && new Set(cells).size > 1 ? html` class="differs"` : undefined}><th scope="row">${name!}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}

/** Values by name of several runs as one table, in order of their first appearance. */
function compared(
  runs: readonly RunReport[],
  valuesOf: (run: RunReport) => Readonly<Record<string, string>>,
): Html {
  const values = runs.map(valuesOf);
  const names = [...new Set(values.flatMap((v) => Object.keys(v)))];
  const head = runs.length === 1 ? ['', ''] : ['', ...runs.map((run) => run.name)];
  return table(
    head,
    names.map((name) => [name, ...values.map((v) => v[name] ?? '–')]),
    runs.length > 1,
  );
}

/** A part of each run, under its name where there are several. */
function each(runs: readonly RunReport[], partOf: (run: RunReport) => Html | undefined): Html[] {
  return runs.flatMap((run) => {
    const part = partOf(run);
    if (part === undefined) return [];
    return [runs.length === 1 ? part : html`<h3>${run.name}</h3>${part}`];
  });
}

function section(id: string, title: string, parts: readonly Html[]): Section[] {
  return parts.length === 0 ? [] : [{ id, title, body: html`${parts}` }];
}

function modelPart({ summary }: RunReport): Html | undefined {
  if (summary === undefined) return undefined;
  const towers = summary.towers.map(({ name, block, parameters, trained }) => [
    name,
    block,
    count(parameters),
    trained === 0 ? 'frozen' : trained === parameters ? 'all' : count(trained),
  ]);
  const entries = summary.entries.map((entry) => [
    entry.name,
    entry.inputs,
    entry.outputs,
    flops(entry.flops),
  ]);
  return html`${table([`${summary.model}: ${count(summary.parameters)} parameters`, 'block', 'parameters', 'trained'], towers)}
${table(['entry', 'takes', 'gives', 'for one pair'], entries)}`;
}

const memoryNames: Readonly<Record<string, string>> = {
  workspace: 'workspace (activations)',
  features: 'features of the batch',
  io: 'inputs and outputs',
};
const noMemoryPart = ['total', 'workspaceLowerBound', 'derived'];

function memoryPart({ summary }: RunReport): Html | undefined {
  const plan = summary?.starts.at(-1)?.plan;
  if (plan === undefined) return undefined;
  const parts = Object.entries(plan.memory).filter(
    ([name, bytes]) => bytes > 0 && !noMemoryPart.includes(name),
  );
  const total = parts.reduce((sum, [, bytes]) => sum + bytes, 0);
  const share = (bytes: number) => ((100 * bytes) / total).toFixed(2);
  const cells = parts.map(
    ([name, bytes], i) =>
      html`<li style="--tone: ${i}"><span>${memoryNames[name] ?? name}</span> <b>${size(bytes)}</b></li>`,
  );
  return html`<div class="stack" aria-hidden="true">${parts.map(([, bytes], i) => html`<i style="--tone: ${i}; flex-grow: ${share(bytes)}"></i>`)}</div>
<ul class="key">${cells}</ul>
<p>${size(plan.memory.total ?? total)} on the device, as planned; ${count(plan.kernels)} kernels in ${count(plan.dispatches)} dispatches, ${flops(plan.flops)} a step.</p>`;
}

function ranked(
  best: readonly { readonly label: string; readonly probability: number; readonly right: boolean }[],
): Html {
  return html`<ol>${best.map(
    ({ label, probability, right }) =>
      html`<li${right ? html` class="right"` : undefined} style="--part: ${(100 * probability).toFixed(1)}%"><span title="${label}">${label}</span><b>${percent(probability)}</b></li>`,
  )}</ol>`;
}

function figure(picture: string, truth: string, best: Html): Html {
  return html`<figure><img alt="${truth}" src="${picture}"><figcaption><p>${truth}</p>${best}</figcaption></figure>`;
}

function picturesPart({ pictures }: RunReport): Html | undefined {
  const ranking = pictures?.rankings.at(-1);
  if (pictures === undefined || ranking === undefined) return undefined;
  const right = ranking.best.filter((best, i) => best[0]?.caption === i).length;
  const figures = pictures.pictures.map(({ png, caption }, i) => {
    const best = (ranking.best[i] ?? []).slice(0, 3).map((b) => ({
      label: pictures.pictures[b.caption]?.caption ?? '',
      probability: b.probability,
      right: b.caption === i,
    }));
    return figure(`data:image/png;base64,${png}`, caption, ranked(best));
  });
  return html`<p>Training pictures as the model was fed them, and which of their ${pictures.pictures.length} captions it finds best after step ${count(ranking.step)}: ${right} of ${pictures.pictures.length} are their own.</p><div class="figures">${figures}</div>`;
}

function wrongFigures(examples: readonly WrongExample[]): Html {
  const figures = examples.map(({ picture, truth, best }) =>
    figure(picture, truth, ranked(best.slice(0, 3).map((b) => ({ ...b, right: b.label === truth })))),
  );
  return html`<div class="figures">${figures}</div>`;
}

/** Shares as percentages, other numbers as they are. */
function metric(name: string, value: number): string {
  const share = value >= 0 && value <= 1 && !/loss|rank|lambda|^C$|objective/.test(name);
  return share ? percent(value) : digits(value);
}

/** What an evaluation is of: a data set, and the task where it is named. */
function subject({ dataset, task }: Evaluation): string {
  return task === undefined ? dataset : `${dataset} · ${task}`;
}

/** The same with the step of a run that went on. */
function subjectAt(evaluation: Evaluation): string {
  const { step } = evaluation;
  return step === undefined ? subject(evaluation) : `${subject(evaluation)} · step ${count(step)}`;
}

/** A table for each task, whose metrics are others. */
function resultsOfOne(evaluations: readonly Evaluation[]): Html {
  const tasks = [...new Set(evaluations.map(({ task }) => task))];
  return html`${tasks.map((task) => resultsOfTask(evaluations.filter((e) => e.task === task)))}`;
}

/** A row for each data set, a column for each metric. */
function resultsOfTask(evaluations: readonly Evaluation[]): Html {
  const metrics = [...new Set(evaluations.flatMap((e) => Object.keys(e.metrics)))];
  const shown = (e: Evaluation, name: string) => {
    const value = e.metrics[name];
    return value === undefined ? '–' : metric(name, value);
  };
  return table(
    ['data set', 'samples', ...metrics],
    evaluations.map((e) => [
      subjectAt(e),
      e.n === undefined ? '–' : count(e.n),
      ...metrics.map((name) => shown(e, name)),
    ]),
  );
}

/** A row for each data set and metric, a column for each run. */
function resultsOfSeveral(runs: readonly RunReport[]): Html {
  const subjects = [...new Set(runs.flatMap((run) => run.evaluations.map(subject)))];
  const rows = subjects.flatMap((key) => {
    const found = runs.map((run) => run.evaluations.find((e) => subject(e) === key));
    const names = [...new Set(found.flatMap((e) => Object.keys(e?.metrics ?? {})))];
    return names.map((name, i) => [
      i === 0 ? key : '',
      name,
      ...found.map((e) => (e?.metrics[name] === undefined ? '–' : metric(name, e.metrics[name]))),
    ]);
  });
  return table(['data set', 'metric', ...runs.map((r) => r.name)], rows);
}

function evaluationPart(runs: readonly RunReport[]): Html {
  if (runs.every((run) => run.evaluations.length === 0))
    return html`<p>None of these folders holds results. <code>zooc evaluate … --out RUN/NAME.json</code> writes them where a report finds them.</p>`;
  return runs.length === 1 ? resultsOfOne(runs[0]!.evaluations) : resultsOfSeveral(runs);
}

/** Wrong examples of a data set that are shown. */
const mostWrong = 24;

function wrongParts(runs: readonly RunReport[]): Html[] {
  const parts = runs.flatMap(({ name, evaluations }) =>
    evaluations.flatMap((evaluation) => {
      const examples = evaluation.wrong ?? [];
      if (examples.length === 0) return [];
      const title = runs.length === 1 ? subject(evaluation) : `${name}: ${subject(evaluation)}`;
      const more =
        examples.length > mostWrong
          ? html`<p>${mostWrong} of ${count(examples.length)} that were kept.</p>`
          : undefined;
      return [html`<h3>${title}</h3>${more}${wrongFigures(examples.slice(0, mostWrong))}`];
    }),
  );
  if (parts.length > 0) return parts;
  return [
    html`<p>No evaluation has left pictures that were told wrong here. <code>zooc evaluate</code> shows them in a page of its own, <code>NAME.html</code> beside its <code>NAME.json</code>; results from elsewhere may hold them: under <code>wrong</code>, as inlined pictures with their truth and what was found best.</p>`,
  ];
}

function programsPart({ programs }: RunReport): Html | undefined {
  if (programs.length === 0) return undefined;
  return html`${programs.map(
    ({ name, text }, i) =>
      html`<details${i === 0 ? html` open` : undefined}><summary>${name}</summary><pre><code>${text}</code></pre></details>`,
  )}`;
}

function environmentOf({ summary }: RunReport): Readonly<Record<string, string>> {
  return summary?.starts.at(-1)?.environment ?? {};
}

function historyPart({ summary, changes, checkpoints }: RunReport): Html | undefined {
  const starts = (summary?.starts ?? []).map(({ step, at, environment }) => [
    step === 0 ? 'began' : `went on at step ${count(step)}`,
    moment(at),
    environment.adapter ?? environment.device ?? '',
  ]);
  const ended = summary?.ended;
  if (ended !== undefined)
    starts.push([ended.stopped ? `stopped after step ${count(ended.steps)}` : 'ended', moment(ended.at), '']);
  const saved = checkpoints.map(({ step, bytes, at }) => [
    `checkpoint of step ${count(step)}`,
    moment(at),
    size(bytes),
  ]);
  if (starts.length + saved.length === 0) return undefined;
  const taken = changes.map((change) => html`<li>${change}</li>`);
  return html`${table(['', '', ''], [...starts, ...saved])}${taken.length === 0 ? undefined : html`<p>Changed on the way:</p><ul>${taken}</ul>`}`;
}

export function sectionsOf(runs: readonly RunReport[]): Section[] {
  const settings = compared(runs, ({ summary }) =>
    Object.fromEntries(Object.entries(summary?.settings ?? {}).map(([name, value]) => [name, String(value)])),
  );
  return [
    ...section('pictures', 'Pictures', each(runs, picturesPart)),
    ...section('evaluation', 'Evaluation', [evaluationPart(runs)]),
    ...section('wrong', 'Wrong examples', wrongParts(runs)),
    ...section('model', 'Model', each(runs, modelPart)),
    ...section('memory', 'Memory', each(runs, memoryPart)),
    ...section('recipe', 'Recipe', each(runs, programsPart)),
    ...section('settings', 'Settings', runs.some((r) => r.summary !== undefined) ? [settings] : []),
    ...section(
      'environment',
      'Environment',
      runs.some((r) => r.summary) ? [compared(runs, environmentOf)] : [],
    ),
    ...section('history', 'History', each(runs, historyPart)),
  ];
}
