/** Completions within `train … { … }`: settings, the calls that they can be, options, paths of weights. */
import type { IToken } from 'chevrotain';
import type { Module } from '../../../compiler/model/values/module.ts';
import type { Instance } from '../../../compiler/model/values/values.ts';
import { parseExpression } from '../../../grammar/parser.ts';
import * as t from '../../../grammar/tokens.ts';
import { instanceOf } from '../elaborated.ts';
import { optionsOf, settingNamed, settingNames } from '../settings.ts';
import { endOf, isKeyword, isName, isString } from '../tokens.ts';
import type { CompletionItem } from '../types.ts';
import { callAt, type Place } from './context.ts';
import { keywordItem } from './items.ts';
import { patternItems, segmentItems } from './paths.ts';

export interface RecipePlace {
  readonly place: Place;
  readonly module: Module;
  readonly text: string;
  /** Index of the word `train`. */
  readonly start: number;
}

const ofBlocks = ['remat', 'layer_decay'];
const patternWords = ['freeze', 'remat', 'lr', 'weight_decay', 'layer_decay'];
const pathWords = ['clamp', 'init'];

/** Undefined where an expression of the language is due. */
export function recipeItems(at: RecipePlace): CompletionItem[] | undefined {
  const { place } = at;
  const { before, open, string } = place;
  const [brace] = open;
  if (brace === undefined || before[brace]!.tokenType !== t.LBrace) return undefined;
  if (string !== undefined) return patterns(at, string);
  const previous = before.at(-1)!;
  const key = settingAt(before, open);
  if (open.length > 1) return key === 'objective' ? undefined : options(place, key);
  if (previous.tokenType === t.Equals) return key === 'objective' ? undefined : values(key);
  const path = pathAt(before);
  if (path !== undefined) {
    const root = trained(at);
    return root === undefined ? [] : segmentItems(root, path);
  }
  // Without what has to follow, such a word is no keyword yet.
  const word = isKeyword(previous) || isName(previous) ? previous.image : undefined;
  if (word === 'checkpoint') return [keywordItem('every')];
  if (word === 'evaluate') return values('evaluate');
  if (word !== undefined && patternWords.includes(word)) return quotedPatterns(at, word);
  if (word === 'every' || word === 'keep' || word === 'in') return [];
  if (previous.tokenType === t.Int || previous.tokenType === t.Float) {
    const line = at.text.slice(endOf(previous), place.start);
    if (!line.includes('\n'))
      return [...['steps', 'epochs'].map(keywordItem), ...settingItems(before.slice(brace))];
  }
  return settingItems(before.slice(brace));
}

function quotedPatterns(at: RecipePlace, word: string): CompletionItem[] {
  const root = trained(at);
  const items =
    root === undefined ? [] : patternItems(root, '', ofBlocks.includes(word) ? 'blocks' : 'weights');
  return items.map((item) => ({ ...item, insert: JSON.stringify(item.label) }));
}

/** The name of the setting that is being written. */
function settingAt(before: readonly IToken[], open: readonly number[]): string | undefined {
  const limit = open[1] ?? before.length;
  const words: readonly string[] = t.settingWords;
  for (let i = limit - 1; i > open[0]!; i--) {
    const token = before[i]!;
    if (token.tokenType === t.KeyName) return token.image;
    if ((isKeyword(token) || isName(token)) && words.includes(token.image)) return token.image;
  }
  return undefined;
}

/** Those that a recipe does not assign yet. */
function settingItems(written: readonly IToken[]): CompletionItem[] {
  const assigned = new Set(
    written.filter((token) => token.tokenType === t.KeyName).map(({ image }) => image),
  );
  return settingNames
    .filter((name) => !assigned.has(name))
    .map((name): CompletionItem => {
      const facts = settingNamed(name)!;
      return {
        label: name,
        kind: 'setting',
        ...(facts.wanted === undefined ? {} : { detail: facts.wanted }),
        documentation: facts.about,
        ...(facts.assigned ? { insert: `${name} = ` } : {}),
      };
    });
}

/** What a setting can be. */
function values(key: string | undefined): CompletionItem[] {
  const facts = key === undefined ? undefined : settingNamed(key);
  return (facts?.calls ?? []).map((label): CompletionItem => {
    const shown = optionsOf(key!, label)?.map(({ name, usual }) =>
      usual === undefined ? name : `${name} = ${usual}`,
    );
    const bare = shown?.length === 0;
    return {
      label,
      kind: 'value',
      ...(shown === undefined || bare ? {} : { detail: `${label}(${shown.join(', ')})` }),
      insert: bare ? label : `${label}(`,
    };
  });
}

/** Options of the call that is being written, or the words that one can be. */
function options(place: Place, key: string | undefined): CompletionItem[] | undefined {
  const call = callAt(place);
  if (call === undefined || key === undefined) {
    const bracket = place.before[place.open.at(-1)!]!.tokenType;
    return key !== undefined && bracket === t.LBracket ? values(key) : [];
  }
  const known = optionsOf(key, place.before[call.opener - 1]!.image);
  if (known === undefined) return [];
  const writing = known.find(({ name }) => name === call.writing);
  if (writing !== undefined) return writing.words.map((label): CompletionItem => ({ label, kind: 'value' }));
  return known
    .filter(({ name }, i) => i >= call.positional && !call.named.includes(name))
    .map(({ name, wanted, usual }) => ({
      label: name,
      kind: 'parameter',
      detail: usual === undefined ? wanted : `${usual}: ${wanted}`,
      insert: `${name} = `,
    }));
}

/** The pattern within quotes: of weights or blocks, by the word in front of it. */
function patterns(at: RecipePlace, written: string): CompletionItem[] {
  const { before } = at.place;
  let i = before.length - 1;
  while (i > 0 && (isString(before[i]) || before[i]!.tokenType === t.Comma)) i--;
  const word = before[i]!;
  const inFiles = word.tokenType === t.LBrace && before[i - 1]?.image === 'from';
  if (!inFiles && !(isKeyword(word) && patternWords.includes(word.image))) return [];
  const root = trained(at);
  return root === undefined
    ? []
    : patternItems(root, written, ofBlocks.includes(word.image) ? 'blocks' : 'weights');
}

/** The segments of a path behind `clamp` or `init` that stand in front of the place. */
function pathAt(before: readonly IToken[]): string[] | undefined {
  const segments: string[] = [];
  let i = before.length - 1;
  while (before[i]?.tokenType === t.Dot && (isName(before[i - 1]) || before[i - 1]?.tokenType === t.Int)) {
    segments.unshift(before[i - 1]!.image);
    i -= 2;
  }
  const word = before[i];
  return (isKeyword(word) || isName(word)) && pathWords.includes(word!.image) ? segments : undefined;
}

/** The model that the recipe is of. */
function trained({ place, module, text, start }: RecipePlace): Instance | undefined {
  const { before, open } = place;
  const from = before[start]!.startOffset;
  const item = module.program.items.find(({ span }) => span.start === from);
  if (item?.kind === 'train') return instanceOf(item.of, module);
  // Where the text has lost the recipe, its head is still there.
  const head = before.slice(start, open[0]);
  const of = head.find((token) => isKeyword(token) && token.image === 'of');
  const end = head.find((token) => isKeyword(token) && token.image === 'from') ?? before[open[0]!];
  if (of === undefined || end === undefined) return undefined;
  const { expression } = parseExpression({
    path: module.file.path,
    text: text.slice(endOf(of), end.startOffset),
  });
  return instanceOf(expression, module);
}
