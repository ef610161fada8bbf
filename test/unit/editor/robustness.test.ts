/**
 * Whatever is typed, every function answers: seeded edits of the bundled files, with the towers of each two blocks
 * high, since only the time of a check depends on their height. What is remembered between edits changes no answer.
 */
import { describe, expect, it } from 'vitest';
import type { ModuleHost } from '../../../compiler/model/types.ts';
import { createService, tokenKinds } from '../../../editor/service/index.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { shallow } from '../../fixtures/fuzz.ts';
import { randomEdits } from '../../support/edits.ts';
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

/** Of each file, ZOOC_FUZZ sets how many, `npm run editor:times` makes a thousand; a new service is asked about every so many of them. */
const edits = Number(process.env.ZOOC_FUZZ ?? 15);
const compared = 5;

describe('any edit', () => {
  for (const [index, name] of node.bundledNames().entries())
    it(`of ${name} leaves every function an answer`, () => {
      const path = `${name}.zoo`;
      const random = randomNumbers(index + 1);
      const service = createService(host);
      let i = 0;
      for (const { text, at } of randomEdits(host.bundled(name)!.text, edits, random)) {
        service.open(path, text);
        const anywhere = Math.floor(random() * (text.length + 1));
        for (const offset of [at, anywhere]) {
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
        service.lenses(path);
        service.inlayHints(path, whole);
        const found = service.diagnostics(path);
        if (i++ % compared !== 0) continue;
        const fresh = createService(host);
        fresh.open(path, text);
        expect(found, text).toEqual(fresh.diagnostics(path));
      }
    });
});
