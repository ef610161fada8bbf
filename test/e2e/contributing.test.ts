/**
 * What CONTRIBUTING.md's guides say is done in a copy of this repository, change by change and command by command: one copy for
 * all of them, so that they are seen to live together, too.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { follow, missing } from '../support/docs/guide.ts';
import { root } from './harness.ts';

const guides = join(root, 'docs', 'contributing');
const folder = mkdtempSync(join(tmpdir(), 'zooc-contributing-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What is made, not written, or belongs to packages of their own. */
const left = /^(?:\.git|dist|runs|api-docs|bench|web\/dist|web\/public)$|(?:^|\/)node_modules$/;
cpSync(root, folder, { recursive: true, filter: (path) => !left.test(relative(root, path)) });
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));

it.each(readdirSync(guides).sort())('%s can be followed', (name) => {
  let commands = 0;
  for (const ran of follow(readFileSync(join(guides, name), 'utf8'), folder)) {
    const said = `${basename(name)}: ${ran.commands}${ran.output}`;
    expect(ran.status !== 0, said).toBe(ran.fails);
    expect(missing(ran), said).toBeUndefined();
    commands++;
  }
  expect(commands).toBeGreaterThan(0);
});
