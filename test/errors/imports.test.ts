/** Imports: each mistake as a person sees it. */
import { describe, expect, it } from 'vitest';
import { check } from './report.ts';

describe('imports', () => {
  it('Z204: files that import each other', () => {
    const source = `
import "./b.zoo" { B }
block A { b: B() }
`;
    expect(
      check(source, {
        'b.zoo': `
import "./main.zoo" { A }
block B { }
`,
      }),
    ).toMatchInlineSnapshot(`
      "
      error[Z204]: import cycle: main.zoo -> b.zoo -> main.zoo
        --> b.zoo:2:8
       2 | import "./main.zoo" { A }
         |        ^^^^^^^^^^^^
         = help: move what both files need into a third one
      "
    `);
  });

  it('Z205: files, packages and names that do not exist', () => {
    const source = `
import "./enc.zoo" { Enc }
import "acme-vision" { Tower }
import nnn { Linear }
import nn { Linaer, relu }
block A { e: Enc()  t: Tower()  l: Linear(1, 1) }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z205]: there is no file ./enc.zoo
        --> main.zoo:1:8
       1 | import "./enc.zoo" { Enc }
         |        ^^^^^^^^^^^

      error[Z205]: there is no npm package "acme-vision" with a \`zoo\` entry
        --> main.zoo:2:8
       2 | import "acme-vision" { Tower }
         |        ^^^^^^^^^^^^^
         = help: install it with npm, or write "./file.zoo" for a file beside this one

      error[Z205]: there is no package \`nnn\`; did you mean \`nn\`?
        --> main.zoo:3:8
       3 | import nnn { Linear }
         |        ^^^
         = help: packages that come with zooc: adapters, bert, clip, decoders, encoders, llama, losses, moe, nn, open_clip, prompts, rotary, swin, t5, trunk; a file is imported as "./nnn.zoo"

      error[Z205]: package nn exports no \`Linaer\`; did you mean \`Linear\`?
        --> main.zoo:4:13
       4 | import nn { Linaer, relu }
         |             ^^^^^^

      error[Z205]: package nn exports no \`relu\`: it is built in, without an import
        --> main.zoo:4:21
       4 | import nn { Linaer, relu }
         |                     ^^^^
      "
    `);
  });

  it('Z200, Z205, Z206: names that are in another package, or near one there', () => {
    const source = `
import nn { VisionTransformer, TextTransfomer }
block A(width: int = 4) {
  norm: LayrNorm(width)
  other: RMSNorm(width)
  forward(x: [B, width]) -> [B, width] = frequencies(x) + frequencis(x) + wdith
}
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z205]: package nn exports no \`VisionTransformer\`; it is in package clip
        --> main.zoo:1:13
       1 | import nn { VisionTransformer, TextTransfomer }
         |             ^^^^^^^^^^^^^^^^^
         = help: import clip { VisionTransformer }

      error[Z205]: package nn exports no \`TextTransfomer\`; did you mean \`TextTransformer\` of package clip?
        --> main.zoo:1:32
       1 | import nn { VisionTransformer, TextTransfomer }
         |                                ^^^^^^^^^^^^^^
         = help: import clip { TextTransformer }

      error[Z200]: unknown name \`LayrNorm\`; did you mean \`LayerNorm\` of package nn?
        --> main.zoo:3:9
       3 |   norm: LayrNorm(width)
         |         ^^^^^^^^
         = help: import nn { LayerNorm }

      error[Z206]: unknown block \`RMSNorm\`; it is in package nn
        --> main.zoo:4:10
       4 |   other: RMSNorm(width)
         |          ^^^^^^^
         = help: import nn { RMSNorm }

      error[Z200]: unknown name \`frequencies\`; it is in package rotary
        --> main.zoo:5:42
       5 |   forward(x: [B, width]) -> [B, width] = frequencies(x) + frequencis(x) + wdith
         |                                          ^^^^^^^^^^^
         = help: import rotary { frequencies }

      error[Z200]: unknown name \`frequencis\`; did you mean \`frequencies\` of package rotary?
        --> main.zoo:5:59
       5 |   forward(x: [B, width]) -> [B, width] = frequencies(x) + frequencis(x) + wdith
         |                                                           ^^^^^^^^^^
         = help: import rotary { frequencies }

      error[Z200]: unknown name \`wdith\`; did you mean \`width\`?
        --> main.zoo:5:75
       5 |   forward(x: [B, width]) -> [B, width] = frequencies(x) + frequencis(x) + wdith
         |                                                                           ^^^^^
      "
    `);
  });

  it('Z207: a name imported and declared', () => {
    const source = `
import nn { Linear, Linear }
import clip { CLIP }
block CLIP { }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z207]: \`Linear\` is already imported here
        --> main.zoo:1:21
       1 | import nn { Linear, Linear }
         |                     ^^^^^^

      error[Z207]: \`CLIP\` is already declared here
        --> main.zoo:2:15
       2 | import clip { CLIP }
         |               ^^^^
      "
    `);
  });

  it('an error in an imported file', () => {
    const source = `
import "./enc.zoo" { Enc }
block A(width: int) { e: Enc(width) }
`;
    expect(
      check(source, {
        'enc.zoo': `
block Enc(width: int) {
  param weight: [wdith] = ones
}
`,
      }),
    ).toMatchInlineSnapshot(`
      "
      error[Z200]: unknown name \`wdith\`; did you mean \`width\`?
        --> enc.zoo:3:18
       3 |   param weight: [wdith] = ones
         |                  ^^^^^
      "
    `);
  });

  it('an npm package', () => {
    const source = `
import "acme-vision" { Tower }
block A { t: Tower(widht = 3) }
`;
    expect(
      check(source, {
        'node_modules/acme-vision.zoo': `
block Tower(width: int) { param w: [width] = ones }
`,
      }),
    ).toMatchInlineSnapshot(`
      "
      error[Z201]: Tower has no parameter \`widht\`; did you mean \`width\`?
        --> main.zoo:2:20
       2 | block A { t: Tower(widht = 3) }
         |                    ^^^^^
      "
    `);
  });
});
