/** The examples of docs/reference/errors.md: what is wrong says its code and no other, what is mended says nothing. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Code, codes } from '../../grammar/codes.ts';
import { examples } from '../../scripts/errors/examples/index.ts';
import { errorsDocument } from '../../scripts/errors/page.ts';
import { type Ran, runExample } from '../../scripts/errors/run.ts';

const all = Object.keys(codes) as Code[];
const ran = new Map<Code, Ran | undefined>();

describe('docs/reference/errors.md', () => {
  it.each(all.filter((code) => !('told' in examples[code])))('%s', { timeout: 60_000 }, async (code) => {
    const said = await runExample(examples[code]);
    ran.set(code, said);
    const { wrong, mended } = said!;
    expect(wrong.codes, wrong.stderr).toEqual([code]);
    expect(wrong.code).toBe(wrong.stderr.includes(`error[${code}]`) ? 1 : 0);
    expect({ codes: mended.codes, code: mended.code }, mended.stderr).toEqual({ codes: [], code: 0 });
  });

  it('has all of them as they are said today', () => {
    const page = readFileSync(new URL('../../docs/reference/errors.md', import.meta.url), 'utf8');
    expect(page, 'npm run docs:errors writes it').toBe(errorsDocument(ran));
  });

  it('tells in words what needs a device, other machines or a network, and little else', () => {
    const told = all.filter((code) => 'told' in examples[code]);
    expect(told.filter((code) => /^Z[2357]/.test(code))).toEqual(['Z524']);
    expect(told.length).toBeLessThan(all.length / 3);
  });
});
