/**
 * Kernels of subgroup matrices without subgroup matrices: each subgroup is one invocation that keeps whole matrices in arrays of
 * its own, multiplied by loops. So the logic of every configuration (M ≠ N ≠ K, f32 operands) is executed on any adapter.
 *
 * The kernel's text is used as it is but for the types and the three built-in functions, so its tiles, offsets, orders,
 * edges and epilogues are those of the real kernel.
 */
import type { Kernel } from '../../compiler/kernels/text/kernel.ts';
import { hiddenBound } from '../../compiler/kernels/text/wgsl.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';

/** A profile whose subgroups have one invocation, with scalars in workgroup memory as Apple's have. */
export function emulatedProfile(profile: DeviceProfile): DeviceProfile {
  return { ...profile, vendor: 'apple', subgroupSize: { min: 1, max: 1 } };
}

const matrixType = /subgroup_matrix_(?:left|right|result)<(f16|f32), (\d+), (\d+)>/;

/** WGSL array of a matrix, row after row; the type names columns first. */
function arrayOf(type: string): { text: string; element: string; columns: number; rows: number } {
  const [, element, columns, rows] = matrixType.exec(type)!;
  const size = Number(columns) * Number(rows);
  return {
    text: `array<${element}, ${size}>`,
    element: element!,
    columns: Number(columns),
    rows: Number(rows),
  };
}

/** Short loops are not to be unrolled: software drivers compile thousands of instructions for tens of seconds. */
const bound = (count: number) => hiddenBound(count, 'layer');

/** For products with fewer batches than a matrix has rows. */
export function emulated(kernel: Kernel): Kernel {
  const helpers = new Map<string, string>();
  const multiply = (body: string) => {
    const left = arrayOf(/subgroup_matrix_left<[^>]*>/.exec(body)![0]);
    const right = arrayOf(/subgroup_matrix_right<[^>]*>/.exec(body)![0]);
    const result = arrayOf(/subgroup_matrix_result<[^>]*>/.exec(body)![0]);
    helpers.set(
      'multiply',
      `fn multiply(a: ${left.text}, b: ${right.text}, c: ${result.text}) -> ${result.text} {
  var x = a; var y = b; var sum = c;
  for (var r = 0u; r < ${bound(result.rows)}; r++) { for (var q = 0u; q < ${bound(result.columns)}; q++) {
    var s = sum[r * ${result.columns}u + q];
    for (var k = 0u; k < ${bound(left.columns)}; k++) { s += f32(x[r * ${left.columns}u + k]) * f32(y[k * ${right.columns}u + q]); }
    sum[r * ${result.columns}u + q] = s;
  } }
  return sum;
}
`,
    );
    return body.replaceAll('subgroupMatrixMultiplyAccumulate(', 'multiply(');
  };
  const load = (_: string, type: string, order: string, array: string) => {
    const { text, columns, rows } = arrayOf(type);
    const name = `load_${array}_${order}`;
    const place = order === 'row_major' ? 'r * pitch + q' : 'q * pitch + r';
    helpers.set(
      name,
      `fn ${name}(at: u32, pitch: u32) -> ${text} {
  var m: ${text};
  for (var r = 0u; r < ${bound(rows)}; r++) { for (var q = 0u; q < ${bound(columns)}; q++) { m[r * ${columns}u + q] = ${array}[at + ${place}]; } }
  return m;
}
`,
    );
    return `${name}(`;
  };
  const store = (body: string) => {
    const { text, columns, rows } = arrayOf(/subgroup_matrix_result<[^>]*>/.exec(body)![0]);
    helpers.set(
      'store_matrix',
      `fn store_matrix(at: u32, m: ${text}, pitch: u32) {
  var x = m;
  for (var r = 0u; r < ${bound(rows)}; r++) { for (var q = 0u; q < ${bound(columns)}; q++) { r_tile[at + r * pitch + q] = x[r * ${columns}u + q]; } }
}
`,
    );
    return body.replaceAll('subgroupMatrixStore<row_major>(&r_tile, ', 'store_matrix(');
  };
  const body = store(multiply(kernel.body))
    .replaceAll(/subgroupMatrixLoad<(subgroup_matrix_\w+<[^>]*>), (\w+)>\(&(\w+), /g, load)
    .replaceAll(new RegExp(matrixType, 'g'), (type) => arrayOf(type).text)
    .replace(/, @builtin\(subgroup_id\) subgroup: u32\) \{/, ') {\n  let subgroup = lane; layer = group.z;');
  const enables = (kernel.enables ?? []).filter((extension) => extension === 'f16');
  return { ...kernel, enables, body: `var<private> layer: u32;\n${[...helpers.values()].join('')}${body}` };
}
