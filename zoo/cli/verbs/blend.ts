/** `zooc blend`: weights between two checkpoints of one model. */
import { fail } from '../../../grammar/diagnostics.ts';
import { blended } from '../../weights/blend.ts';
import { openTensors, tensorsPath } from '../../weights/formats/open-tensors.ts';
import { writeSafetensors } from '../../weights/formats/safetensors.ts';
import { closing } from '../closing.ts';
import { count, note, print } from '../output.ts';

interface BlendOptions {
  readonly alpha: string;
  readonly out: string;
}

export async function blend(first: string, second: string, options: BlendOptions): Promise<void> {
  const alpha = Number(options.alpha);
  if (options.alpha.trim() === '' || !(alpha >= 0 && alpha <= 1))
    fail('Z703', `--alpha ${options.alpha}: expected a number from 0 (all of the first) to 1`, '--alpha 0.5');
  await closing(async (keep) => {
    const [a, b] = [
      keep(await openTensors(tensorsPath(first))),
      keep(await openTensors(tensorsPath(second))),
    ];
    const tensors = blended(a, b, alpha);
    await writeSafetensors(options.out, tensors);
    note(`${count(tensors.length)} tensors: ${1 - alpha} of ${a.path}, ${alpha} of ${b.path}`);
    print(options.out);
  });
}
