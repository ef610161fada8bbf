/** Mistakes and the edits that mend them, exactly. */
import { describe, expect, it } from 'vitest';
import { createService } from '../../../editor/service/index.ts';
import { fail } from '../../../grammar/diagnostics.ts';
import { memoryHost } from '../../errors/report.ts';
import { edited, encoder, mini, opened } from '../../support/service.ts';

/** What each step gives, the last one the answer. */
function* stepsOf<T>(steps: Generator<undefined, T>): Generator<T | undefined> {
  yield yield* steps;
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

  it('come in steps, a model each, and end with them', () => {
    const { service } = opened(
      `${mini}${mini
        .replace(/^import.*/, '')
        .replace('"mini"', '"other"')
        .replace('patch = 8', 'patch = 7')}`,
    );
    const steps = [...stepsOf(service.diagnosing('main.zoo'))];
    expect(steps.slice(0, -1)).toEqual([undefined, undefined, undefined]);
    expect(steps.at(-1)?.map(({ code }) => code)).toEqual(['Z304']);
    expect(steps.at(-1)).toEqual(service.diagnostics('main.zoo'));
  });

  it('in steps end without an answer where the text changes', () => {
    const { service, text } = opened(mini);
    const steps = service.diagnosing('main.zoo');
    steps.next();
    service.open('main.zoo', `# later\n${text}`);
    expect(steps.next()).toEqual({ done: true, value: undefined });
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
