/** Random statements of programs: integers made from values, arithmetic on them, and what they choose. */
import { anyAxis, axesText, cut, type Place, type Statement, type Statements } from './statements.ts';

/** i32 that broadcasts to the shape of x. */
function integers({ x, y, s, d }: Place): string {
  return d.weighted([
    [3, `int(${d.pick([x, y])} * 4)`],
    [1, `int(round(${y} * 3))`],
    [1, `argsort(${x})`],
    [1, `int(${x} > ${y})`],
    [1, `iota(${s.width})`],
    [0.5, s.rank === 3 ? `rearrange(iota(${s.tokens}), [t] -> [t, 1])` : `iota(${s.width})`],
  ]);
}

/** i32 of the shape of x. */
function arranged(p: Place): string {
  const { s, d, x } = p;
  const a = `int(${x} * 4)`;
  const { axis, size } = anyAxis(s, d);
  const at = 1 + d.below(size - 1);
  return d.pick([
    `flip(${a}, axis = ${axis})`,
    `roll(${a}, shift = ${at}, axis = ${axis})`,
    `cumsum(${a}, axis = ${axis})`,
    `concat(${cut(a, s, axis, `${at}:`)}, ${cut(a, s, axis, `0:${at}`)}, axis = ${axis})`,
    `${cut(`pad(${a}, axis = ${axis}, before = 1, after = 0, value = ${d.pick([0, 3])})`, s, axis, `0:${size}`)}`,
    `select(${a}, ${size} - 1 - iota(${size}), axis = ${axis})`,
    `where(${p.y} > 0, ${a}, ${d.pick(['1', integers(p)])})`,
    `${a} - ${d.pick(['sum', 'max', 'min'])}(${a}, axis = ${axis}, keep = true)`,
    `rearrange(rearrange(${a}, ${axesText(s, '(n w)')} -> ${axesText(s, 'w, n')}, n = 2) * 3, ${axesText(s, 'w, n')} -> ${axesText(s, '(w n)')})`,
  ]);
}

function computed(p: Place): string {
  const { d } = p;
  const [a, b] = [d.chance(0.5) ? integers(p) : arranged(p), integers(p)];
  return d.pick([
    `(${a} ${d.pick(['+', '-', '*', '/', '%'])} ${b})`,
    `(${a} ${d.pick(['/', '%'])} ${d.pick(['2', '3', '-3'])})`,
    `(${d.pick(['2 *', '5 -', '1 +'])} ${a})`,
    `${d.pick(['min', 'max'])}(${a}, ${d.pick([b, '1'])})`,
    `abs(${a})`,
    `(-${a})`,
    `(${a} % 4) ^ ${d.pick([2, 3])}`,
    `where(${a} ${d.pick(['<', '==', '>='])} ${b}, ${a}, ${b})`,
  ]);
}

const counted: Statement = (p) => `${p.x} + float(${computed(p)} % 16) * 0.05`;

export const integersOnAny: Statements = [
  [1.5, counted],
  [0.7, (p) => `where(${computed(p)} % 2 == 0, ${p.x}, ${p.y})`],
  [
    0.5,
    (p) => `${p.x} * (0.5 + (${computed(p)} ${p.d.pick(['<', '!=', '>='])} ${p.d.pick(['1', integers(p)])}))`,
  ],
  [0.6, ({ x, child }) => `${child('Lookup()')}(${x})`],
  [0.6, ({ x, y, child, s }) => `${y} + ${child(`Kinds(5, ${s.width})`)}(${x})`],
];
