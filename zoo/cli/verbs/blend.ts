/** `zooc blend`: weights between two checkpoints of one model. */
import { fail } from '../../../grammar/diagnostics.ts';
import { adapterNamed, refuseBase } from '../../weights/adapter-file.ts';
import { blended } from '../../weights/blend.ts';
import { writeSafetensors } from '../../weights/formats/safetensors.ts';
import { openWholeTensors } from '../../weights/whole-tensors.ts';
import { closing } from '../closing.ts';
import { fetchedWeights } from '../fetched.ts';
import { count, note, print } from '../output.ts';

interface BlendOptions {
  readonly alpha: string;
  readonly out: string;
  readonly base?: string;
}

export async function blend(one: string, other: string, options: BlendOptions): Promise<void> {
  const alpha = Number(options.alpha);
  if (options.alpha.trim() === '' || !(alpha >= 0 && alpha <= 1))
    fail('Z703', `--alpha ${options.alpha}: expected a number from 0 (all of the first) to 1`, '--alpha 0.5');
  const [first, second] = [await fetchedWeights(one), await fetchedWeights(other)];
  const base = await fetchedWeights(options.base);
  await closing(async (keep) => {
    if (base !== undefined && !(await adapterNamed(first)) && !(await adapterNamed(second)))
      refuseBase(`neither ${first} nor ${second} is one`, base);
    const [a, b] = [keep(await openWholeTensors(first, base)), keep(await openWholeTensors(second, base))];
    const tensors = blended(a, b, alpha);
    await writeSafetensors(options.out, tensors, {}, { checksum: true });
    note(`${count(tensors.length)} tensors: ${1 - alpha} of ${a.path}, ${alpha} of ${b.path}`);
    print(options.out);
  });
}
