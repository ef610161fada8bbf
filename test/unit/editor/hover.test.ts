/** What is shown of the name at a place, exactly. */
import { describe, expect, it } from 'vitest';
import { settingNamed, settingNames } from '../../../editor/service/settings.ts';
import { encoder, hover, mini } from '../../support/service.ts';

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

  it('on a block: head, comment, parameters and work', () => {
    expect(hover(program.replace('= Encoder(', '= Enc‸oder('))).toBe(
      [
        '```zoo\nblock Encoder(width: int, hidden: int = 4 * width)\n```',
        'Two layers and a norm.',
        '93 parameters, 17.06 kFLOP forward for one sample in "net" at `body`',
      ].join('\n\n'),
    );
  });

  it('on a model: parameters and work', () => {
    expect(hover('model "mine" = "ViT-‸B/32"\n')).toContain(
      '\n\n151,277,313 parameters, 14.78 GFLOP forward for one sample',
    );
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

describe('settings', () => {
  it('all have a line that says what they are', () => {
    expect(settingNames.filter((name) => settingNamed(name) === undefined)).toEqual([]);
  });
});
