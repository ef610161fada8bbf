/** Where names are declared and used, and their renaming. */
import { describe, expect, it } from 'vitest';
import { createService } from '../../../editor/service/index.ts';
import { memoryHost } from '../../errors/report.ts';
import { edited, opened, words } from '../../support/service.ts';

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
