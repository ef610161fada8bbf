/**
 * Half precision in storage: kernels compute in f32, and what lies in memory as f16 is widened when it is loaded and
 * narrowed when it is stored.
 *
 * Kernels are printed over f32 bindings whatever their storages hold, so that no family knows of precision and every
 * schedule serves both. Here the bindings of f16 storages are declared as what they are and each access in the body gets
 * its conversion. A kernel that reads halves by itself declares an f16 type and is left alone.
 */
import type { Kernel } from './kernel.ts';
import type { Storage } from './view.ts';

/** WGSL's name of the extension; a device offers it as `shader-f16`. */
const halfExtension = 'f16';

/** Bytes of one element in memory. */
export function elementBytes({ dtype }: Pick<Storage, 'dtype'>): number {
  return dtype === 'f16' ? 2 : 4;
}

/** WGSL's name for what kernels compute with when they read a storage. */
export function computeType({ dtype }: Pick<Storage, 'dtype'>): 'f32' | 'i32' {
  return dtype === 'i32' ? 'i32' : 'f32';
}

/** The kernel with its half-precision bindings; as it is where it has none. */
export function withHalfStorage(kernel: Kernel): Kernel {
  const halves = kernel.args.filter(({ storage, type }) => storage.dtype === 'f16' && type.includes('f32'));
  const native = kernel.args.some(({ type }) => type.includes('f16'));
  if (halves.length === 0 && !native) return kernel;
  const body = halves.reduce(
    (text, { name, type }) => convertAccesses(text, name, type.includes('vec4')),
    kernel.body,
  );
  const args = kernel.args.map((arg) =>
    halves.includes(arg) ? { ...arg, type: arg.type.replace('f32', 'f16') } : arg,
  );
  return { ...kernel, args, body, enables: [halfExtension, ...(kernel.enables ?? [])] };
}

/**
 * Converts every access `name[...]` in WGSL that this compiler printed: loads become `f32(name[...])`, stores
 * `name[...] = f16(...)`, with vec4s alike. A vec4's components may be taken behind a load and stored to.
 */
function convertAccesses(body: string, name: string, vector: boolean): string {
  const [wide, narrow] = vector ? ['vec4<f32>', 'vec4<f16>'] : ['f32', 'f16'];
  const access = new RegExp(`(?<![\\w.])${name}\\[`, 'g');
  let out = '';
  let from = 0;
  for (let found = access.exec(body); found; found = access.exec(body)) {
    const element = indexEnd(body, access.lastIndex);
    const component = body[element] === '[' ? indexEnd(body, element + 1) : element;
    const index = convertAccesses(body.slice(access.lastIndex, element), name, vector);
    const place = `${name}[${index}`;
    out += body.slice(from, found.index);
    const store = /^\s*=(?!=)/.exec(body.slice(component));
    if (store === null) {
      out += `${wide}(${place})`;
      from = element;
    } else {
      const start = component + store[0].length;
      const end = body.indexOf(';', start);
      const value = convertAccesses(body.slice(start, end).trim(), name, vector);
      const type = component > element ? 'f16' : narrow;
      out += `${place}${body.slice(element, component)} = ${type}(${value})`;
      from = end;
    }
    access.lastIndex = from;
  }
  return out + body.slice(from);
}

/** Behind the bracket that closes the one before `start`. */
function indexEnd(text: string, start: number): number {
  let depth = 1;
  let at = start;
  while (depth > 0) {
    if (at >= text.length) throw new Error('an index in a kernel is not closed');
    if (text[at] === '[') depth++;
    else if (text[at] === ']') depth--;
    at++;
  }
  return at;
}
