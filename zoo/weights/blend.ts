/**
 * Weights between two checkpoints of one model: (1 - alpha) a + alpha b. A fine-tuned model pulled back towards the one
 * that it came from keeps more of its zero-shot accuracy (WiSE-FT, Wortsman et al. 2022).
 */
import { formatShape } from '../../compiler/graph/types.ts';
import { type Diagnostic, DiagnosticError } from '../../grammar/diagnostics.ts';
import type { LazyTensor, TensorFile } from './formats/tensor-file.ts';

/** Names of one sort that a message lists at most. */
const listed = 20;

/**
 * The tensors between those of two files, float32; integers (counters of batches) are those of `b`.
 * @param alpha 0 for `a`, 1 for `b`
 * @throws DiagnosticError Z401 where the files do not hold the same names in the same shapes
 */
export function blended(a: TensorFile, b: TensorFile, alpha: number): LazyTensor[] {
  checkAlike(a, b);
  return [...b.infos].map(([name, { shape, dtype }]): LazyTensor => {
    const integer = /^[IU]|^BOOL/.test(dtype);
    if (integer) return { name, shape, dtype, data: async () => (await b.read(name)).data };
    const data = async () => {
      const [from, to] = [(await a.read(name)).data, (await b.read(name)).data];
      return Float32Array.from(to as ArrayLike<number>, (y, i) => (1 - alpha) * Number(from[i]) + alpha * y);
    };
    return { name, shape, dtype: 'F32', data };
  });
}

function checkAlike(a: TensorFile, b: TensorFile): void {
  const only = (one: TensorFile, other: TensorFile) =>
    [...one.infos.keys()]
      .filter((name) => !other.infos.has(name))
      .map((name) => `only in ${one.path}: ${name}`);
  const misshapen = [...a.infos].flatMap(([name, { shape }]) => {
    const other = b.infos.get(name)?.shape;
    const same = other === undefined || formatShape(other) === formatShape(shape);
    return same ? [] : [`${name} is ${formatShape(shape)} in one, ${formatShape(other)} in the other`];
  });
  const notes = [...only(a, b), ...only(b, a), ...misshapen];
  if (notes.length === 0) return;
  const shown = notes.slice(0, listed);
  if (notes.length > listed) shown.push(`${notes.length - listed} more`);
  const diagnostic: Diagnostic = {
    code: 'Z401',
    severity: 'error',
    message: `${a.path} and ${b.path} are not checkpoints of one model under the same names`,
    notes: shown,
    help: 'zooc import writes a file of another project under our names',
  };
  throw new DiagnosticError([diagnostic]);
}
