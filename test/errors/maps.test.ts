/** Names maps: each mistake as a person sees it. */
import { describe, expect, it } from 'vitest';
import { check } from './report.ts';

describe('names maps', () => {
  it('Z218: rules that cannot be undone', () => {
    const source = `
import clip { CLIP }
names a for CLIP {
  "visual.{i}.weight" -> "vision.weight"
  "visual.proj" -> "vision.{n}"
  "in_proj" -> "{q,k,v}_proj"
  "x.{i}" -> split(0) "y.{i}"
  "z.{i}" -> reverse "w.{i}"
  "z.{j}" -> "u.{j}"
  "a.{b" -> "c"
}
names b for CLAP { "a" -> "b" }
`;
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z218]: {i} is missing on the right, so the name could not be read back
        --> main.zoo:3:3
       3 |   "visual.{i}.weight" -> "vision.weight"
         |   ^^^^^^^^^^^^^^^^^^^

      error[Z218]: {n} is missing on the left, so the name could not be read back
        --> main.zoo:4:20
       4 |   "visual.proj" -> "vision.{n}"
         |                    ^^^^^^^^^^^^

      error[Z218]: split(axis) and one group {a,b,c} on the right go together
        --> main.zoo:5:16
       5 |   "in_proj" -> "{q,k,v}_proj"
         |                ^^^^^^^^^^^^^^
         = help: split(0) "...{q,k,v}_proj.weight"

      error[Z218]: split(axis) and one group {a,b,c} on the right go together
        --> main.zoo:6:23
       6 |   "x.{i}" -> split(0) "y.{i}"
         |                       ^^^^^^^
         = help: split(0) "...{q,k,v}_proj.weight"

      error[Z218]: a rule can \`transpose\` or \`split(axis)\`
        --> main.zoo:7:14
       7 |   "z.{i}" -> reverse "w.{i}"
         |              ^^^^^^^
         = help: "ours" -> transpose "theirs"

      error[Z218]: another rule names the same weights
        --> main.zoo:8:3
       7 |   "z.{i}" -> reverse "w.{i}"
         |   ------- first here
       8 |   "z.{j}" -> "u.{j}"
         |   ^^^^^^^

      error[Z218]: a brace in a name is not closed
        --> main.zoo:9:3
       9 |   "a.{b" -> "c"
         |   ^^^^^^

      error[Z206]: names b is for \`CLAP\`, which is no block
        --> main.zoo:11:13
      11 | names b for CLAP { "a" -> "b" }
         |             ^^^^
      "
    `);
  });
});
