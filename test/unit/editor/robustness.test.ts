/**
 * Whatever is typed, every function answers: seeded edits of the bundled files, with the towers of each two blocks
 * high, since only the time of a check depends on their height. What is remembered between edits changes no answer.
 */
import { describe, expect, it } from 'vitest';
import type { ModuleHost } from '../../../compiler/model/types.ts';
import { createService, tokenKinds } from '../../../editor/service/index.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { shallow } from '../../fixtures/fuzz.ts';
import { randomNumbers } from '../../support/random.ts';

const node = nodeHost();
const host: ModuleHost = {
  ...node,
  read: () => undefined,
  resolve: () => undefined,
  bundled(name) {
    const file = node.bundled(name);
    return file && { ...file, text: shallow(file.text) };
  },
};

/** Of each file, ZOOC_FUZZ sets how many; a new service is asked about every so many of them. */
const edits = Number(process.env.ZOOC_FUZZ ?? 50);
const compared = 10;

const pieces = [
  ...'"(){}[],.:=#|\n\\'.split(''),
  ...['->', '|>', '..', ' with ', 'x', 'width', '7', '\u{1F600}', '\ud800', '\r\n'],
  ...['let ', 'block ', 'forward(', 'import ', 'model "', 'train "t" of "', 'freeze "visual.', 'Linear('],
];

function edit(text: string, random: () => number): { text: string; at: number } {
  const below = (bound: number) => Math.floor(random() * bound);
  const at = below(text.length + 1);
  const piece = pieces[below(pieces.length)]!;
  const from = below(text.length);
  const moved = text.slice(from, from + below(80));
  const [inserted, removed] = [
    [piece, 0],
    ['', 1 + below(12)],
    [piece, below(6)],
    [moved, 0],
  ][below(4)] as [string, number];
  return { text: text.slice(0, at) + inserted + text.slice(at + removed), at: at + inserted.length };
}

describe('any edit', () => {
  for (const [index, name] of node.bundledNames().entries())
    it(`of ${name} leaves every function an answer`, () => {
      const path = `${name}.zoo`;
      const random = randomNumbers(index + 1);
      const service = createService(host);
      const original = host.bundled(name)!.text;
      let text = original;
      for (let i = 0; i < edits; i++) {
        const made = edit(random() < 0.25 ? original : text, random);
        text = made.text;
        service.open(path, text);
        const anywhere = Math.floor(random() * (text.length + 1));
        for (const offset of [made.at, anywhere]) {
          const { start, end, items } = service.completion(path, offset);
          expect(start <= offset && offset <= end, `${i}: ${start} ${offset} ${end}`).toBe(true);
          expect(new Set(items.map(({ label }) => label)).size).toBe(items.length);
          service.hover(path, offset);
          service.signatureHelp(path, offset);
          service.definition(path, offset);
          service.rename(path, offset, 'other');
          service.references(path, offset);
        }
        const tokens = service.semanticTokens(path);
        expect(tokens.every((token, t) => token.start >= (tokens[t - 1]?.end ?? 0))).toBe(true);
        expect(tokens.every(({ kind }) => tokenKinds.includes(kind))).toBe(true);
        service.symbols(path);
        service.folding(path);
        service.format(path);
        const whole = { start: 0, end: text.length };
        service.codeActions(path, whole);
        service.inlayHints(path, whole);
        const found = service.diagnostics(path);
        if (i % compared !== 0) continue;
        const fresh = createService(host);
        fresh.open(path, text);
        expect(found, text).toEqual(fresh.diagnostics(path));
      }
    });
});
