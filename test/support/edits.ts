/** Random edits of a text, as people and tools make them: pieces of the language put in, some text taken out or repeated. */
const pieces = [
  ...'"(){}[],.:=#|\n\\'.split(''),
  ...['->', '|>', '..', ' with ', 'x', 'width', '7', '\u{1F600}', '\ud800', '\r\n'],
  ...['let ', 'block ', 'forward(', 'import ', 'model "', 'train "t" of "', 'freeze "visual.', 'Linear('],
];

interface Edited {
  readonly text: string;
  /** Where somebody would go on typing. */
  readonly at: number;
}

function randomEdit(text: string, random: () => number): Edited {
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

/** One edit after the other; every fourth one of the original. */
export function* randomEdits(original: string, count: number, random: () => number): Generator<Edited> {
  let text = original;
  for (let i = 0; i < count; i++) {
    const edited = randomEdit(random() < 0.25 ? original : text, random);
    text = edited.text;
    yield edited;
  }
}
