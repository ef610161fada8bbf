/** The parser: shapes of trees, precedence, soft keywords, and that no text makes it throw or hang. */
import { describe, expect, test } from 'vitest';
import type * as ast from '../../../grammar/ast.ts';
import { parse, parseExpression } from '../../../grammar/parser.ts';
import { format } from '../../../grammar/printer.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { mutatePrograms, samplePrograms } from '../../fixtures/fuzz.ts';
import { strip } from '../../fixtures/strip.ts';

function read(text: string): ast.Program {
  const result = parse({ path: 'test.zoo', text });
  expect(result.diagnostics, text).toEqual([]);
  return result.program;
}

function expression(text: string): ast.Expr {
  const result = parseExpression({ path: 'test.zoo', text });
  expect(result.diagnostics, text).toEqual([]);
  return result.expression;
}

const subscript = (part: ast.Expr | ast.SliceSubscript): string =>
  part.kind === 'slice'
    ? [part.start, part.end].map((end) => (end === undefined ? '' : shape(end))).join(part.mark)
    : shape(part);

/** An expression with every operation in round brackets: `(a + (b * c))`. */
function shape(expr: ast.Expr): string {
  const argument = ({ name, value }: ast.Argument): string =>
    name ? `${name.text}=${shape(value)}` : shape(value);
  switch (expr.kind) {
    case 'int':
    case 'bool':
      return String(expr.value);
    case 'float':
    case 'name':
      return expr.text;
    case 'string':
      return JSON.stringify(expr.value);
    case 'group':
      return shape(expr.inner);
    case 'unary':
      return `(${expr.op} ${shape(expr.operand)})`;
    case 'binary':
      return `(${shape(expr.left)} ${expr.op} ${shape(expr.right)})`;
    case 'elvis':
      return `(${shape(expr.left)} ?: ${shape(expr.right)})`;
    case 'pipe':
      return `(${shape(expr.left)} |> ${shape(expr.right)})`;
    case 'if':
      return `(if ${shape(expr.condition)} ${shape(expr.then)} ${shape(expr.else)})`;
    case 'with':
      return `(${shape(expr.base)} with ${expr.changes.map((c) => (c.kind === 'override' ? `${c.path.segments.map((s) => s.text).join('.')}=${shape(c.value)}` : `${c.pattern.value} as ${shape(c.value)}`)).join(' ')})`;
    case 'call':
      return `${shape(expr.callee)}(${expr.args.map(argument).join(', ')})`;
    case 'comprehension':
      return `[${shape(expr.item)} for ${expr.index.text} in ${shape(expr.range)}]`;
    case 'range':
      return `${shape(expr.start)}..${shape(expr.end)}`;
    case 'index':
      return `${shape(expr.object)}[${expr.subscripts.map(subscript).join(', ')}]`;
    case 'list':
      return `[${expr.items.map(shape).join(', ')}]`;
    case 'member':
      return `${shape(expr.object)}.${expr.member.text}`;
    case 'quantity':
      return `(${shape(expr.value)} ${expr.unit.text})`;
    default:
      return expr.kind;
  }
}

describe('precedence', () => {
  test.each([
    ['a + b * c', '(a + (b * c))'],
    ['a - b - c', '((a - b) - c)'],
    ['a * b / c % d @ e', '((((a * b) / c) % d) @ e)'],
    ['a ^ b ^ c', '(a ^ (b ^ c))'],
    ['-a ^ b', '(- (a ^ b))'],
    ['D ^ -0.5', '(D ^ (- 0.5))'],
    ['a ^ -b ^ c * d', '((a ^ (- (b ^ c))) * d)'],
    ['-a * b', '((- a) * b)'],
    ['a * -b + c', '((a * (- b)) + c)'],
    ['--a', '(- (- a))'],
    ['not a == b and c', '((not (a == b)) and c)'],
    ['a or b and not c', '(a or (b and (not c)))'],
    ['a ?: b or c', '(a ?: (b or c))'],
    ['a ?: b ?: c', '((a ?: b) ?: c)'],
    ['a + 1 < b * 2', '((a + 1) < (b * 2))'],
    ['if a then b else c |> f', '((if a b c) |> f)'],
    ['if a then b |> f else c', '(if a (b |> f) c)'],
    ['if a then b else if c then d else e', '(if a b (if c d e))'],
    ['x |> f |> g(y) |> h', '(((x |> f) |> g(y)) |> h)'],
    ['s * i @ t.T', '((s * i) @ t.T)'],
    ['"m" with a.b = 1 |> f, c = 2', '("m" with a.b=(1 |> f) c=2)'],
    ['x |> f with a = 1', '((x |> f) with a=1)'],
    ['(d ?: identity)(x)', '(d ?: identity)(x)'],
    ['f(a = 1, b)(c).d', 'f(a=1, b)(c).d'],
    [
      'cosine(warmup = 2000 steps, total = n * 2 epochs)',
      'cosine(warmup=(2000 steps), total=(n * (2 epochs)))',
    ],
    ['[f(x, i) + 1 for i in 0..n - 1]', '[(f(x, i) + 1) for i in 0..(n - 1)]'],
    ['[[i * j for j in 0..i] for i in a..b][1..]', '[[(i * j) for j in 0..i] for i in a..b][1..]'],
    ['layers[2..5](x)[0]', 'layers[2..5](x)[0]'],
    ['layers[0..-1]', 'layers[0..(- 1)]'],
    ['x |> layers[..n * 2] |> layers[..]', '((x |> layers[..(n * 2)]) |> layers[..])'],
    ['"m" with "a.**" as B(rank = 4), c = 2', '("m" with a.** as B(rank=4) c=2)'],
    ['f(("m" with "a" as B, "b" as C |> d))', 'f(("m" with a as B b as (C |> d)))'],
    ['1e-5 + 2.5', '(1e-5 + 2.5)'],
    ['ndim >= 2', '(ndim >= 2)'],
  ])('%s', (text, expected) => {
    expect(shape(expression(text))).toBe(expected);
  });
});

describe('shapes of trees', () => {
  test('slices and subscripts', () => {
    expect(strip(expression('x[:, 0:1, i, a:]'))).toMatchObject({
      kind: 'index',
      object: { text: 'x' },
      subscripts: [
        { kind: 'slice' },
        { kind: 'slice', start: { value: 0 }, end: { value: 1 } },
        { kind: 'name', text: 'i' },
        { kind: 'slice', start: { text: 'a' } },
      ],
    });
  });

  test('axis patterns of rearrange', () => {
    expect(strip(expression('rearrange(x, [b, 1, (n h d)] -> [n, (b), h], n = 3)'))).toMatchObject({
      args: [
        { value: { kind: 'name', text: 'x' } },
        {
          value: {
            kind: 'arrow',
            operands: [],
            from: {
              axes: [
                { kind: 'axis', name: { text: 'b' } },
                { kind: 'one' },
                { kind: 'group', names: [{ text: 'n' }, { text: 'h' }, { text: 'd' }] },
              ],
            },
            to: { axes: [{ kind: 'axis' }, { kind: 'group', names: [{ text: 'b' }] }, { kind: 'axis' }] },
          },
        },
        { name: { text: 'n' }, value: { value: 3 } },
      ],
    });
  });

  test('operands of einsum', () => {
    const tree = strip(expression('einsum(q[b, h], f(k)[b, (c d)] -> [h, c])'));
    expect(tree).toMatchObject({
      args: [
        {
          value: {
            kind: 'arrow',
            operands: [
              { value: { kind: 'name', text: 'q' }, axes: { axes: [{ kind: 'axis' }, { kind: 'axis' }] } },
              { value: { kind: 'call' }, axes: { axes: [{ kind: 'axis' }, { kind: 'group' }] } },
            ],
          },
        },
      ],
    });
    expect(JSON.stringify(tree)).not.toContain('"from"');
  });

  test('types', () => {
    const text =
      'fn f(a: int, b: [int], c: [..., w], d: i32[B, 7], e: [], g: { x: [B] }, h: v.input, i: fn = z) = a';
    const fn = read(text).items[0] as ast.FnDecl;
    expect(fn.params.map((param) => strip(param.type))).toMatchObject([
      { kind: 'static-type', name: 'int', list: false },
      { kind: 'static-type', name: 'int', list: true },
      { kind: 'tensor-type', dims: [{ kind: 'ellipsis' }, { kind: 'name', text: 'w' }] },
      { kind: 'tensor-type', element: { text: 'i32' }, dims: [{ text: 'B' }, { value: 7 }] },
      { kind: 'tensor-type', dims: [] },
      { kind: 'record-type', fields: [{ name: { text: 'x' }, type: { kind: 'tensor-type' } }] },
      { kind: 'member-type', object: { text: 'v' }, member: { text: 'input' } },
      { kind: 'static-type', name: 'fn', list: false },
    ]);
  });

  test('members of a block', () => {
    const text = `block A(n: int) {
      require n > 0 else "n is {n}"
      let m = n * 2
      param w: [m] = ones
      buffer b: []
      inline text: T
      r[i in 0..n]: B(i) when n > 1
      s: seq { "0": C  act: gelu }
      forward(x: [B, m]) -> [B] fuses k = s(x)
    }`;
    const block = read(text).items[0] as ast.BlockDecl;
    expect(block.members.map((member) => strip(member))).toMatchObject([
      { kind: 'require', message: { value: 'n is {n}' } },
      { kind: 'let', name: { text: 'm' } },
      { kind: 'weight', role: 'param', name: { text: 'w' }, init: { text: 'ones' } },
      { kind: 'weight', role: 'buffer', type: { dims: [] } },
      { kind: 'child', inline: true, name: { text: 'text' } },
      { kind: 'child', array: { index: { text: 'i' }, range: { kind: 'range' } }, when: { op: '>' } },
      {
        kind: 'child',
        value: { kind: 'seq', children: [{ name: { text: '0', quoted: true } }, { name: { text: 'act' } }] },
      },
      { kind: 'forward', fuses: { text: 'k' }, body: { form: 'equals', lets: [] } },
    ]);
  });

  test('settings of a recipe', () => {
    const text = `train "r" of "m" with a.b = 1 from base {
      batch = 32
      clamp logit_scale in 0 .. ln(100)
      remat "**.resblocks.*", "x"
      freeze "y"
      lr "visual.**" = 1e-5   weight_decay "**.ln_*", "b" = 0
      layer_decay "visual.blocks.*" = 0.75
      init visual.layers.0.1."a b" = resize_grid(bicubic)
      table prompts = tokens("c.txt")
      from { "a.**" = "a.safetensors", "**" = "b.pt", }
      checkpoint every 1000 steps keep 3
      evaluate zeroshot("x") every 1 epochs
    }`;
    const train = read(text).items[0] as ast.TrainDecl;
    expect(strip(train)).toMatchObject({
      name: { text: 'r', quoted: true },
      of: { kind: 'with' },
      from: { text: 'base' },
      settings: [
        { kind: 'assign', key: { text: 'batch' } },
        { kind: 'clamp', path: { segments: [{ text: 'logit_scale' }] }, range: { start: { value: 0 } } },
        { kind: 'remat', patterns: [{ value: '**.resblocks.*' }, { value: 'x' }] },
        { kind: 'freeze' },
        { kind: 'rate', rate: 'lr', patterns: [{ value: 'visual.**' }], value: { value: 1e-5 } },
        {
          kind: 'rate',
          rate: 'weight_decay',
          patterns: [{ value: '**.ln_*' }, { value: 'b' }],
          value: { value: 0 },
        },
        { kind: 'rate', rate: 'layer_decay', value: { value: 0.75 } },
        { kind: 'init', path: { segments: ['visual', 'layers', '0', '1', 'a b'].map((text) => ({ text })) } },
        { kind: 'table', name: { text: 'prompts' }, value: { kind: 'call' } },
        { kind: 'from', files: [{ pattern: { value: 'a.**' }, weights: { value: 'a.safetensors' } }, {}] },
        { kind: 'checkpoint', every: { kind: 'quantity', unit: { text: 'steps' } }, keep: { value: 3 } },
        { kind: 'evaluate', every: { kind: 'quantity', unit: { text: 'epochs' } } },
      ],
    });
  });

  test('every node has the text it came from in its span', () => {
    const text = 'fn f(x: [B, n + 1]) = g(x[0], k = -1) # c';
    const program = read(text);
    const fn = program.items[0] as ast.FnDecl;
    const of = (node: { span: ast.Identifier['span'] }): string => text.slice(node.span.start, node.span.end);
    expect(of(fn)).toBe('fn f(x: [B, n + 1]) = g(x[0], k = -1)');
    expect(of(fn.params[0]!)).toBe('x: [B, n + 1]');
    expect(of(fn.params[0]!.type)).toBe('[B, n + 1]');
    const call = fn.body.result as ast.CallExpr;
    expect(call.args.map(of)).toEqual(['x[0]', 'k = -1']);
    expect(of(call.args[1]!.value)).toBe('-1');
    expect(program.comments.map(of)).toEqual(['# c']);
  });
});

describe('soft keywords', () => {
  test('name arguments, path segments, members, weights and values', () => {
    const text = `
import nn { model, train, "block" }
block names(model: int, train: block, fn: fn = block, forward: int = 1) {
  param param: [model]
  buffer buffer: [train.batch]
  init: inline(text = 1, in = 2, if = 3, steps = steps, epochs = 2 epochs, lr = weight_decay)
  inline inline: seq { freeze: remat  every: keep }
  for[of in 0..from]: package(for)
  let import = of + from * keep
  let steps = epochs
  let lr = layer_decay * lr
  forward(x: [model]) = x.in.if.forward |> init |> train
}
train train of train from from {
  init = init
  init init.train.init = init
  clamp keep in 0 .. 1
  checkpoint every keep keep every
  steps = 3
  train = f({ objective = 1, model = 2 })
}`;
    const program = read(text);
    expect(program.items.map((item) => item.name.text)).toEqual(['names', 'train']);
    const printed = format(program);
    expect(strip(read(printed))).toEqual(strip(program));
  });

  test('`for` and `as` join lists and replacements, and are names elsewhere', () => {
    const text = `
block A(as: int, for: int) {
  as: B(as)
  for[as in 0..for]: C((as), for)
  forward(x: [for, as]) = rearrange(x, [as, (for d)] -> [(as for), d], d = as)
}
model "m"(as: int = 2) = ("n" with "**.as" as as(as = as), for.as = 3) with "a" as
  for
fn f(as: [B]) = [as(for) for for in as..for]
train "t" of "m" with "a" as as(1) { seed = 2 }`;
    const program = read(text);
    expect(program.items.map((item) => item.kind)).toEqual(['block', 'model', 'fn', 'train']);
    expect(strip(read(format(program)))).toEqual(strip(program));
  });

  test('a forgotten operand does not swallow the next statement', () => {
    const { program, diagnostics } = parse({
      path: 'test.zoo',
      text: 'block A {\n  let x =\n  param w: [3] = ones\n  fc: B(\n  forward(x: [B]) = x\n}\n',
    });
    expect(diagnostics.map((d) => d.span?.start)).toEqual([22, 53]);
    const block = program.items[0] as ast.BlockDecl;
    expect(block.members.map((member) => member.kind)).toEqual(['weight', 'child', 'forward']);
  });
});

describe('what cannot be read', () => {
  test('other members and declarations are kept', () => {
    const text =
      'block A {\n  a: B(1\n  b: C(2)\n  let = 4\n  c: D(3)\n}\nmodel "m" = = 3\nmodel "n" = A()\n';
    const { program, diagnostics } = parse({ path: 'test.zoo', text });
    expect(diagnostics.length).toBe(3);
    const block = program.items[0] as ast.BlockDecl;
    expect(block.members.map((member) => 'name' in member && member.name.text)).toEqual(['a', 'b', '', 'c']);
    expect(program.items.map((item) => item.name.text)).toEqual(['A', 'n']);
  });

  test.each([
    '(',
    '[',
    '{ a = ',
    'f(',
    'x[',
    'if x then ',
    'if ',
    '- ',
    'not ',
    'x ^ ',
    'x + ',
    'x |> ',
    'x.',
    'f()',
    '[',
  ])('nesting %j without end is a diagnostic', (piece) => {
    for (const times of [150, 10_000]) {
      const { diagnostics } = parse({ path: 'test.zoo', text: `model "m" = ${piece.repeat(times)}1` });
      const allowed = piece === 'x.' && times === 150 ? [] : ['Z105', 'Z106', 'Z112'];
      expect(diagnostics.every((d) => allowed.includes(d.code) || d.code === 'Z110')).toBe(true);
      expect(diagnostics.length).toBeLessThanOrEqual(101);
    }
  });

  test('100 levels of brackets can be read, 101 cannot', () => {
    const nested = (n: number): string => `model "m" = ${'f('.repeat(n)}x${')'.repeat(n)}`;
    expect(parse({ path: 'test.zoo', text: nested(100) }).diagnostics).toEqual([]);
    expect(parse({ path: 'test.zoo', text: nested(101) }).diagnostics.map((d) => d.code)).toEqual(['Z105']);
  });

  test('a file that is too large is refused unread', () => {
    const text = `${'#'.repeat(8_000_001)}\n`;
    const { program, diagnostics } = parse({ path: 'large.zoo', text });
    expect(program.items).toEqual([]);
    expect(diagnostics.map((d) => `${d.code}: ${d.message}`)).toEqual([
      'Z113: large.zoo has 8.0 million characters, a file may have 8',
    ]);
  });

  test('2000 damaged programs neither throw nor hang', () => {
    for (const text of mutatePrograms(20_240, 2000)) {
      const { program, diagnostics } = parse({ path: 'fuzz.zoo', text });
      for (const d of diagnostics) {
        expect(d.code).toMatch(/^Z1\d\d$/);
        expect(d.message).not.toMatch(/expecting|-->|undefined|something else|redundant/i);
        expect(d.span!.start).toBeGreaterThanOrEqual(0);
        expect(d.span!.end).toBeGreaterThanOrEqual(d.span!.start);
        expect(d.span!.end).toBeLessThanOrEqual(text.length);
      }
      renderDiagnostics(diagnostics.slice(0, 5), { color: true });
      const printed = format(program);
      if (diagnostics.length === 0) {
        const again = parse({ path: 'fuzz.zoo', text: printed });
        expect(again.diagnostics, printed).toEqual([]);
        expect(format(again.program)).toBe(printed);
        expect(strip(again.program)).toEqual(strip(program));
      }
    }
  });

  test('the same seed gives the same damaged programs', () => {
    expect(mutatePrograms(1, 20)).toEqual(mutatePrograms(1, 20));
    expect(mutatePrograms(1, 20)).not.toEqual(mutatePrograms(2, 20));
  });

  test('samples parse without diagnostics', () => {
    for (const [name, text] of samplePrograms()) {
      expect(parse({ path: name, text }).diagnostics).toEqual([]);
    }
  });
});
