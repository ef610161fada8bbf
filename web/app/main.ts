/** Starts the page: theme, workers, and the part that the address names. */
import { proxy } from 'comlink';
import { type Diagnostic, DiagnosticError } from '../../grammar/diagnostics.ts';
import { fill, h } from '../ui/dom.ts';
import { failureElements } from '../ui/failure.ts';
import { type Context, type Part, type PartName, partNames } from './context.ts';
import { parts } from './parts.ts';
import { Program } from './program.ts';
import { startTheme } from './theme.ts';
import { startDevice, startLanguage } from './workers.ts';

function byId<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const [main, notices, status] = [byId('main'), byId('notices'), byId('device')];
const made = new Map<PartName, Promise<Part>>();

const context: Context = {
  device: startDevice(),
  language: startLanguage(),
  program: new Program(),
  report(error) {
    if (error === undefined) notices.replaceChildren();
    else fill(notices, failureElements(error), closer());
  },
  show(part) {
    location.hash = part;
  },
};

function closer(): HTMLElement {
  return h('button', { type: 'button', class: 'plain', onclick: () => notices.replaceChildren() }, 'Close');
}

function currentPart(): PartName {
  return partNames.find((name) => `#${name}` === location.hash) ?? 'try';
}

async function partOf(name: PartName): Promise<Part> {
  const loading = made.get(name) ?? parts[name].load().then((make) => make(context));
  made.set(name, loading);
  try {
    return await loading;
  } catch (error) {
    // A file that could not be fetched may be there at the next attempt.
    made.delete(name);
    throw error;
  }
}

async function showCurrent(): Promise<void> {
  const name = currentPart();
  for (const link of byId('parts').querySelectorAll('a'))
    if (link.hash === `#${name}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  document.title = `${parts[name].title} · zooc playground`;
  notices.replaceChildren();
  try {
    const part = await partOf(name);
    if (currentPart() !== name) return;
    main.replaceChildren(part.element);
    part.shown?.();
  } catch (error) {
    context.report(error);
  }
}

async function showDevice(): Promise<void> {
  try {
    const { name } = await context.device.facts();
    status.textContent = name;
    status.dataset.state = 'open';
  } catch (error) {
    const reason = error instanceof DiagnosticError ? error.diagnostics[0]! : undefined;
    status.textContent = 'no WebGPU: writing and exploring work without';
    status.title = reason === undefined ? String(error) : `${reason.message}. ${reason.help ?? ''}`;
    status.dataset.state = 'none';
  }
}

fill(
  byId('parts'),
  partNames.map((name) => h('a', { href: `#${name}` }, parts[name].title)),
);
startTheme(byId('theme'));
window.addEventListener('hashchange', () => {
  void showCurrent();
  main.focus();
});
void context.device.onLost(
  proxy((diagnostics: readonly Diagnostic[]) => {
    status.dataset.state = 'lost';
    context.report(new DiagnosticError(diagnostics));
    void showDevice();
  }),
);
void showDevice();
void showCurrent();
