/** Queries in captions: the definition with blanks around words, tried by searching for every query in every text. */
import { describe, expect, it } from 'vitest';
import { Queries } from '../../../../runtime/data/curate/queries.ts';
import { wordsOf } from '../../../../runtime/data/curate/words.ts';
import { randomBelow, randomKey } from '../../../../runtime/data/random.ts';

/** The words between single blanks, with one around them all. */
function padded(text: string): string {
  const signs = text.replace(/[,.;:?!`]/g, ' $& ').replace(/[\t\n\v\f\r]/g, ' ');
  return ` ${signs} `.replace(/ +/g, ' ');
}

function matching(lines: readonly string[], text: string): string[] {
  return new Queries(lines).match(text).map((query) => lines[query]!);
}

describe('words', () => {
  it('end at white space, and signs are words', () => {
    expect(wordsOf(' a red\tdog,\r\nwith `ice cream`... ')).toEqual(
      'a red dog , with ` ice cream ` . . .'.split(' '),
    );
    expect(wordsOf("it's a semi-détaché\u00a0house (new)")).toEqual([
      "it's",
      'a',
      'semi-détaché\u00a0house',
      '(new)',
    ]);
    expect(wordsOf(' \t\n')).toEqual([]);
  });
});

describe('queries', () => {
  it.each([
    ['a dog runs', ['dog'], 'as a word'],
    ['a hotdog stand, dogs', [], 'not within one'],
    ['the dog.', ['dog'], 'before a sign'],
    ['the Dog', [], 'by case'],
    ['dog', ['dog'], 'as all of a text'],
    ['a dog and a dog', ['dog'], 'once, however often it is there'],
    ['New York City hall', ['New York', 'New York City', 'York'], 'that overlap and lie in each other'],
    ['New  York\n', ['New York', 'York'], 'over any white space'],
    ['in New, York', ['York'], 'not over a sign'],
    ['St. Louis', ['St. Louis'], 'that have signs, as captions have'],
    ['at St . Louis', ['St. Louis'], 'with blanks before signs'],
    ['New York New York City', ['New York', 'York', 'New York City'], 'behind a beginning that fails'],
    ['', [], 'in nothing'],
  ])('match %j', (text, expected) => {
    const lines = ['dog', 'New York', 'York', 'New York City', 'St. Louis', 'York City of'];
    expect(matching(lines, text).toSorted()).toEqual(expected.toSorted());
  });

  it('match what a search for each of them finds', () => {
    const key = randomKey(1, 'queries');
    let at = 0;
    const pieces = ['a', 'b', 'c', 'ab', 'B', ' ', ' ', ' ', ',', '.', '\n'];
    const draw = (longest: number) =>
      Array.from(
        { length: 1 + randomBelow(key, at++, longest) },
        () => pieces[randomBelow(key, at++, pieces.length)],
      ).join('');
    const drawn = Array.from({ length: 300 }, () => draw(7));
    const lines = [
      ...new Map(drawn.filter((line) => padded(line) !== ' ').map((line) => [padded(line), line])).values(),
    ];
    const queries = new Queries(lines);
    expect(queries.count).toBe(lines.length);
    let found = 0;
    for (let i = 0; i < 500; i++) {
      const text = draw(30);
      const expected = [...lines.keys()].filter((q) => padded(text).includes(padded(lines[q]!)));
      expect(
        queries.match(text).toSorted((a, b) => a - b),
        JSON.stringify(text),
      ).toEqual(expected);
      found += expected.length;
    }
    expect(found).toBeGreaterThan(1000);
  });

  it('are the same query with the same words, and none without', () => {
    const queries = new Queries(['a dog', '', ' a  dog', 'a', '\t', 'a']);
    expect(queries.count).toBe(2);
    expect(queries.digest).toBe(new Queries(['a dog', 'a']).digest);
    expect(queries.digest).not.toBe(new Queries(['a', 'a dog']).digest);
    expect(queries.match('a dog')).toEqual([1, 0]);
  });

  it('are told apart where there are many', () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `w${i % 150} w${Math.floor(i / 150)} x`);
    const queries = new Queries(lines);
    expect(queries.count).toBe(lines.length);
    for (let i = 0; i < lines.length; i += 97) expect(queries.match(`w1 ${lines[i]}`)).toEqual([i]);
  });
});
