/**
 * The text of a product's kernel from its parts; and that of two products in one launch, whose workgroups take what each
 * has to do from their number.
 */

export interface TileText {
  /** In workgroup memory; those of one name are one where two products come in a launch. */
  readonly arrays: readonly { readonly name: string; readonly element: string; readonly size: number }[];
  readonly functions: string;
  /** Size of the workgroup, and what else the entry point says. */
  readonly attributes: string;
  /** Parameters besides the workgroup's and the invocation's numbers. */
  readonly builtins: string;
  readonly lines: readonly string[];
}

interface Placed {
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
export function printBeside(products: readonly [Placed, Placed]): string | undefined {
  const [one, other] = products.map(({ text }) => text);
  if (typeof one !== 'object' || typeof other !== 'object') return undefined;
  const pairs = one.arrays.map((array) => ({
    ...array,
    same: other.arrays.find(({ name, element }) => name === array.name && element === array.element),
  }));
  if (pairs.length !== other.arrays.length || pairs.some(({ same }) => same === undefined)) return undefined;
  const arrays = pairs.map(({ same, ...array }) => ({ ...array, size: Math.max(array.size, same!.size) }));
  const place = ({ grid: [x, y] }: Placed, number: string) =>
    `let group = vec3<u32>(${number} % ${x}u, ${number} / ${x}u % ${y}u, ${number} / ${x * y}u);`;
  const [first, second] = products;
  const count = workgroupsOf(first);
  const lines = [
    'let number = place.x + place.y * places.x;',
    `if (number < ${count}u) {`,
    place(first, 'number'),
    ...one.lines,
    '}',
    `if (number >= ${count}u && number < ${count + workgroupsOf(second)}u) {`,
    `let behind = number - ${count}u;`,
    place(second, 'behind'),
    ...other.lines,
    '}',
  ];
  const builtins = `${one.builtins}, @builtin(num_workgroups) places: vec3<u32>`;
  return `${printArrays(arrays)}${one.functions}${other.functions}${printMain({ ...one, builtins }, 'place', lines)}`;
}
