/**
 * How long the language service takes to answer: a thousand random edits of every bundled package, and after each what an editor
 * asks. `npm run editor:times [-- EDITS [PACKAGE…]]`
 *
 * Diagnostics come in steps, between which a server answers other questions: so the time of their longest step is told beside
 * that of all of them. In milliseconds, of the first answers too, before V8 has made the code fast. On a machine that others
 * use, ZOOC_CPU=1 measures the processor's time, with that of V8's own threads.
 */
import type { ModuleHost } from '../compiler/model/types.ts';
import { createService } from '../editor/service/index.ts';
import { randomEdits } from '../test/support/edits.ts';
import { randomNumbers } from '../test/support/random.ts';
import { nodeHost } from '../zoo/host.ts';

const node = nodeHost();
// Every package is a file of its own, beside which the others are packages.
const host: ModuleHost = { ...node, read: () => undefined, resolve: () => undefined };

/** Milliseconds. */
function now(): number {
  if (process.env.ZOOC_CPU !== '1') return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What stands on the screen, about. */
const screen = 3000;

class Times {
  readonly #all: number[] = [];

  measure<T>(answer: () => T): T {
    const start = now();
    const value = answer();
    this.#all.push(now() - start);
    return value;
  }

  add(milliseconds: number): void {
    this.#all.push(milliseconds);
  }

  include({ all }: Times): void {
    this.#all.push(...all);
  }

  get all(): readonly number[] {
    return this.#all;
  }

  /** `0.2 12.5 80.1`: median, of 99 %, worst. */
  get text(): string {
    const sorted = [...this.#all].sort((a, b) => a - b);
    const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
    return [0.5, 0.99, 1].map((part) => at(part).toFixed(1).padStart(8)).join('');
  }
}

function timesOf(name: string, edits: number): Record<string, Times> {
  const random = randomNumbers(name.length);
  const path = `${name}.zoo`;
  const service = createService(host);
  const original = node.bundled(name)!.text;
  const times: Record<string, Times> = {};
  const of = (question: string) => {
    times[question] ??= new Times();
    return times[question];
  };
  // An editor opens a file and shows its mistakes before somebody types.
  service.open(path, original);
  service.diagnostics(path);
  for (const { text, at } of randomEdits(original, edits, random)) {
    service.open(path, text);
    const seen = { start: Math.max(0, at - screen / 2), end: Math.min(text.length, at + screen / 2) };
    of('completion').measure(() => service.completion(path, at));
    of('signature').measure(() => service.signatureHelp(path, at));
    of('tokens').measure(() => service.semanticTokens(path));
    of('symbols').measure(() => service.symbols(path));
    of('folding').measure(() => service.folding(path));
    let whole = 0;
    const steps = service.diagnosing(path);
    for (let done = false; !done; ) {
      const start = now();
      done = steps.next().done === true;
      const taken = now() - start;
      of('step of diagnostics').add(taken);
      whole += taken;
    }
    of('diagnostics').add(whole);
    of('actions').measure(() => service.codeActions(path, seen));
    of('hints').measure(() => service.inlayHints(path, seen));
    of('hover').measure(() => service.hover(path, at));
    of('definition').measure(() => service.definition(path, at));
    of('references').measure(() => service.references(path, at));
    of('rename').measure(() => service.rename(path, at, 'other'));
    of('format').measure(() => service.format(path));
  }
  return times;
}

const [count = '1000', ...names] = process.argv.slice(2);
const total: Record<string, Times> = {};
const everything = new Times();
console.log(
  `${'package'.padEnd(22)}${['median', '99 %', 'worst'].map((head) => head.padStart(8)).join('')}  ms of an answer`,
);
for (const name of names.length === 0 ? node.bundledNames() : names) {
  const all = new Times();
  for (const [question, times] of Object.entries(timesOf(name, Number(count)))) {
    total[question] ??= new Times();
    total[question].include(times);
    if (question !== 'step of diagnostics') all.include(times);
  }
  everything.include(all);
  console.log(`${name.padEnd(22)}${all.text}`);
}
console.log('');
for (const [question, times] of Object.entries(total)) console.log(`${question.padEnd(22)}${times.text}`);
console.log(`\n${'all answers'.padEnd(22)}${everything.text}  (${everything.all.length} answers)`);
