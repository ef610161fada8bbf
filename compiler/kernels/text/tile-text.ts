/**
 * The text of a kernel of workgroups from its parts; and that of several in one launch, whose workgroups take what each
 * has to do from their number.
 */

export interface TileText {
  /** In workgroup memory; those of one name are one where several come in a launch. */
  readonly arrays: readonly { readonly name: string; readonly element: string; readonly size: number }[];
  readonly functions: string;
  /** Size of the workgroup, and what else the entry point says. */
  readonly attributes: string;
  /** Parameters besides the workgroup's and the invocation's numbers. */
  readonly builtins: string;
  readonly lines: readonly string[];
}

export interface Placed {
  readonly text: string | TileText;
  readonly grid: readonly [number, number, number];
}

export const workgroupsOf = ({ grid: [x, y, z] }: Placed): number => x * y * z;

function printArrays(arrays: TileText['arrays']): string {
  return arrays
    .map(({ name, element, size }) => `var<workgroup> ${name}: array<${element}, ${size}>;\n`)
    .join('');
}

function printMain({ attributes, builtins }: TileText, groups: string, lines: readonly string[]): string {
  return `@compute ${attributes}
fn main(@builtin(workgroup_id) ${groups}: vec3<u32>, @builtin(local_invocation_index) lane: u32${builtins}) {
  ${lines.join('\n  ')}
}
`;
}

export function printEntry(tile: TileText): string {
  return `${printArrays(tile.arrays)}${tile.functions}${printMain(tile, 'group', tile.lines)}`;
}

/** Undefined where they do not share their workgroup memory. */
export function printBeside(placed: readonly Placed[]): string | undefined {
  const texts = placed.map(({ text }) => text).filter((text) => typeof text === 'object');
  const [one] = texts;
  if (one === undefined || texts.length < placed.length) return undefined;
  const arrays = one.arrays.map(({ name, element }) => {
    const same = texts.flatMap((text) => text.arrays.filter((a) => a.name === name && a.element === element));
    return { name, element, count: same.length, size: Math.max(...same.map(({ size }) => size)) };
  });
  const alike = (text: TileText) =>
    text.arrays.length === arrays.length && text.attributes === one.attributes;
  if (!texts.every(alike) || arrays.some(({ count }) => count < texts.length)) return undefined;
  let first = 0;
  const parts = placed.flatMap((part, i) => {
    const [x, y] = part.grid;
    const start = first;
    first += workgroupsOf(part);
    return [
      `if (number >= ${start}u && number < ${first}u) {`,
      `let own = number - ${start}u;`,
      `let group = vec3<u32>(own % ${x}u, own / ${x}u % ${y}u, own / ${x * y}u);`,
      ...texts[i]!.lines,
      '}',
    ];
  });
  const builtins = `${one.builtins}, @builtin(num_workgroups) places: vec3<u32>`;
  const lines = ['let number = place.x + place.y * places.x;', ...parts];
  const functions = texts.map((text) => text.functions).join('');
  return `${printArrays(arrays)}${functions}${printMain({ ...one, builtins }, 'place', lines)}`;
}
