/** Explore: a plan from the text down to its kernels. All views show one selection. */
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../grammar/render.ts';
import type { DeviceProfile } from '../../zoo/api/browser.ts';
import type { Context, Part } from '../app/context.ts';
import { fill, h } from '../ui/dom.ts';
import type { Explored, ExploreRequest, Found, Target } from '../worker/explore/exploring.ts';
import type { TimingRequest } from '../worker/explore/timing.ts';
import { makeChoices } from './choices.ts';
import { makeDetail } from './detail.ts';
import { makeGraph } from './graph.ts';
import { makeMeasuring } from './measuring.ts';
import { makeMemory } from './memory.ts';
import type { Pane } from './pane.ts';
import { makeSource } from './source.ts';
import { makeSteps } from './steps.ts';
import { summary } from './summary.ts';
import { makeTabs } from './tabs.ts';
import { makeTree } from './tree.ts';

/** Milliseconds without typing before the program is compiled. */
const pause = 300;

export function makeExplore(context: Context): Part {
  let explored: Explored | undefined;
  let found: Found | undefined;
  let own: DeviceProfile | undefined;
  let bundled: readonly string[] = [];
  let stale = true;
  let [wanted, selecting] = [0, 0];
  let working: Promise<void> = Promise.resolve();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const status = h('p', { class: 'hint', role: 'status' });
  const tiles = h('dl', { class: 'tiles' });
  const problems = h('div', { class: 'problems', role: 'alert' });
  const choices = makeChoices((what) => {
    const { bundled: chosen, name } = choices.value();
    if (what === 'model' && chosen === undefined) context.program.change({ model: name });
    refresh();
  });

  const mark = (next: Found | undefined): void => {
    found = next;
    for (const pane of panes) pane.mark(next);
  };
  const select = async (target: Target): Promise<void> => {
    selecting++;
    const mine = selecting;
    try {
      const next = await context.language.exploring.find(explored!.generation, target);
      if (next !== undefined && mine === selecting) mark(next);
    } catch (error) {
      context.report(error);
    }
  };
  const selectNow = (target: Target) => void select(target);
  const measuring = makeMeasuring(
    context,
    () => readyToTime(),
    (seconds) => steps.time(seconds),
  );
  const steps = makeSteps(selectNow, measuring.element);
  const [tree, graph, memory] = [makeTree(selectNow), makeGraph(context, selectNow), makeMemory(selectNow)];
  const [source, detail] = [makeSource(selectNow), makeDetail(context, selectNow)];
  const panes: readonly Pane[] = [tree, graph, steps, memory, source, detail];
  const viewOf = (title: string, { element: view, mark: again }: Pane) => ({
    title,
    element: view,
    shown: () => again(found),
  });
  const views = makeTabs('Views', [viewOf('Graph', graph), viewOf('Steps', steps), viewOf('Memory', memory)]);
  const jump = h(
    'nav',
    { class: 'jump', 'aria-label': 'Panes' },
    Object.entries({
      Blocks: tree.element,
      Views: views,
      Selected: detail.element,
      Source: source.element,
    }).map(([title, pane]) =>
      h('button', { type: 'button', onclick: () => pane.scrollIntoView({ block: 'start' }) }, title),
    ),
  );
  const space = h('div', { class: 'space' }, tree.element, source.element, views, detail.element);
  space.hidden = true;

  const requestOf = (): ExploreRequest => {
    const { bundled: chosen, name, device, ...rest } = choices.value();
    const { text, settings } = context.program.state;
    const profile = device === 'own' ? own! : device;
    return chosen === undefined
      ? { ...rest, profile, source: text, name, settings }
      : { ...rest, profile, source: chosen, settings: {} };
  };
  const resetTimes = (): void => {
    if (own === undefined) measuring.reset('no WebGPU here: nothing can be measured');
    else measuring.reset(choices.value().precision === 'f32' ? '' : 'steps are measured in f32 only');
  };
  const readyToTime = async (): Promise<TimingRequest | undefined> => {
    if (choices.value().device !== 'own') {
      choices.takeOwnDevice();
      refresh();
    }
    for (let mine = -1; mine !== wanted; ) {
      mine = wanted;
      await working;
    }
    const other = choices.value().device !== 'own' || element.classList.contains('stale');
    if (explored === undefined || other) return undefined;
    const { source: text, name, settings, mode, batch } = requestOf();
    return { source: text, name, settings, mode, batch, entry: explored.entry };
  };

  /** The same block as before, where there is one, or the root. */
  const again = (before: Found | undefined, old: Explored | undefined, next: Explored): Target => {
    const target = before?.target;
    if (target === undefined || old?.name !== next.name) return { kind: 'block', block: 0 };
    if (target.kind === 'block' && old.files[0]?.text === next.files[0]?.text) return target;
    return { kind: 'block', block: 0 };
  };
  const show = (next: Explored): void => {
    const [before, old] = [found, explored];
    explored = next;
    choices.setExplored(next);
    fill(tiles, summary(next));
    for (const pane of panes) pane.show(next);
    resetTimes();
    space.hidden = false;
    selectNow(again(before, old, next));
  };

  const setModels = async (): Promise<void> => {
    const { text, model } = context.program.state;
    if (bundled.length === 0) bundled = await context.language.bundled();
    choices.setModels(bundled, await context.language.exploring.models(text), model);
  };
  const compile = async (mine: number): Promise<void> => {
    status.textContent = 'compiling …';
    element.setAttribute('aria-busy', 'true');
    try {
      await setModels();
      const start = performance.now();
      const next = await context.language.exploring.open(requestOf());
      if (mine !== wanted) return;
      problems.replaceChildren();
      element.classList.remove('stale');
      show(next);
      status.textContent = `compiled in ${((performance.now() - start) / 1000).toFixed(1)} s, without a device`;
    } catch (error) {
      if (mine !== wanted) return;
      status.textContent = explored === undefined ? '' : 'what compiled before is shown in grey';
      element.classList.add('stale');
      if (error instanceof DiagnosticError)
        fill(problems, h('pre', { tabindex: 0 }, renderDiagnostics(error.diagnostics)));
      else context.report(error);
    } finally {
      element.removeAttribute('aria-busy');
    }
  };
  /** Compiles what is chosen; of several wishes that came meanwhile, the last one. */
  const refresh = (): void => {
    clearTimeout(timer);
    wanted++;
    stale = false;
    const mine = wanted;
    working = working.then(() => (mine === wanted ? compile(mine) : undefined));
  };

  const element = h(
    'section',
    { class: 'explore', 'aria-label': 'Explore' },
    h(
      'div',
      { class: 'explore-head' },
      h('div', {}, h('h1', {}, 'Inside of a model'), status),
      choices.element,
    ),
    problems,
    tiles,
    jump,
    space,
  );
  context.program.listen(() => {
    stale = true;
    clearTimeout(timer);
    // Elsewhere in the page it waits until it is seen.
    if (element.isConnected) timer = setTimeout(refresh, pause);
  });
  const findDevice = async (): Promise<void> => {
    // Without an adapter the page's head says so.
    own = await context.device.timing.profile().catch(() => undefined);
    choices.setDevice(own);
    if (explored !== undefined) resetTimes();
  };
  void findDevice();
  return {
    element,
    shown() {
      if (stale) refresh();
    },
  };
}
