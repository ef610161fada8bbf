/** Words that move, sort and sample tensors: each mistake as a person sees it, and what an open batch allows. */
import { describe, expect, it } from 'vitest';
import { check } from './report.ts';

/** A block whose forward computes `lines` of an image and of numbers for each sample. */
const program = (...lines: string[]) => `
block A {
  param w: [8, 4, 3] = zeros
  forward(image: [B, 4, 6, 7]) -> [B, E] {
    let s = mean(image, axis = [2, 3])
    let k = mean(image, axis = [1, 2, 3])
${lines.map((line, i) => `    let y${i} = ${line}`).join('\n')}
    return s
  }
}
model "a" = A()
`;

describe('words over tensors', () => {
  it('work with an open batch', () => {
    const source = program(
      'flip(image, axis = -1)',
      'cumsum(image, axis = 1)',
      'argsort(s)',
      'top_k(s, 2).values + float(top_k(s, 2).indices)',
      'max_pool(image, 3, stride = 2, padding = 1)',
      'avg_pool(image, 3, stride = 2, padding = 1)',
      'conv1d(image[:, :, 0, :], w, padding = 1)',
      'upsample(image, 2) + upsample(image, 2, method = "bilinear")',
      'einsum(s[b, i], s[b, j], s[b, k] -> [b, i, j, k])',
      's * (not (sum([s * i for i in 0..3]) > 1))',
    );
    expect(check(source)).toBe('\n\n');
  });

  it('Z313, Z302: along the batch, or along no axis', () => {
    const source = program(
      'flip(image, axis = 0)',
      'cumsum(k, axis = 0)',
      'argsort(k)',
      'argsort(sum(k))',
      'top_k(k, 2)',
      'flip(s, axis = 2)',
    );
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z313]: cannot flip along the batch: axis 0 of [B, 4, 6, 7] is open
        --> main.zoo:6:14
       6 |     let y0 = flip(image, axis = 0)
         |              ^^^^^^^^^^^^^^^^^^^^^

      error[Z313]: cannot sum up along the batch: axis 0 of [B] is open
        --> main.zoo:7:14
       7 |     let y1 = cumsum(k, axis = 0)
         |              ^^^^^^^^^^^^^^^^^^^

      error[Z313]: cannot sort along the batch: axis 0 of [B] is open
        --> main.zoo:8:14
       8 |     let y2 = argsort(k)
         |              ^^^^^^^^^^

      error[Z302]: argsort needs an axis [..., W], got []
        --> main.zoo:9:14
       9 |     let y3 = argsort(sum(k))
         |              ^^^^^^^^^^^^^^^

      error[Z313]: cannot sort along the batch: axis 0 of [B] is open
        --> main.zoo:10:14
      10 |     let y4 = top_k(k, 2)
         |              ^^^^^^^^^^^

      error[Z302]: there is no axis 2 in [B, 4], which has 2 axes
        --> main.zoo:11:22
      11 |     let y5 = flip(s, axis = 2)
         |                      ^^^^^^^^
      "
    `);
  });

  it('Z313: more than there are', () => {
    const source = program('top_k(s, 5)', 'top_k(s, 0)', 'top_k(s, 2).order');
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z313]: there are no 5 largest entries in rows of 4: [B, 4]
        --> main.zoo:6:23
       6 |     let y0 = top_k(s, 5)
         |                       ^
         = help: \`k\` is at most 4

      error[Z313]: \`k\` of top_k must be from 1 to 65536, got 0
        --> main.zoo:7:23
       7 |     let y1 = top_k(s, 0)
         |                       ^

      error[Z210]: there is no field \`order\`
        --> main.zoo:8:26
       8 |     let y2 = top_k(s, 2).order
         |                          ^^^^^
         = help: fields: values, indices
      "
    `);
  });

  it('windows that have no meaning', () => {
    const source = program(
      'max_pool(image, 0)',
      'max_pool(image, 3, stride = 0)',
      'max_pool(image, 3, padding = 2)',
      'avg_pool(image, 9)',
      'avg_pool(s, 2)',
      'max_pool(int(image), 2)',
      'conv2d(image, w, dilation = 0)',
      'max_pool(image)',
    );
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z313]: \`kernel\` of max_pool must be from 1 to 65536, got 0
        --> main.zoo:6:30
       6 |     let y0 = max_pool(image, 0)
         |                              ^

      error[Z313]: \`stride\` of max_pool must be from 1 to 65536, got 0
        --> main.zoo:7:33
       7 |     let y1 = max_pool(image, 3, stride = 0)
         |                                 ^^^^^^^^^^

      error[Z313]: windows of 3 can be padded by 1 at most, got 2
        --> main.zoo:8:14
       8 |     let y2 = max_pool(image, 3, padding = 2)
         |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: pad(...) puts any number of pixels around

      error[Z301]: cannot pool [B, 4, 6, 7] in windows of 9: the window does not fit into the image
        --> main.zoo:9:14
       9 |     let y3 = avg_pool(image, 9)
         |              ^^^^^^^^^^^^^^^^^^ \`x\` is 6

      error[Z302]: pooling needs 4 axes [B, C, H, W], got [B, 4]
        --> main.zoo:10:14
      10 |     let y4 = avg_pool(s, 2)
         |              ^^^^^^^^^^^^^^

      error[Z303]: cannot take the largest of i32[B, 4, 6, 7]: it holds integers
        --> main.zoo:11:14
      11 |     let y5 = max_pool(int(image), 2)
         |              ^^^^^^^^^^^^^^^^^^^^^^^
         = help: float(...) turns integers into f32

      error[Z313]: \`dilation\` of conv2d must be from 1 to 65536, got 0
        --> main.zoo:12:31
      12 |     let y6 = conv2d(image, w, dilation = 0)
         |                               ^^^^^^^^^^^^

      error[Z202]: max_pool needs \`kernel: int\` and none was given
        --> main.zoo:13:14
      13 |     let y7 = max_pool(image)
         |              ^^^^^^^^^^^^^^^
      "
    `);
  });

  it('signals and images that do not fit', () => {
    const source = program(
      'conv1d(image, w)',
      'conv1d(image[:, :, 0, :], w, dilation = 4)',
      'conv1d(s, w)',
      'upsample(image, 0)',
      'upsample(image, 2, method = "cubic")',
      'upsample(s, 2)',
      'upsample(int(image), 2, method = "bilinear")',
      'einsum(s[b, i], s[b, j], s[b] -> [i])',
    );
    expect(check(source)).toMatchInlineSnapshot(`
      "
      error[Z302]: conv1d needs 3 axes [B, C, L], got [B, 4, 6, 7]
        --> main.zoo:6:14
       6 |     let y0 = conv1d(image, w)
         |              ^^^^^^^^^^^^^^^^

      error[Z301]: cannot convolve [B, 4, 1, 7] with filters [8, 4, 1, 3]: the window does not fit into the image
        --> main.zoo:7:14
       7 |     let y1 = conv1d(image[:, :, 0, :], w, dilation = 4)
         |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

      error[Z302]: conv1d needs 3 axes [B, C, L], got [B, 4]
        --> main.zoo:8:14
       8 |     let y2 = conv1d(s, w)
         |              ^^^^^^^^^^^^

      error[Z313]: \`factor\` of upsample must be from 1 to 65536, got 0
        --> main.zoo:9:30
       9 |     let y3 = upsample(image, 0)
         |                              ^

      error[Z209]: \`method\` of upsample must be "nearest" or "bilinear", got "cubic"
        --> main.zoo:10:33
      10 |     let y4 = upsample(image, 2, method = "cubic")
         |                                 ^^^^^^^^^^^^^^^^

      error[Z302]: upsample needs 4 axes [B, C, H, W], got [B, 4]
        --> main.zoo:11:14
      11 |     let y5 = upsample(s, 2)
         |              ^^^^^^^^^^^^^^

      error[Z303]: cannot interpolate i32[B, 4, 6, 7]: it holds integers
        --> main.zoo:12:14
      12 |     let y6 = upsample(int(image), 2, method = "bilinear")
         |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: float(...) turns integers into f32

      error[Z302]: [b] names 1 axes of [B, 4], which has 2
        --> main.zoo:13:14
      13 |     let y7 = einsum(s[b, i], s[b, j], s[b] -> [i])
         |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      "
    `);
  });
});
