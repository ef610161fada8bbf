/**
 * The classification task: CLDR's largest subgroups of emoji as classes, split into test and shots.
 *
 * Both styles of an emoji are on the same side of the split, so no test picture shows what a shot shows. The
 * first emoji of a class by a fixed hash are the test, equally many in each class; shots are drawn from the
 * others by seed, and those of a smaller number are the first of a larger one.
 */
import { randomKey, randomPermutation } from '../../runtime/data/random.ts';
import { type Emoji, unitHash } from '../emoji/catalog.ts';

/**
 * The 32 largest subgroups that say what they hold (`other-symbol` does not), without skin-tone variants. Names
 * are the subgroups' words as a sentence has them.
 */
export const classes = {
  'country-flag': 'country flag',
  'person-role': 'person in a role',
  'animal-mammal': 'mammal',
  'person-activity': 'person in activity',
  'transport-ground': 'ground transport',
  'sky-weather': 'sky and weather',
  clothing: 'clothing',
  'person-sport': 'person doing sport',
  alphanum: 'letters and numbers',
  family: 'family',
  'food-prepared': 'prepared food',
  geometric: 'geometric shape',
  'person-fantasy': 'fantasy person',
  time: 'time',
  'person-gesture': 'person making a gesture',
  person: 'person',
  sport: 'sport',
  'place-building': 'building',
  tool: 'tool',
  'face-concerned': 'concerned face',
  'av-symbol': 'audio and video symbol',
  heart: 'heart',
  household: 'household',
  game: 'game',
  office: 'office',
  'animal-bird': 'bird',
  event: 'event',
  arrow: 'arrow',
  'food-fruit': 'fruit',
  drink: 'drink',
  'food-vegetable': 'vegetable',
  'body-parts': 'body part',
} as const satisfies Readonly<Record<string, string>>;

export const classNames: readonly string[] = Object.values(classes);

export const shotCounts = [1, 2, 4, 8, 16] as const;
export const seeds = [1, 2, 3] as const;
/** Emoji of each class in the test; the smallest class has 18, so that 9 are left, which are 18 pictures. */
const testEmoji = 9;
const styles = ['twemoji', 'noto'] as const;

export interface Labelled {
  /** `twemoji/1f436.png`, below the data folder of the emoji example. */
  readonly picture: string;
  /** Index in `classNames`. */
  readonly label: number;
}

export interface Task {
  readonly test: readonly Labelled[];
  /** What shots are drawn from, class by class. */
  readonly pool: readonly (readonly Labelled[])[];
}

function picturesOf(emoji: readonly Emoji[], label: number): Labelled[] {
  return emoji.flatMap(({ code }) =>
    styles.map((style) => ({ picture: `${style}/${code.toLowerCase()}.png`, label })),
  );
}

export function makeTask(catalog: readonly Emoji[]): Task {
  const members = Object.keys(classes).map((subgroup) =>
    catalog
      .filter((e) => e.subgroup === subgroup && !e.variant)
      .map((e) => ({ emoji: e, place: unitHash(`prompts ${e.code}`) }))
      .sort((a, b) => a.place - b.place)
      .map(({ emoji }) => emoji),
  );
  return {
    test: members.flatMap((emoji, label) => picturesOf(emoji.slice(0, testEmoji), label)),
    pool: members.map((emoji, label) => picturesOf(emoji.slice(testEmoji), label)),
  };
}

/** `count` pictures of each class. */
export function drawShots({ pool }: Task, count: number, seed: number): Labelled[] {
  return pool.flatMap((pictures, label) => {
    const order = randomPermutation(randomKey(seed, 'shots', label), pictures.length);
    return Array.from(order.subarray(0, count), (i) => pictures[i]!);
  });
}
