/**
 * Any text gives a model or diagnostics: nothing throws, nothing hangs.
 *
 * Towers are two blocks high here: tracing twelve to thirty-six takes nearly all of a check's time, and finds nothing else.
 * Half of the programs are damaged text, half parse and mean nothing. ZOOC_FUZZ sets how many of each (500 by default).
 * The limit of processor time for one program is generous, because the machine may be busy; it is there to catch hangs.
 */
import { describe, expect, it } from 'vitest';
import { checkFile } from '../../compiler/model/index.ts';
import type { ModuleHost } from '../../compiler/model/types.ts';
import { renderDiagnostics } from '../../grammar/render.ts';
import { memoryHost } from '../errors/report.ts';
import { mutatePrograms, samplePrograms, shallow } from '../fixtures/fuzz.ts';
import { mutateMeanings } from '../fixtures/meaning-fuzz.ts';

/** One text and the bundled packages, whose towers are as shallow as those of the programs. */
function fuzzHost(text: string): ModuleHost {
  const host = memoryHost({ 'fuzz.zoo': text });
  return {
    ...host,
    bundled: (name) => {
      const file = host.bundled(name);
      return file && { ...file, text: shallow(file.text) };
    },
  };
}

const count = Number(process.env.ZOOC_FUZZ ?? 500);
const secondsOfProcessor = 5;

function checkAll(programs: readonly string[]): { readonly accepted: number; readonly slow: string[] } {
  const slow: string[] = [];
  let accepted = 0;
  for (const text of programs) {
    const before = process.cpuUsage();
    const result = checkFile(fuzzHost(text), 'fuzz.zoo');
    expect(result.ok || result.diagnostics.some((d) => d.severity === 'error'), text).toBe(true);
    renderDiagnostics(result.diagnostics);
    const { user, system } = process.cpuUsage(before);
    if (user + system > secondsOfProcessor * 1e6) slow.push(text);
    if (result.ok) accepted++;
  }
  return { accepted, slow };
}

describe('any text', () => {
  it('is made from programs that are judged alike with shallow towers', () => {
    for (const [name, text] of samplePrograms()) {
      expect(shallow(text), name).not.toMatch(/layers(: int)? = (\[\d+, [3-9]|[3-9]|\d\d)/);
      const [deep, low] = [
        checkFile(memoryHost({ 'fuzz.zoo': text }), 'fuzz.zoo'),
        checkFile(fuzzHost(shallow(text)), 'fuzz.zoo'),
      ];
      expect(
        low.diagnostics.map((d) => [d.code, d.message]),
        name,
      ).toEqual(deep.diagnostics.map((d) => [d.code, d.message]));
    }
  });

  it('damaged', { timeout: count * 600 }, () => {
    expect(checkAll(mutatePrograms(2026, count)).slow).toEqual([]);
  });

  it('without sense', { timeout: count * 600 }, () => {
    const { accepted, slow } = checkAll(mutateMeanings(2026, count));
    expect(slow).toEqual([]);
    // The sort of program that reaches the checker: some are right by chance, most are not.
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(count);
  });

  const hostile: Readonly<Record<string, string>> = {
    'an array of 1e9 blocks':
      'import nn { Linear }\nblock A(n: int = 1000000000) { a[i in 0..n]: Linear(4, 4) }',
    'arrays of arrays': `import nn { Linear }
block C { a[i in 0..4000]: Linear(4, 4)  forward(x: [B, 4]) -> [B, 4] = a(x) }
block D { a[i in 0..4000]: C()  forward(x: [B, 4]) -> [B, 4] = a(x) }`,
    'a tower of exponents': 'block A(n: int = 9 ^ 9 ^ 9 ^ 9) { param w: [n] }',
    'a function that calls itself twice': `fn f(n: int) -> int = if n < 2 then n else f(n - 1) + f(n - 2)
block A(n: int = f(45)) { param w: [n] }`,
    'a function that never ends': 'fn f(n: int) -> int = f(n + 1)\nblock A(n: int = f(0)) { param w: [n] }',
    'a huge weight': 'block A { param w: [2147483647, 2147483647, 2147483647] }',
    'a chain of 3000 blocks': `${Array.from({ length: 3000 }, (_, i) => `block A${i} { c: A${i + 1}() }`).join('\n')}
block A3000 { }`,
    'a sum of 20 000 terms': `block A(n: int = ${'1 + '.repeat(20000)}1) { }`,
    '5000 parentheses': `block A(n: int = ${'('.repeat(5000)}1${')'.repeat(5000)}) { }`,
    'doubling a tensor': `fn d(x: [...]) -> [...] = concat(x, x, axis = 0)
block A { forward(x: [4]) -> [4] { ${Array.from({ length: 40 }, (_, i) => `let a${i} = d(${i === 0 ? 'x' : `a${i - 1}`})`).join(' ')} return x } }`,
  };
  for (const [name, text] of Object.entries(hostile)) {
    it(name, () => {
      const { slow } = checkAll([text]);
      expect(slow).toEqual([]);
      expect(checkFile(memoryHost({ 'fuzz.zoo': text }), 'fuzz.zoo').ok).toBe(false);
    });
  }

  it('names of JavaScript mean nothing special', () => {
    const text = `block constructor { }
block __proto__ { x: toString() }
model "hasOwnProperty" = constructor()
train "x" of "hasOwnProperty" { toString = 1  valueOf = 2  optimizer = constructor(a = 1)  data = csv(__proto__ = 1) }`;
    const { diagnostics } = checkFile(memoryHost({ 'fuzz.zoo': text }), 'fuzz.zoo');
    expect(diagnostics.map((d) => d.code).sort()).toEqual(['Z200', 'Z215', 'Z501', 'Z501', 'Z502', 'Z503']);
  });
});
