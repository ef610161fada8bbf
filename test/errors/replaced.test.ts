/** Mistakes with replaced layers, as a person sees them. */
import { describe, expect, it } from 'vitest';
import { check, resolve } from './report.ts';

const base = `
import nn { Linear }
block Layer(width: int, act: fn = quick_gelu) {
  mlp: seq { c_fc: Linear(width, 2 * width)  act: act  c_proj: Linear(2 * width, width) }
  forward(x: [B, width]) -> [B, width] = x + mlp(x)
}
block Net(width: int = 8, layers: int = 2) {
  resblocks[i in 0..layers]: Layer(width)
  forward(image: [B, width]) -> [B, width] = resblocks(image)
}
block LoRALinear(inputs: int, outputs: int, rank: int) {
  param weight: [outputs, inputs]
  param a: [rank, inputs]
  param b: [outputs, rank] = zeros
  forward(x: [..., inputs]) -> [..., outputs] = x @ weight.T + x @ a.T @ b.T
}
model "net" = Net()
`;
const changed = (change: string) => check(`${base}model "new" = "net" with ${change}\n`);

describe('a pattern that fits nothing', () => {
  it('lists near paths', () => {
    expect(changed('"**.mlp.c_fx" as LoRALinear(rank = 2)')).toMatchInlineSnapshot(`
      "
      error[Z212]: "**.mlp.c_fx" fits no block of new
        --> main.zoo:17:26
      17 | model "new" = "net" with "**.mlp.c_fx" as LoRALinear(rank = 2)
         |                          ^^^^^^^^^^^^^
         = help: near: "resblocks.*.mlp.c_fc"
      "
    `);
    expect(changed('"**.c_fc.weight" as LoRALinear(rank = 2)')).toMatchInlineSnapshot(`
      "
      error[Z212]: "**.c_fc.weight" fits no block of new
        --> main.zoo:17:26
      17 | model "new" = "net" with "**.c_fc.weight" as LoRALinear(rank = 2)
         |                          ^^^^^^^^^^^^^^^^
         = help: near: "resblocks.*.mlp.c_fc"
      "
    `);
    expect(changed('"resblocks" as Layer')).toMatchInlineSnapshot(`
      "
      error[Z212]: "resblocks" fits no block of new
        --> main.zoo:17:26
      17 | model "new" = "net" with "resblocks" as Layer
         |                          ^^^^^^^^^^^
         = help: near: "resblocks.*"
      "
    `);
    expect(changed('"visual.**" as Layer')).toMatchInlineSnapshot(`
      "
      error[Z212]: "visual.**" fits no block of new
        --> main.zoo:17:26
      17 | model "new" = "net" with "visual.**" as Layer
         |                          ^^^^^^^^^^^
         = help: its blocks: "resblocks.*", "resblocks.*.mlp", "resblocks.*.mlp.c_fc", "resblocks.*.mlp.act"
      "
    `);
    expect(changed('"**.c_fc" as quick_gelu, "**.c_fc.a" as Layer')).toMatchInlineSnapshot(`
      "
      error[Z309]: argument \`x\` of c_proj must be [..., inputs], got [B, 8]: axis 1 differs
        --> main.zoo:4:50
       4 |   forward(x: [B, width]) -> [B, width] = x + mlp(x)
         |                                                  ^ axis 1 is 8 (width = 8, main.zoo:6), wanted 16 (inputs = 16, main.zoo:3)

      error[Z212]: "**.c_fc.a" fits no block of new
        --> main.zoo:17:51
      17 | model "new" = "net" with "**.c_fc" as quick_gelu, "**.c_fc.a" as Layer
         |                                                   ^^^^^^^^^^^
         = help: near: "resblocks.*.mlp.c_fc"
      "
    `);
  });
});

describe('a new block', () => {
  it('needs what the old one does not give', () => {
    expect(changed('"**.c_fc" as LoRALinear')).toMatchInlineSnapshot(`
      "
      error[Z202]: LoRALinear needs \`rank: int\`, which the replaced Linear has not
        --> main.zoo:17:39
      17 | model "new" = "net" with "**.c_fc" as LoRALinear
         |                                       ^^^^^^^^^^
         = note: the replaced Linear gives inputs, outputs, bias, start, bias_start
         = help: give it: LoRALinear(rank = ...)
      "
    `);
    expect(changed('"**.mlp" as LoRALinear(rank = 2)')).toMatchInlineSnapshot(`
      "
      error[Z202]: LoRALinear needs \`inputs: int\` and \`outputs: int\`, which the replaced seq has not
        --> main.zoo:17:38
      17 | model "new" = "net" with "**.mlp" as LoRALinear(rank = 2)
         |                                      ^^^^^^^^^^^^^^^^^^^^
         = note: the replaced seq has no parameters
         = help: give it: LoRALinear(inputs = ...)
      "
    `);
  });

  it('takes arguments of its own types', () => {
    const odd = 'block Odd(act: int) { forward(x: [B, D]) -> [B, D] = x }\n';
    expect(check(`${base}${odd}model "new" = "net" with "resblocks.*" as Odd`)).toMatchInlineSnapshot(`
      "
      error[Z209]: \`act\` of Odd, which the replaced Layer has, must be an int, got the function quick_gelu
        --> main.zoo:18:26
      18 | model "new" = "net" with "resblocks.*" as Odd
         |                          ^^^^^^^^^^^^^
      "
    `);
  });

  it('fits where it stands', () => {
    expect(changed('"**.c_fc" as Linear(outputs = 5)')).toMatchInlineSnapshot(`
      "
      error[Z309]: argument \`x\` of c_proj must be [..., inputs], got [B, 5]: axis 1 differs
        --> main.zoo:4:50
       4 |   forward(x: [B, width]) -> [B, width] = x + mlp(x)
         |                                                  ^ axis 1 is 5, wanted 16 (inputs = 16, main.zoo:3)
      17 | model "new" = "net" with "**.c_fc" as Linear(outputs = 5)
         |                                       ------------------- gives 5
      "
    `);
  });

  it('is a block or a function', () => {
    expect(changed('"**.c_fc" as 3')).toMatchInlineSnapshot(`
      "
      error[Z209]: blocks are replaced by a block or a function, got an int
        --> main.zoo:17:39
      17 | model "new" = "net" with "**.c_fc" as 3
         |                                       ^
         = help: "visual.**.c_fc" as LoRALinear(rank = 4)
      "
    `);
    expect(changed('"**.c_fc" as "net"')).toMatchInlineSnapshot(`
      "
      error[Z209]: blocks are replaced by a block or a function, got a string
        --> main.zoo:17:39
      17 | model "new" = "net" with "**.c_fc" as "net"
         |                                       ^^^^^
         = help: "visual.**.c_fc" as LoRALinear(rank = 4)
      "
    `);
    expect(changed('"**.c_fc" as LoraLinear(rank = 2)')).toMatchInlineSnapshot(`
      "
      error[Z200]: unknown name \`LoraLinear\`; did you mean \`LoRALinear\`?
        --> main.zoo:17:39
      17 | model "new" = "net" with "**.c_fc" as LoraLinear(rank = 2)
         |                                       ^^^^^^^^^^
      "
    `);
  });
});

describe('how it is written', () => {
  it('with a pattern in quotes and `as`', () => {
    expect(changed('resblocks.0 as Layer')).toMatchInlineSnapshot(`
      "
      error[Z106]: the blocks to replace are a pattern in quotes
        --> main.zoo:17:26
      17 | model "new" = "net" with resblocks.0 as Layer
         |                          ^^^^^^^^^^^
         = help: write \`"resblocks.0" as ...\`
      "
    `);
    expect(changed('resblocks.** as Layer')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected a name in the path, found \`*\`
        --> main.zoo:17:36
      17 | model "new" = "net" with resblocks.** as Layer
         |                                    ^
         = help: a pattern of blocks stands in quotes: \`"visual.**.c_fc" as LoRALinear(rank = 4)\`
      "
    `);
    expect(changed('**.c_fc as Layer')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected an override such as \`layers = 2\` behind \`with\`, found \`*\`
        --> main.zoo:17:26
      17 | model "new" = "net" with **.c_fc as Layer
         |                          ^
         = help: a pattern of blocks stands in quotes: \`"visual.**.c_fc" as LoRALinear(rank = 4)\`
      "
    `);
    expect(changed('"**.c_fc" = LoRALinear(rank = 2)')).toMatchInlineSnapshot(`
      "
      error[Z212]: \`**.c_fc\` is a pattern of blocks, no parameter of Net
        --> main.zoo:17:26
      17 | model "new" = "net" with "**.c_fc" = LoRALinear(rank = 2)
         |                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: where a model is written, \`with "**.c_fc" as Block(...)\` replaces blocks
      "
    `);
    expect(changed('"**.c_fc": LoRALinear(rank = 2)')).toMatchInlineSnapshot(`
      "
      error[Z106]: expected \`=\` and the new value, found \`:\`
        --> main.zoo:17:35
      17 | model "new" = "net" with "**.c_fc": LoRALinear(rank = 2)
         |                                   ^
         = help: blocks are replaced with \`as\`: \`"visual.**.c_fc" as LoRALinear(rank = 4)\`
      "
    `);
  });

  it('not on the command line', () => {
    const setting = { path: '**.c_fc', value: 'LoRALinear(rank = 2)' };
    expect(resolve('model', base, 'main.zoo#net', [setting])).toMatchInlineSnapshot(`
      "
      error[Z212]: \`**.c_fc\` is a pattern of blocks, no parameter of Net
        --> --set **.c_fc:1:1
       1 | LoRALinear(rank = 2)
         | ^^^^^^^^^^^^^^^^^^^^
         = help: where a model is written, \`with "**.c_fc" as Block(...)\` replaces blocks
      "
    `);
  });
});
