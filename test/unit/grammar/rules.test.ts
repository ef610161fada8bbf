/** The rules and tokens have no mistakes of the kinds that their toolkit finds; the program itself does not look again at each start. */
import { Lexer } from 'chevrotain';
import { expect, it } from 'vitest';
import { ProgramRules } from '../../../grammar/rules/program.ts';
import { allTokens } from '../../../grammar/tokens.ts';

it('has no ambiguous or unreachable alternative', () => {
  expect(() => new ProgramRules(true)).not.toThrow();
});

it('has no token that is empty, hidden by another or defined twice', () => {
  const lexer = new Lexer(allTokens, { positionTracking: 'onlyOffset', ensureOptimizations: true });
  expect(lexer.lexerDefinitionErrors).toEqual([]);
});
