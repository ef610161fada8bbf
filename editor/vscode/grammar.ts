/**
 * The TextMate grammar, made from the language's own lists of words.
 *
 * It colours what the tokens say, before the server tells what names stand for. Most keywords are names elsewhere, and
 * `grammar/keywords.ts` tells which by the tokens around them and the innermost bracket. Here the same is said with rules
 * for round and square brackets of their own, and with what stands beside a word on its line.
 */
import { builtinNames } from '../../compiler/model/builtins/builtins.ts';
import { declarationWords, hardWords, settingWords } from '../../grammar/tokens.ts';

interface Rule {
  readonly name?: string;
  readonly match?: string;
  readonly begin?: string;
  readonly end?: string;
  readonly captures?: Readonly<Record<string, { readonly name: string }>>;
  readonly patterns?: readonly Rule[];
  readonly include?: string;
}

const any = (words: readonly string[]) => `(?:${words.join('|')})`;

/** Ends of an operand, in front of the spaces before a word: no word that an operand has to follow. */
const operators = [
  'return',
  'then',
  'else',
  'and',
  'or',
  'not',
  'if',
  'in',
  'with',
  'when',
  'require',
  'let',
];
const behindOperand = `(?<=[\\w")\\]}])${operators.map((word) => `(?<!\\b${word})`).join('')}[ \\t]+`;
const beginsLine = '^[ \\t]*';
const behindBrace = '(?<=[{}])[ \\t]*';
const beginsStatement = `(?:${beginsLine}|${behindBrace}|${behindOperand})`;

/** No segment of a path, as which any word is a name. */
const noSegment = '(?<!(?<!\\.)\\.)\\b';
/** No label, key or field. */
const plain = '\\b(?![ \\t]*(?::|=(?!=)))';
const name = '[ \\t]+[A-Za-z_"]';

const keyword = { name: 'keyword.zoo' };

/** A word where a statement begins, in front of what `next` says. */
function statement(words: readonly string[], next: string): Rule {
  return { match: `${beginsStatement}(${any(words)})${plain}(?=${next})`, captures: { 1: keyword } };
}

const patternWords = ['freeze', 'remat', 'lr', 'weight_decay', 'layer_decay'];
const pathWords = settingWords.filter((word) => ![...patternWords, 'from', 'checkpoint'].includes(word));

/** Words that join parts of a declaration or a setting. */
const joints = ['fuses', 'for', 'as', 'of', 'from', 'every', 'keep', 'steps', 'epochs'];

const statements: readonly Rule[] = [
  statement(declarationWords, name),
  statement(['param', 'buffer', 'inline', 'entry'], name),
  statement(['forward'], '[ \\t]*\\('),
  statement(pathWords, name),
  statement(patternWords, '[ \\t]+[\\w"]'),
  statement(['checkpoint'], '[ \\t]+\\w'),
  { match: `${behindOperand}(${any(joints)})${plain}`, captures: { 1: keyword } },
  { match: `(?:${beginsLine}|${behindBrace})(${any(joints)})${plain}(?!\\()`, captures: { 1: keyword } },
  { match: '(?<=:)[ \\t]*(seq)\\b(?=[ \\t]*\\{)', captures: { 1: keyword } },
];

/** What is a keyword within round or square brackets. */
const bracketed: readonly Rule[] = [
  { match: `${behindOperand}(steps|epochs)${plain}`, captures: { 1: keyword } },
  { match: '(?:^|(?<="))[ \\t]*(as)\\b', captures: { 1: keyword } },
  { match: `(?:${beginsLine}|${behindOperand})(for)(?=[ \\t]+\\w+[ \\t]+in\\b)`, captures: { 1: keyword } },
];

const words: readonly Rule[] = [
  { name: 'keyword.zoo', match: `${noSegment}${any(hardWords)}${plain}` },
  {
    match: '(?<=[:>])[ \\t]*(int|float|bool|string|i32|block|fn)\\b',
    captures: { 1: { name: 'support.type.zoo' } },
  },
  { name: 'support.function.zoo', match: `${noSegment}${any(builtinNames())}${plain}` },
  { name: 'variable.parameter.zoo', match: '\\b[A-Za-z_]\\w*(?=[ \\t]*=(?!=))' },
  { name: 'variable.other.zoo', match: '[A-Za-z_]\\w*' },
];

const literals: readonly Rule[] = [
  { name: 'comment.line.number-sign.zoo', match: '#.*$' },
  {
    name: 'string.quoted.double.zoo',
    begin: '"',
    end: '"|$',
    patterns: [{ name: 'constant.character.escape.zoo', match: '\\\\.' }],
  },
  { name: 'constant.numeric.zoo', match: '\\b\\d\\w*(?:\\.\\d\\w*)?(?:(?<=[eE])[+-]\\d+)?' },
];

const operator: Rule = {
  name: 'keyword.operator.zoo',
  match: '->|\\|>|\\.\\.\\.?|\\?:|[<>=!]=|[-+*/%@^<>=]',
};

export function textMateGrammar(): object {
  const inner = [{ include: '#brackets' }];
  return {
    name: 'zoo',
    scopeName: 'source.zoo',
    patterns: [{ include: '#statements' }, { include: '#common' }],
    repository: {
      statements: { patterns: statements },
      common: {
        patterns: [
          ...literals,
          { begin: '\\{', end: '\\}', patterns: [{ include: '#statements' }, { include: '#common' }] },
          { begin: '[(\\[]', end: '[)\\]]', patterns: inner },
          ...words,
          operator,
        ],
      },
      brackets: { patterns: [...bracketed, { include: '#common' }] },
    },
  };
}
