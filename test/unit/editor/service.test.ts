/** The language service's answers, exactly. `‸` marks the place that is asked about. */
import { describe, expect, it } from 'vitest';
import { createService, type LanguageService } from '../../../editor/service/index.ts';
import { settingNamed, settingNames } from '../../../editor/service/settings.ts';
import { fail } from '../../../grammar/diagnostics.ts';
import { memoryHost } from '../../errors/report.ts';

const mini = `import clip { CLIP, VisionTransformer, TextTransformer }

model "mini" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 48),
  text = TextTransformer(context = 16, vocab = 4096, width = 64, layers = 1, embed = 48)
)
`;

const encoder = `import nn { Linear, LayerNorm }

# Two layers and a norm.
block Encoder(width: int, hidden: int = 4 * width) {
  let doubled = 2 * hidden
  norm: LayerNorm(width)
  up: Linear(width, hidden)
  down: Linear(hidden, width)

  forward(x: [B, width, side, side]) -> [B, T, width] {
    let flat = rearrange(x, [b, c, h, w] -> [b, (h w), c])
    let wide = flat |> norm |> up
    return flat + down(gelu(wide))
  }
}

block Net(side: int = 6, encoder: block) {
  body: encoder
  forward(images: [B, 3, side, side]) = { out = body(images) }
}
`;

/** A service with one open document, and the place of the mark in it. */
function opened(marked: string, others: Readonly<Record<string, string>> = {}) {
  const offset = marked.indexOf('‸');
  const text = marked.replace('‸', '');
  const service = createService(memoryHost(others));
  service.open('main.zoo', text);
  return { service, text, offset };
}

function labels(marked: string, others: Readonly<Record<string, string>> = {}): string[] {
  const { service, offset } = opened(marked, others);
  return service.completion('main.zoo', offset).items.map(({ label }) => label);
}

function hover(marked: string): string | undefined {
  const { service, offset } = opened(marked);
  return service.hover('main.zoo', offset)?.contents;
}

/** The text with edits made, the last place first. */
function edited(text: string, edits: readonly { start: number; end: number; text: string }[]): string {
  return [...edits]
    .sort((a, b) => b.start - a.start)
    .reduce((t, edit) => t.slice(0, edit.start) + edit.text + t.slice(edit.end), text);
}

/** The words at locations of one file. */
function words(service: LanguageService, path: string, ranges: readonly { start: number; end: number }[]) {
  const text = service.text(path)!;
  return ranges.map(({ start, end }) => text.slice(start, end));
}

describe('diagnostics', () => {
  it('have the edit that mends a misspelt name', () => {
    const { service, text } = opened(
      'block Scale(width: int = 4) {\n  forward(x: [B, width]) -> [B, width] = x * widht\n}\n',
    );
    const [diagnostic, ...more] = service.diagnostics('main.zoo');
    const start = text.indexOf('widht');
    expect(more).toEqual([]);
    expect(diagnostic).toEqual({
      code: 'Z200',
      severity: 'error',
      message: 'unknown name `widht`; did you mean `width`?',
      start,
      end: start + 5,
      notes: [],
      labels: [],
      fix: { start, end: start + 5, text: 'width' },
    });
    const [action] = service.codeActions('main.zoo', { start, end: start });
    expect(action).toEqual({ title: 'replace with `width`', code: 'Z200', edits: [diagnostic!.fix] });
    service.open('main.zoo', edited(text, action!.edits));
    expect(service.diagnostics('main.zoo')).toEqual([]);
  });

  for (const [what, wrong, right] of [
    ['an argument', 'import nn { Linear }\nblock A() { a: Linear(3, 4, bais = false) }', 'bias = false'],
    ['a model', 'model "mine" = "ViT-B/23"\n', '"ViT-B/32"'],
    ['an import', 'import nn { Linaer }\n', '{ Linear }'],
    ['a package', 'import clp { CLIP }\n', 'import clip {'],
    ['a setting', `${mini}train "t" of "mini" {\n  data = csv("a.csv")\n  batchs = 4\n}\n`, '  batch = 4'],
    ['an option', `${mini}train "t" of "mini" {\n  optimizer = adamw(lrr = 1e-3)\n}\n`, 'adamw(lr = 1e-3)'],
    ['an optimizer', `${mini}train "t" of "mini" {\n  optimizer = adamww(lr = 1e-3)\n}\n`, ' = adamw('],
    ['a weight', `${mini}train "t" of "mini" {\n  clamp logit_scal in 0 .. 1\n}\n`, 'clamp logit_scale in'],
    ['a keyword', 'block A() {\n  parm weight: [3] = ones\n}\n', '  param weight'],
    ['an unknown block', 'block A() { a: Linear(3, 4) }\n', 'import nn { Linear }\n\nblock A'],
    [
      'another of an imported package',
      'import nn { Linear }\nblock A() {\n  a: Linear(3, 4)\n  b: LayerNorm(3)\n}\n',
      '{ Linear, LayerNorm }',
    ],
  ] as const)
    it(`mend ${what}`, () => {
      const { service, text } = opened(wrong);
      const fixes = service.diagnostics('main.zoo').flatMap(({ fix }) => (fix === undefined ? [] : [fix]));
      expect(fixes).toHaveLength(1);
      expect(edited(text, fixes)).toContain(right);
    });

  it('of an imported file stand at its import, with the place as a label', () => {
    const other = 'block A(width: int) {\n  forward(x: [B, width]) -> [B, width] = y\n}\n';
    const { service } = opened('import "./other.zoo" { A }\n', { 'other.zoo': other });
    const [diagnostic] = service.diagnostics('main.zoo');
    const place = other.indexOf('= y') + 2;
    expect(diagnostic).toMatchObject({
      start: 7,
      end: 20,
      message: 'other.zoo: unknown name `y`',
      labels: [{ path: 'other.zoo', start: place, end: place + 1, text: 'here' }],
    });
  });

  it('after edits are those of a new service', () => {
    const service = createService(memoryHost({}));
    const program = `${encoder}${mini}model "net" = Net(encoder = Encoder(width = 3))\n`;
    for (const text of [
      program,
      program.replace('width = 3))', 'width = 5))'),
      program.replace('Linear(hidden, width)', 'Linear(hidden, hidden)'),
      `# a line above\n${program.replace('layers = 2', 'layers = 3')}`,
      program.replace('embed = 48)\n', 'embed = 40)\n'),
      `${program}block {`,
      program.replace('import nn { Linear, LayerNorm }', 'import nn { Linear }'),
      program,
    ]) {
      service.open('main.zoo', text);
      const fresh = createService(memoryHost({}));
      fresh.open('main.zoo', text);
      expect(service.diagnostics('main.zoo'), text).toEqual(fresh.diagnostics('main.zoo'));
    }
  });
});

describe('hover', () => {
  const program = `${encoder}\nmodel "net" = Net(encoder = Encoder(width = 3, hidden = 12))\n`.replaceAll(
    'side, side]) -> [B, T',
    'S, S]) -> [B, T',
  );

  it('on a `let` inside a block: its shape, and what each number comes from', () => {
    expect(hover(program.replace('let wide', 'let wi‸de'))).toBe(
      [
        '```zoo\nlet wide = flat |> norm |> up\n```',
        '`[B, 36, 12]` in `body`',
        '- axis 2: 12, `hidden = 12` (`encoder.hidden`, main.zoo:22), given by `up`',
      ].join('\n\n'),
    );
  });

  it('on a static `let`: its value', () => {
    expect(hover(program.replace('let doubled', 'let doub‸led'))).toBe(
      '```zoo\nlet doubled = 2 * hidden\n```\n\n`24` in `body`',
    );
  });

  it('on a parameter: type, default, value and who gave it', () => {
    expect(hover(program.replace('hidden: int', 'hid‸den: int'))).toBe(
      '```zoo\nhidden: int = 4 * width\n```\n\n`12` in `body`: `hidden = 12` (`encoder.hidden`, main.zoo:22)',
    );
  });

  it('on a dimension variable: its value and the argument that fixed it', () => {
    expect(hover(program.replace('x: [B, width, S,', 'x: [B, width, S‸,'))).toBe(
      '```zoo\ndimension S\n```\n\n`6` in `body`: from x',
    );
  });

  it('on a block: head, comment, number of parameters', () => {
    expect(hover(program.replace('= Encoder(', '= Enc‸oder('))).toBe(
      [
        '```zoo\nblock Encoder(width: int, hidden: int = 4 * width)\n```',
        'Two layers and a norm.',
        '93 parameters in "net" at `body`',
      ].join('\n\n'),
    );
  });

  it('on a model: number of parameters', () => {
    expect(hover('model "mine" = "ViT-‸B/32"\n')).toContain('\n\n151,277,313 parameters');
  });

  it('on a built-in word: what the table of words says', () => {
    expect(hover(program.replace('= rearrange', '= rear‸range'))).toBe(
      [
        '```zoo\nrearrange(x: tensor, pattern: pattern)\n```',
        'reorders, splits and merges named axes',
        'shapes: as the pattern says',
        'gradient: the way back',
        'as: einops.rearrange',
      ].join('\n\n'),
    );
  });

  it('on settings of a recipe, their calls and options', () => {
    const recipe = `${mini}train "t" of "mini" {\n  optimizer = adamw(beta2 = 0.95)\n  freeze "visual.transformer.**"\n}\n`;
    expect(hover(recipe.replace('optimizer', 'optim‸izer'))).toBe(
      '```zoo\noptimizer = …\n```\n\nhow weights are updated\n\none of: `adamw`, `sgd`, `lion`',
    );
    expect(hover(recipe.replace('beta2', 'bet‸a2'))).toBe(
      '```zoo\nbeta2 = 0.98\n```\n\nof adamw: a number from 0 to below 1',
    );
    expect(hover(recipe.replace('freeze', 'fre‸eze'))).toMatch(
      /^```zoo\nfreeze\n```\n\nweights that are not trained/,
    );
    expect(hover(recipe.replace('transformer.**', 'trans‸former.**'))).toContain('24 weights, ');
  });
});

describe('completion', () => {
  const recipe = (body: string) => `${mini}train "t" of "mini" {\n  data = csv("a.csv")\n  ${body}\n}\n`;

  it('of paths of weights inside `freeze`', () => {
    expect(labels(recipe('freeze "visual.‸'))).toEqual([
      'visual.class_embedding',
      'visual.positional_embedding',
      'visual.proj',
      'visual.conv1',
      'visual.ln_pre',
      'visual.transformer',
      'visual.ln_post',
      'visual.**',
    ]);
    expect(labels(recipe('freeze "**", "!visual.transformer.resblocks.*.mlp.‸"'))).toEqual([
      '!visual.transformer.resblocks.*.mlp.c_fc',
      '!visual.transformer.resblocks.*.mlp.c_proj',
      '!visual.transformer.resblocks.*.mlp.**',
    ]);
    expect(labels(recipe('clamp logit‸'))).toContain('logit_scale');
  });

  it('replaces the whole text of a string', () => {
    const { service, offset, text } = opened(recipe('freeze "visual.con‸v2" batch = 4'));
    const { start, end } = service.completion('main.zoo', offset);
    expect(text.slice(start, end)).toBe('visual.conv2');
  });

  it('of settings, the calls that they can be, options and their words', () => {
    const settings = labels(recipe('‸'));
    expect(settings).toContain('optimizer');
    expect(settings).toContain('freeze');
    expect(settings).not.toContain('data');
    expect(labels(recipe('optimizer = ‸'))).toEqual(['adamw', 'sgd', 'lion']);
    expect(labels(recipe('optimizer = adamw(lr = 1e-3, ‸)'))).toEqual([
      'beta1',
      'beta2',
      'eps',
      'weight_decay',
      'decay_when',
    ]);
    expect(labels(recipe('precision = mixed(loss_scale = ‸'))).toEqual(['dynamic']);
    expect(labels(recipe('evaluate ‸'))).toEqual(['zeroshot', 'retrieval', 'probe', 'knn', 'loss']);
  });

  it('of parameters that have no argument yet', () => {
    const call = 'import nn { Linear }\nblock A(width: int) {\n  a: Linear(width, ‸, bias = false)\n}\n';
    expect(labels(call).slice(0, 4)).toEqual(['outputs', 'start', 'bias_start', 'width']);
    expect(labels('model "m" = "ViT-L/14" with ‸')).toEqual([
      'resolution',
      'vision',
      'text',
      'image_mean',
      'image_std',
    ]);
    expect(labels('model "m" = "ViT-L/14" with vision.pa‸')).toContain('patch_dropout');
  });

  it('of imports: packages, and what one exports and is not imported yet', () => {
    expect(labels('import ‸')).toContain('clip');
    expect(labels('import adapters { ‸ }').slice(0, 2)).toEqual(['LoRALinear', 'Adapter']);
    expect(labels('import adapters { LoRALinear, ‸ }')[0]).toBe('Adapter');
    expect(labels('import clip { "ViT-B‸" }')).toContain('ViT-B/32');
    expect(labels('import "./other.zoo" { ‸', { 'other.zoo': 'block Mine() {}\n' })).toEqual(['Mine']);
  });

  it('of names in reach, members behind a dot, and bundled models', () => {
    const body = encoder.replace('return flat + down(gelu(wide))', 'return ‸');
    const names = [
      'B',
      'x',
      'flat',
      'wide',
      'T',
      'doubled',
      'norm',
      'up',
      'down',
      'width',
      'hidden',
      'Encoder',
    ];
    expect(labels(body).slice(0, names.length)).toEqual(names);
    const chain = encoder.replace('return flat + down(gelu(wide))', 'return up.‸');
    expect(labels(chain)).toEqual(['weight', 'offset']);
    expect(labels('model "m" = "‸')).toContain('ViT-B/32-gelu');
  });

  it('of blocks by pattern behind `with`', () => {
    expect(labels('model "m" = "ViT-B/32" with "visual.‸" as x')).toEqual([
      'visual.conv1',
      'visual.ln_pre',
      'visual.transformer',
      'visual.ln_post',
      'visual.**',
    ]);
  });

  it('is silent in comments', () => {
    expect(labels('# a ‸comment\n')).toEqual([]);
  });
});

describe('names', () => {
  const shared =
    'import nn { Linear }\n\nblock Mine(width: int) {\n  fc: Linear(width, width)\n\n  forward(x: [B, width]) -> [B, width] = fc(x)\n}\n';
  const user =
    'import "./shared.zoo" { Mine }\n\nblock Two(width: int = 8) {\n  a: Mine(width = width)\n  b: Mine(width)\n\n  forward(x: [B, width]) -> [B, width] = x |> a |> b\n}\n';

  function both() {
    const service = createService(memoryHost({ 'shared.zoo': shared }));
    service.open('main.zoo', user);
    return service;
  }

  it('lead to their declarations through files and packages', () => {
    const service = both();
    expect(service.definition('main.zoo', user.indexOf('Mine(width)'))).toEqual({
      path: 'shared.zoo',
      start: shared.indexOf('Mine'),
      end: shared.indexOf('Mine') + 4,
    });
    const linear = service.definition('shared.zoo', shared.indexOf('Linear(width'))!;
    expect(linear.path).toBe('zooc:nn');
    expect(words(service, linear.path, [linear])).toEqual(['Linear']);
    expect(service.definition('main.zoo', user.indexOf('a |> b'))).toMatchObject({
      start: user.indexOf('a: Mine'),
    });
  });

  it('are renamed in every file that is open or imported', () => {
    const service = both();
    const found = service.rename('main.zoo', user.indexOf('Mine(width)'), 'Yours');
    if (!found.ok) throw new Error(found.message);
    const of = (path: string) => found.edits.filter((edit) => edit.path === path);
    expect(edited(user, of('main.zoo'))).toBe(user.replaceAll('Mine', 'Yours'));
    expect(edited(shared, of('shared.zoo'))).toBe(shared.replaceAll('Mine', 'Yours'));
    expect(service.references('main.zoo', user.indexOf('Mine }')).map(({ path }) => path)).toEqual([
      'shared.zoo',
      'main.zoo',
      'main.zoo',
      'main.zoo',
    ]);
  });

  it('of a parameter are those of its named arguments too', () => {
    const service = both();
    const found = service.rename('shared.zoo', shared.indexOf('width: int'), 'size');
    if (!found.ok) throw new Error(found.message);
    expect(
      edited(
        user,
        found.edits.filter(({ path }) => path === 'main.zoo'),
      ),
    ).toBe(user.replace('Mine(width = width)', 'Mine(size = width)'));
    expect(
      edited(
        shared,
        found.edits.filter(({ path }) => path === 'shared.zoo'),
      ),
    ).toBe(shared.replaceAll('width', 'size'));
  });

  it('of bundled packages and built-in words keep theirs, and new ones must be names', () => {
    const service = both();
    expect(service.rename('shared.zoo', shared.indexOf('Linear'), 'Fc')).toEqual({
      ok: false,
      message: '`Linear` belongs to package nn, which comes with zooc',
    });
    expect(service.renameRange('shared.zoo', shared.indexOf('Linear'))).toBeUndefined();
    expect(service.rename('main.zoo', user.indexOf('Two'), 'let')).toEqual({
      ok: false,
      message: '`let` is a word of the language',
    });
    expect(service.rename('main.zoo', user.indexOf('Two'), '2')).toMatchObject({ ok: false });
    expect(service.rename('main.zoo', user.indexOf('a: Mine'), 'b')).toEqual({
      ok: false,
      message: '`b` is already the name of something here',
    });
  });

  it('of models keep their quotes', () => {
    const text = 'model "a" = "ViT-B/32"\nmodel "b" = "a" with text.layers = 2\n';
    const { service } = opened(text);
    const found = service.rename('main.zoo', text.indexOf('"a"') + 1, 'x/y');
    if (!found.ok) throw new Error(found.message);
    expect(edited(text, found.edits)).toBe(text.replaceAll('"a"', '"x/y"'));
  });
});

describe('the page', () => {
  it('has tokens by what their names stand for', () => {
    const { service, text } = opened(
      'import nn { Linear }  # layers\nblock A(w: int) {\n  a: Linear(w, 3)\n}\n',
    );
    const tokens = service
      .semanticTokens('main.zoo')
      .map(({ start, end, kind }) => [text.slice(start, end), kind]);
    expect(tokens.filter(([, kind]) => kind !== 'punctuation')).toEqual([
      ['import', 'keyword'],
      ['nn', 'package'],
      ['Linear', 'block'],
      ['# layers', 'comment'],
      ['block', 'keyword'],
      ['A', 'block'],
      ['w', 'parameter'],
      ['int', 'type'],
      ['a', 'child'],
      ['Linear', 'block'],
      ['w', 'parameter'],
      ['3', 'number'],
    ]);
  });

  it('has shapes behind `let`s', () => {
    const text = `${encoder.replace('side, side]) -> [B, T', 'S, S]) -> [B, T')}model "net" = Net(encoder = Encoder(width = 3))\n`;
    const { service } = opened(text);
    expect(
      service
        .inlayHints('main.zoo')
        .map(({ offset, label }) => [text.slice(0, offset).split(' ').at(-1), label]),
    ).toEqual([
      ['doubled', ' = 24'],
      ['flat', ': [B, 36, 3]'],
      ['wide', ': [B, 36, 12]'],
    ]);
  });

  it('has the parameters of a call that is being written', () => {
    const { service, offset } = opened('import nn { Embedding }\nblock A() {\n  a: Embedding(count = 3, ‸');
    const help = service.signatureHelp('main.zoo', offset)!;
    expect(help.label).toMatch(/^Embedding\(count: int, width: int, /);
    expect(help.parameters[1]).toEqual({ name: 'width', start: 22, end: 32 });
  });

  it('has symbols, folds and the canonical form', () => {
    const { service, text } = opened(`${mini}train   "t" of "mini" {\n  batch = 4\n}\n`);
    expect(
      service.symbols('main.zoo').map(({ name, kind, children }) => [name, kind, children.length]),
    ).toEqual([
      ['mini', 'model', 0],
      ['t', 'recipe', 1],
    ]);
    expect(words(service, 'main.zoo', service.folding('main.zoo')).map((fold) => fold.trim())).toEqual([
      mini.slice(mini.indexOf('CLIP(\n') + 5, -2).trim(),
      'batch = 4',
    ]);
    expect(edited(text, service.format('main.zoo'))).toBe(`${mini}\ntrain "t" of "mini" {\n  batch = 4\n}\n`);
    expect(opened('block {').service.format('main.zoo')).toEqual([]);
  });

  it('knows nothing of a file that is not there', () => {
    const { service } = opened('');
    expect(service.diagnostics('other.zoo')).toEqual([]);
    expect(service.hover('other.zoo', 0)).toBeUndefined();
    expect(service.completion('other.zoo', 3).items).toEqual([]);
    expect(service.completion('main.zoo', 99)).toMatchObject({ start: 0, end: 0 });
  });
});

it('answers where the host fails, and says so among the diagnostics', () => {
  const failing = (): never => fail('Z702', 'package.json is not valid JSON');
  const service = createService({ ...memoryHost({}), read: failing, resolve: failing });
  const text = 'import "broken" { A }\nblock B() { a: A() }\n';
  service.open('main.zoo', text);
  expect(service.diagnostics('main.zoo').map(({ code }) => code)).toEqual(['Z702']);
  expect(service.completion('main.zoo', text.indexOf('A }')).items).toEqual([]);
  expect(service.references('main.zoo', text.indexOf('A }'))).toEqual([]);
  expect(service.text('other.zoo')).toBeUndefined();
});

describe('settings', () => {
  it('all have a line that says what they are', () => {
    expect(settingNames.filter((name) => settingNamed(name) === undefined)).toEqual([]);
  });
});
